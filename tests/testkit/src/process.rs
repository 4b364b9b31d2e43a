//! One of our processes under test: started with settings in its environment, watched by its log, ended with the test.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::eventually_within;

/// How long a process may take to say something or to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    listeners: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program with nothing but these settings in its environment.
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
        let (output, errors) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let listeners = vec![listen(output, &said), listen(errors, &said)];
        Self { child, said, listeners }
    }

    /// Everything it has said so far, on standard output and standard error.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits for a line with that text, and gives what stands behind it up to the next space.
    pub async fn says(&mut self, text: &str) -> String {
        eventually_within(PATIENCE, &format!("a process says {text:?}"), async || {
            if let Some(line) = self.said().lines().find(|line| line.contains(text)) {
                let behind = line.split_once(text).map(|(_, behind)| behind).unwrap_or_default();
                return Some(behind.split_whitespace().next().unwrap_or_default().to_owned());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended with {status} before it said {text:?}:\n{}", self.said());
            }
            None
        })
        .await
    }

    /// Waits until it has ended and everything that it said has been heard.
    pub async fn ends(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it does not end:\n{}", self.said())).expect("it was ours");
        for listener in self.listeners.drain(..) {
            listener.await.expect("listening does not fail");
        }
        status
    }

    /// Asks it to stop (SIGTERM) and gives its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal("TERM").await;
        self.ends().await.code()
    }

    /// Ends it as a power cut would (SIGKILL).
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it was ours");
    }

    /// Most memory that it has had at once, in bytes (`VmHWM` of Linux).
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux shows it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Sends a signal.
    pub async fn signal(&self, signal: &str) {
        let Some(id) = self.child.id() else { return };
        let script = format!("kill -{signal} {id}");
        Command::new("sh").args(["-c", &script]).status().await.expect("there is a shell");
    }
}

#[expect(clippy::disallowed_methods, reason = "ends with the process it listens to")]
fn listen(from: impl AsyncRead + Send + Unpin + 'static, said: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let (mut lines, said) = (BufReader::new(from).lines(), Arc::clone(said));
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
