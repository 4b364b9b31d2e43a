//! A process of the service in a drill, which is started again and again at the same address with the same settings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use testkit::{Process, free_port};
use tokio::sync::Mutex;

use super::cables::Cables;
use super::fault::Role;

/// What a process logs once it works.
const ACCEPTS: &str = "Notifications are taken at ";
const TAKES: &str = "Taking from the queue";

/// A process, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) role: Role,
    /// Its cables to the broker, if there is one.
    pub(crate) broker: Option<Cables>,
    /// Where it takes notifications, if it does.
    pub(crate) listens: SocketAddr,
    settings: Vec<(&'static str, String)>,
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    process: Option<Process>,
    /// The most memory that any of its lives had, in bytes.
    peak: u64,
    starts: usize,
}

impl Slot {
    /// Prepares a process, which writes its logs into `folder`.
    pub(crate) fn new(
        role: Role,
        broker: Option<Cables>,
        mut settings: Vec<(&'static str, String)>,
        folder: &Path,
    ) -> Self {
        let listens = SocketAddr::from(([127, 0, 0, 1], free_port()));
        settings.push(("INGEST_LISTEN", listens.to_string()));
        Self { role, broker, listens, settings, folder: folder.to_owned(), state: Mutex::default() }
    }

    /// Starts it and waits until it works.
    pub(crate) async fn start(&self) {
        let mut state = self.state.lock().await;
        let program = program(self.role);
        let program = program.to_str().expect("its path is text");
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // SIGXFSZ is what a process gets for a file that must not grow: it would end a process that does not ignore it.
        let arguments = ["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", program, "standalone"];
        let count = if self.role == Role::Standalone { 4 } else { 3 };
        let mut process = Process::start(Path::new("/bin/sh"), &arguments[..count], &settings);
        let ready = if matches!(self.role, Role::Dispatcher(_)) { TAKES } else { ACCEPTS };
        process.logs(ready).await;
        state.process = Some(process);
        state.starts += 1;
    }

    /// Ends it like a power cut.
    pub(crate) async fn kill(&self) {
        let mut state = self.state.lock().await;
        if let Some(mut process) = state.process.take() {
            state.peak = state.peak.max(process.peak_memory());
            process.kill().await;
            self.keep_log(&process, state.starts);
        }
    }

    /// Stops it as an upgrade does. Returns its exit code.
    pub(crate) async fn stop(&self) -> Option<i32> {
        let mut state = self.state.lock().await;
        let mut process = state.process.take()?;
        state.peak = state.peak.max(process.peak_memory());
        let code = process.stop().await;
        self.keep_log(&process, state.starts);
        code
    }

    /// Sends a signal to it.
    pub(crate) async fn signal(&self, signal: &str) {
        if let Some(process) = &self.state.lock().await.process {
            process.signal(signal).await;
        }
    }

    /// Lets it write no byte of a file beyond this position.
    pub(crate) async fn limit_files(&self, bytes: &str) {
        if let Some(process) = &self.state.lock().await.process {
            process.limit_files(bytes).await;
        }
    }

    /// The most memory that it has had at once, in bytes.
    pub(crate) async fn peak(&self) -> u64 {
        let state = self.state.lock().await;
        state.process.as_ref().map_or(0, Process::peak_memory).max(state.peak)
    }

    fn keep_log(&self, process: &Process, life: usize) {
        let path = self.folder.join(format!("{}.{life}.log", self.role));
        std::fs::write(path, process.logged()).expect("the folder is ours");
    }
}

/// The program of a process: cargo builds all of them beside this one.
fn program(role: Role) -> PathBuf {
    let name = match role {
        Role::Ingest(_) => "ingest",
        Role::Dispatcher(_) => "dispatcher",
        Role::Standalone => "ops",
    };
    std::env::current_exe().expect("this program has a path").with_file_name(name)
}
