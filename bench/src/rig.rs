//! What a measurement needs: the release binaries, a queue filled with events, and the processor time of a process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chassis::{Shutdown, now};
use event::{Envelope, split};
use prometheus::Registry;
use queue::{Queue, QueueSettings};
use tempfile::TempDir;

/// The channel that the events are about.
pub(crate) const ADDRESS: &str = "whatsapp:106540352242922";
/// The unit in which `/proc` counts processor time: 100 a second on every Linux that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Spawns a task that ends with the measurement.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement is not a service: nothing has to wait for its tasks at the end"
)]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Builds the binaries that are measured.
pub(crate) fn build() {
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--package", "bench", "--package", "ingest", "--package", "dispatcher"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "ingest and dispatcher can't be built");
}

/// One of our processes, in its release build, with a log file of its own.
#[derive(Debug)]
pub(crate) struct Measured {
    child: Child,
    log: PathBuf,
}

impl Measured {
    pub(crate) async fn start(name: &str, settings: &[(&str, String)], folder: &TempDir, ready: &str) -> Self {
        let program = std::env::current_exe().expect("this program has a path").with_file_name(name);
        let log = folder.path().join(format!("{name}-{}.log", now().as_nanosecond()));
        let file = File::create(&log).expect("the folder is ours");
        let mut command = Command::new(program);
        command.env_clear().envs(settings.iter().map(|(name, value)| (name, value.as_str())));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().expect("it is built");
        let measured = Self { child, log };
        testkit::eventually(&format!("{name} logs {ready:?}"), async || measured.logged(ready).map(drop)).await;
        measured
    }

    /// The word behind a text in its log, once the log has it.
    pub(crate) fn logged(&self, text: &str) -> Option<String> {
        let log = std::fs::read_to_string(&self.log).ok()?;
        let behind = log.lines().find_map(|line| line.split_once(text))?.1;
        Some(behind.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks: u64 = [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Notification number `serial`: a message of 1 KiB, from one of 5,000 people.
pub(crate) fn notification(serial: usize) -> bytes::Bytes {
    let body = String::from_utf8_lossy(&bench::message()).into_owned();
    let person = format!("49155{:08}", serial % 5_000);
    let user = format!("DE.1349120865530{:07}", serial % 5_000);
    let body = body.replace("4915550000001", &person).replace("DE.13491208655302741918", &user);
    body.replace("CABIYFDNBRXhhbXBsZQA", &format!("{serial:020}")).into()
}

/// Fills the queues of class `messages`.
pub(crate) async fn fill(url: &str, events: usize) {
    let shutdown = Shutdown::default();
    let metrics = queue::Metrics::register(&Registry::new()).expect("metrics register once");
    let queue = Queue::open(&QueueSettings::at(url), metrics, &shutdown).await.expect("the queue opens");
    let publisher = queue.publisher();
    let now = now();
    let envelopes: Vec<Envelope> = (0..events)
        .flat_map(|serial| split(&notification(serial), now))
        .map(|event| {
            Envelope::first(event, now, Some(Arc::from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")))
        })
        .collect();
    assert_eq!(envelopes.len(), events, "each notification has one event");
    for batch in envelopes.chunks(1_000) {
        let _confirmed = publisher.publish_all(batch).await.expect("the broker is up");
    }
    shutdown.request();
}

/// Declares the queues and leaves them empty.
pub(crate) async fn declare(url: &str) {
    fill(url, 0).await;
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the folder is ours");
    path.display().to_string()
}
