//! One business on one machine: `ops standalone` on files, with power cuts at any moment and `ops` commands beside it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use channels::new_key;
use chassis::{Secret, Shutdown, now};
use ops::dsk::Dsk;
use ops::graph::{ACCOUNT, Graph, NUMBER};
use ops::webhook::Meta;
use tempfile::TempDir;
use testkit::{Process, eventually, free_port};

use crate::support::bodies::{self, ADDRESS, text};
use crate::support::browser::Browser;
use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET, start_dsk};
use crate::support::stack::{APP_SECRET, Backends, get, program, settings};

/// How many times the power is cut.
const KILLS: usize = if cfg!(feature = "long") { 50 } else { 10 };
/// How many notifications are posted between two cuts.
const POSTS: usize = 40;

/// A business that runs the service by itself.
pub(super) struct Business {
    folder: TempDir,
    dsk: Dsk,
    meta: Meta,
    pub(super) process: Process,
    address: SocketAddr,
    /// Its settings beside the usual ones.
    extra: Vec<(&'static str, String)>,
}

impl Business {
    pub(super) async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    async fn start_with(extra: Vec<(&'static str, String)>) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let dsk = start_dsk(DSK_TOKEN, SIGNING_SECRET, &Shutdown::default()).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("key-ring"), new_key().expose()).expect("the folder is ours");
        std::fs::write(folder.path().join("dsk-token"), DSK_TOKEN).expect("the folder is ours");
        let (process, address) = run(&folder, &dsk, any_port, &extra).await;
        let to = format!("http://{address}/webhook").parse().expect("an address");
        Self { folder, dsk, meta: Meta::new(to, Secret::new(APP_SECRET)), process, address, extra }
    }

    /// Starts it at the same address again, as when the power is back.
    pub(super) async fn start_again(&mut self) {
        (self.process, self.address) = run(&self.folder, &self.dsk, self.address, &self.extra).await;
    }

    pub(super) async fn post(&self, serial: usize) -> bool {
        self.meta.post(text(serial)).await.is_ok_and(|status| status == 200)
    }

    /// Runs a command of `ops` on the same files.
    async fn ops(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run_ops(arguments).await;
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8_lossy(&stdout).into_owned()
    }

    async fn run_ops(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(program("ops"));
        command.env_clear().current_dir(self.folder.path()).args(arguments);
        let settings = settings(&backends(&self.folder), &self.folder, &self.dsk);
        command.envs(self.extra.iter().cloned());
        command.envs(settings.into_iter().filter(|(name, _)| *name != "LOG")).output().await.expect("it can be run")
    }

    /// Stores the channel.
    pub(super) async fn connect(&self) {
        self.ops(&["channels", "add", ADDRESS, "--tenant", "acme", "--dsk-token-file", "dsk-token"]).await;
    }

    pub(super) async fn delivered(&self, count: usize) {
        eventually(&format!("DSK has {count} events"), async || (self.dsk.events() == count).then_some(())).await;
    }
}

fn backends(folder: &TempDir) -> Backends {
    let url = format!("embedded:{}", folder.path().join("data").display());
    Backends { queue_url: url.clone(), channels_url: url, key_prefix: String::new() }
}

async fn run(
    folder: &TempDir,
    dsk: &Dsk,
    listen: SocketAddr,
    extra: &[(&'static str, String)],
) -> (Process, SocketAddr) {
    let mut settings = settings(&backends(folder), folder, dsk);
    settings.extend(extra.iter().cloned());
    settings.retain(|(name, _)| *name != "INGEST_LISTEN");
    settings.push(("INGEST_LISTEN", listen.to_string()));
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ops = program("ops");
    // SIGXFSZ is what a process gets for a file that must not grow; see `limit_files`.
    let script = ["-c", "trap '' XFSZ; exec \"$0\" standalone", ops.to_str().expect("its path is text")];
    let mut process = Process::start(Path::new("/bin/sh"), &script, &settings);
    let address = process.logs("Notifications are taken at http://").await;
    (process, address.trim_end_matches("/webhook").parse().expect("an address"))
}

/// Checks that only their owner may read the databases and write-ahead logs that a power cut leaves.
fn check_that_files_are_private(folder: &TempDir) {
    use std::os::unix::fs::PermissionsExt as _;
    let files = std::fs::read_dir(folder.path().join("data")).expect("the folder exists").flatten();
    let modes: Vec<_> = files
        .map(|file| (file.file_name(), file.metadata().expect("the file exists").permissions().mode() & 0o777))
        .collect();
    assert!(modes.iter().any(|(name, _)| name == "queue.db-wal"), "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_at_random_moments_lose_no_event_that_was_answered_200() {
    let mut business = Business::start().await;
    business.connect().await;
    business.dsk.behave(|dsk| dsk.delay = Duration::from_millis(20));

    for kill in 0..KILLS {
        let serials = kill * POSTS..(kill + 1) * POSTS;
        let posts = futures_util::future::join_all(serials.clone().map(|serial| business.post(serial)));
        let moment = Duration::from_millis(200).mul_f64(chassis::dice());
        // A notification that has no answer by then gets none.
        tokio::time::timeout(moment, posts).await.ok();
        business.process.kill().await;
        check_that_files_are_private(&business.folder);
        business.start_again().await;
        // Meta sends again what was not accepted, and sometimes what was.
        for serial in serials {
            eventually("it is accepted", async || business.post(serial).await.then_some(())).await;
        }
    }

    business.delivered(KILLS * POSTS).await;
    assert!(business.dsk.seen().iter().all(|seen| seen.fault.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_ops_work_on_its_files_while_it_runs() {
    let mut business = Business::start().await;
    business.connect().await;
    business.dsk.behave(|dsk| dsk.answer = Some(422));
    for serial in 0..3 {
        assert!(business.post(serial).await);
    }
    eventually("they are parked", async || {
        let listed = business.ops(&["dead-letters", "list", "--json"]).await;
        (listed.lines().count() == 3).then_some(())
    })
    .await;
    business.dsk.behave(|dsk| dsk.answer = None);

    business.ops(&["dead-letters", "replay", "--all", "--yes"]).await;

    business.delivered(3).await;
    let status: serde_json::Value = serde_json::from_str(&business.ops(&["status", "--json"]).await).unwrap();
    assert_eq!(status["channels"]["connected"], 1, "{status}");
    assert_eq!(status["dispatchers"].as_array().map(Vec::len), Some(1), "{status}");
    let admin = business.process.logs("Admin port listens on ").await;
    let (_, metrics) = get(&admin, "/metrics").await;
    for metric in ["ingest_notifications_total", "dispatcher_delivered_total", "queue_depth", "channels_"] {
        assert!(metrics.contains(metric), "no {metric} in\n{metrics}");
    }
    assert_eq!(get(&admin, "/ready").await.0, 200);
    assert_eq!(business.process.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_accepted_or_ready_and_all_goes_on_by_itself_once_there_is_room() {
    let mut business = Business::start().await;
    business.connect().await;
    assert!(business.post(1).await);
    business.delivered(1).await;
    let admin = business.process.logs("Admin port listens on ").await;
    let shows = async |value: u8| {
        let (_, metrics) = get(&admin, "/metrics").await;
        ["publish", "take"].iter().all(|side| metrics.contains(&format!("queue_connected{{side=\"{side}\"}} {value}")))
    };

    business.process.limit_files("0").await;
    assert!(!business.post(2).await, "it can't be stored");
    eventually("it is not ready", async || {
        let (status, reason) = get(&admin, "/ready").await;
        (status == 503 && reason.contains("queue.db can't be written")).then_some(())
    })
    .await;
    eventually("the loss is shown", async || shows(0).await.then_some(())).await;
    for _ in 0..20 {
        assert!(!business.post(2).await, "nor can it now");
    }
    let errors = || {
        let logged = business.process.logged();
        logged.lines().filter(|line| line.contains("ERROR") && line.contains("queue.db")).count()
    };
    eventually("the loss is logged", async || (errors() > 0).then_some(())).await;
    assert_eq!(errors(), 1, "one line a state, and more only at debug: {}", business.process.logged());

    business.process.limit_files("unlimited").await;
    eventually("it is ready", async || (get(&admin, "/ready").await.0 == 200).then_some(())).await;
    assert!(business.post(3).await);
    business.delivered(2).await;
    eventually("it is shown", async || shows(1).await.then_some(())).await;
    assert_eq!(business.process.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_connected_on_its_pages_has_its_events_delivered() {
    let graph = Graph::start(([127, 0, 0, 1], 0).into(), &Shutdown::default()).await.unwrap();
    let pages = format!("127.0.0.1:{}", free_port());
    let mut extra = graph.settings();
    extra.extend([
        ("CONNECT_URL", format!("http://{pages}")),
        ("CONNECT_LISTEN", pages.clone()),
        ("CONNECT_SECRET", "connect-secret-0123456789abcdef0123456789abcdef".to_owned()),
    ]);
    let mut business = Business::start_with(extra).await;
    business.process.logs("Pages are served at ").await;
    let mut browser = Browser::new(&pages);

    let link = business.ops(&["connect-link", "--tenant", "acme", "--dsk-token-file", "dsk-token"]).await;
    browser.post(link.trim().trim_start_matches(&format!("http://{pages}")), &[]).await;
    let code = graph.code();
    let fields = [("outcome", "FINISH"), ("code", code.as_str()), ("account_id", ACCOUNT), ("number_id", NUMBER)];
    let page = browser.press("/whatsapp", "/whatsapp", &fields).await;
    assert!(page.body.contains("Connected"), "{page:?}");
    let posted = business.meta.post(bodies::from(NUMBER, "4915550000001", "first")).await;

    assert!(posted.is_ok_and(|status| status == 200));
    business.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_the_channels_and_does_not_hold_the_key() {
    let mut business = Business::start().await;
    business.connect().await;
    business.ops(&["channels", "export", "channels.backup"]).await;
    let saved = std::fs::read_to_string(business.folder.path().join("channels.backup")).unwrap();
    assert!(saved.contains(ADDRESS) && !saved.contains(DSK_TOKEN), "{saved}");
    assert!(
        !business.run_ops(&["channels", "export", "channels.backup"]).await.status.success(),
        "a backup was overwritten"
    );

    assert_eq!(business.process.stop().await, Some(0));
    std::fs::remove_file(business.folder.path().join("data/channels.db")).unwrap();
    for file in ["data/channels.db-wal", "data/channels.db-shm"] {
        std::fs::remove_file(business.folder.path().join(file)).ok();
    }
    business.start_again().await;
    assert!(business.post(1).await);
    let first = business.ops(&["channels", "import", "channels.backup"]).await;
    let again = business.ops(&["channels", "import", "channels.backup"]).await;

    assert!(first.contains("Stored 1 record; the store had 0 already"), "{first}");
    assert!(again.contains("Stored 0 records; the store had 1 already"), "{again}");
    business.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_names_the_lines_that_it_refuses_stores_the_others_and_fails() {
    let business = Business::start().await;
    let head =
        serde_json::json!({ "format": "meta-integration-channels/1", "saved_at": now().to_string(), "records": 2 });
    let odd = r#"{"address":"instagram:1","fields":{"tenant":"acme*","dsk_token":"gAAAAA"}}"#;
    let plain = odd.replace("acme*", "acme").replace("instagram:1", "instagram:2");
    let file = business.folder.path().join("old.backup");
    std::fs::write(file, format!("{head}\n{odd}\n{plain}\n")).expect("the folder is ours");

    let output = business.run_ops(&["channels", "import", "old.backup"]).await;

    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["Stored 1 record;", "Refused line 2, instagram:1: tenant has", "1 record is not stored"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let listed = business.ops(&["channels", "list"]).await;
    assert!(listed.contains("instagram:2") && !listed.contains("instagram:1 "), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_missing_setting_is_named_at_once() {
    let output = tokio::process::Command::new(program("ops")).env_clear().arg("standalone").output().await.unwrap();

    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    for setting in ["META_APP_SECRETS", "META_VERIFY_TOKENS", "QUEUE_URL", "CHANNELS_URL", "KEY_RING"] {
        assert!(errors.contains(setting), "{setting} is not named:\n{errors}");
    }
}
