//! systemd hears when a process is ready, what it waits for, that it is alive, and that it stops.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use channels::new_key;
use chassis::Shutdown;
use ops::graph::Graph;
use tempfile::TempDir;
use testkit::{Process, eventually};

use crate::support::stack::{Stack, program};

/// What systemd listens on.
struct Supervisor {
    folder: TempDir,
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Supervisor {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("the folder is ours");
        socket.set_nonblocking(true).expect("a socket may be so");
        Self { folder, socket, heard: Vec::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("notify")
    }

    /// All lines so far.
    fn hears(&mut self) -> &[String] {
        let mut message = [0; 4_096];
        while let Ok(length) = self.socket.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            self.heard.extend(text.lines().map(str::to_owned));
        }
        &self.heard
    }

    async fn waits_for(&mut self, start: &str) {
        eventually(start, async || self.hears().iter().any(|line| line.starts_with(start)).then_some(())).await;
    }
}

/// The settings of a process on files of its own.
fn settings(folder: &Path, graph: &Graph) -> Vec<(&'static str, String)> {
    std::fs::write(folder.join("key-ring"), new_key().expose()).expect("the folder is ours");
    let data = format!("embedded:{}", folder.join("data").display());
    let mut settings = graph.settings();
    settings.extend([
        ("QUEUE_URL", data.clone()),
        ("CHANNELS_URL", data),
        ("KEY_RING_FILE", folder.join("key-ring").display().to_string()),
        ("META_APP_SECRETS", "app-secret".to_owned()),
        ("META_VERIFY_TOKENS", "verify-token".to_owned()),
        ("DSK_URL", "https://dsk.example.com/events".to_owned()),
        ("CONNECT_URL", "http://127.0.0.1:8090".to_owned()),
        ("CONNECT_SECRET", "connect-secret-0123456789abcdef0123456789abcdef".to_owned()),
        ("CONNECT_LISTEN", "127.0.0.1:0".to_owned()),
        ("INGEST_LISTEN", "127.0.0.1:0".to_owned()),
        ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("WATCHDOG_USEC", "60000000".to_owned()),
    ]);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_tells_systemd_that_it_is_ready_and_alive_and_that_it_stops() {
    let graph = Graph::start(([127, 0, 0, 1], 0).into(), &Shutdown::default()).await.expect("there is a free port");
    for (name, command) in [("ingest", None), ("dispatcher", None), ("connect", None), ("ops", Some("standalone"))] {
        let mut systemd = Supervisor::new();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = settings(folder.path(), &graph);
        settings.push(("NOTIFY_SOCKET", systemd.path().display().to_string()));
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();

        let mut process = Process::start(&program(name), command.as_slice(), &settings);
        process.logs("Admin port listens on ").await;

        systemd.waits_for("READY=1").await;
        systemd.waits_for("WATCHDOG=1").await;
        assert!(!systemd.hears().contains(&"STOPPING=1".to_owned()), "{name}: {:?}", systemd.heard);
        assert_eq!(process.stop().await, Some(0), "{name}: {}", process.logged());
        assert!(systemd.hears().contains(&"STOPPING=1".to_owned()), "{name}: {:?}", systemd.heard);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_is_ready_for_systemd_only_once_its_servers_answer() {
    let mut stack = Stack::start().await;
    let mut systemd = Supervisor::new();
    stack.redis_link.cut();
    stack.processes.extra_settings.push(("NOTIFY_SOCKET", systemd.path().display().to_string()));

    stack.processes.add_dispatcher().await;

    systemd.waits_for("STATUS=Not ready: ").await;
    assert!(!systemd.hears().contains(&"READY=1".to_owned()), "{:?}", systemd.heard);
    stack.redis_link.mend();
    systemd.waits_for("READY=1").await;
    for dispatcher in &mut stack.processes.dispatchers {
        assert_eq!(dispatcher.stop().await, Some(0));
    }
}
