//! A process under test: it gets its settings by its environment, is watched by its output, and ends with the test.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::eventually_within;

/// How long a process may take to print a line or to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program whose environment is nothing but these settings.
    pub fn start(program: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(settings.iter().copied()).stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} can't be started: {error}", program.display()));
        let said = Arc::default();
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        let readers = vec![read(output, &said), read(errors, &said)];
        Self { child, said, readers }
    }

    /// Everything that it has printed so far, on standard output and standard error.
    pub fn logged(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits until it prints a line with that text, and returns the word that follows the text.
    pub async fn logs(&mut self, text: &str) -> String {
        eventually_within(PATIENCE, &format!("a process prints {text:?}"), async || {
            if let Some(line) = self.logged().lines().find(|line| line.contains(text)) {
                let rest = line.split_once(text).map(|(_, rest)| rest).unwrap_or_default();
                return Some(rest.split_whitespace().next().unwrap_or_default().to_owned());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended with {status} before it printed {text:?}:\n{}", self.logged());
            }
            None
        })
        .await
    }

    /// Waits until it has ended and all of its output has been read.
    pub async fn ends(&mut self) -> ExitStatus {
        let end = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = end.unwrap_or_else(|_| panic!("it does not end:\n{}", self.logged())).expect("it is our child");
        for reader in self.readers.drain(..) {
            reader.await.expect("reading does not fail");
        }
        status
    }

    /// Asks it to stop (SIGTERM), waits until it has, and returns its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal("TERM").await;
        self.ends().await.code()
    }

    /// Ends it like a power cut (SIGKILL).
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it is our child");
    }

    /// The most memory that it has had at once, in bytes (`VmHWM` of Linux).
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux has a status for it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the status has the peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// One of its resource limits: the soft one and the hard one, as Linux writes them.
    pub fn limits(&self, name: &str) -> Vec<String> {
        let id = self.child.id().expect("it runs");
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).expect("Linux has limits for it");
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("there is such a limit");
        line.split_whitespace().take(2).map(str::to_owned).collect()
    }

    /// Lets it write no byte of a file beyond this position (a number, or `unlimited`), as if the disk were full. It must
    /// ignore SIGXFSZ, or that ends it.
    pub async fn limit_files(&self, bytes: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let status = Command::new("prlimit").args(["--pid", &id, &limit]).status().await.expect("there is prlimit");
        assert!(status.success(), "{status}");
    }

    /// Sends a signal.
    pub async fn signal(&self, signal: &str) {
        let Some(id) = self.child.id() else { return };
        let script = format!("kill -{signal} {id}");
        Command::new("sh").args(["-c", &script]).status().await.expect("there is a shell");
    }
}

#[expect(clippy::disallowed_methods, reason = "ends with the process whose output it reads")]
fn read(from: impl AsyncRead + Send + Unpin + 'static, said: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let mut lines = BufReader::new(from).lines();
    let said = Arc::clone(said);
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
