//! The operator's commands, as the README writes them, on the embedded queue and store.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::stack::program;

const TOKEN: &str = "a-token-that-is-never-printed";

/// A folder with a key ring and a token in files, and `ops` set up to work in it.
pub(super) struct Desk(TempDir);

impl Desk {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Command::new(program("ops")).args(["keys", "new"]).output().unwrap().stdout;
        std::fs::write(folder.path().join("key-ring"), key).unwrap();
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let url = format!("embedded:{}", self.path().display());
        let mut command = Command::new(program("ops"));
        command.env_clear().current_dir(self.path()).args(arguments);
        command.env("QUEUE_URL", &url).env("CHANNELS_URL", &url).env("KEY_RING_FILE", "key-ring");
        command
    }

    fn ops(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it says when it succeeds.
    pub(super) fn says(&self, arguments: &[&str]) -> String {
        let output = self.ops(arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(!said.contains(TOKEN), "{arguments:?} printed a token");
        said
    }

    /// What it says when it fails with that code.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.ops(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }
}

#[test]
fn a_channel_is_stored_shown_and_removed_without_its_token_ever_being_printed() {
    let desk = Desk::new();
    let add = ["channels", "add", "whatsapp:1", "--tenant", "acme", "--dsk-token-file", "token", "--account-id", "9"];

    desk.says(&add);
    assert!(desk.says(&["channels", "list"]).contains("whatsapp:1"));
    assert!(desk.says(&["channels", "list", "--json"]).contains(r#""address":"whatsapp-account:9""#));
    let shown = desk.says(&["channels", "show", "whatsapp:1"]);
    assert!(shown.contains("sealed") && shown.contains("acme"), "{shown}");

    assert!(desk.says(&["channels", "remove", "whatsapp:1"]).contains("--yes"), "a dry run by default");
    assert!(desk.says(&["channels", "show", "whatsapp:1"]).contains("connected"));
    desk.says(&["channels", "remove", "whatsapp:1", "--yes"]);
    let shown = desk.says(&["channels", "show", "whatsapp:1"]);
    assert!(shown.contains("disconnected") && !shown.contains("sealed"), "{shown}");
    assert!(desk.says(&["channels", "show", "whatsapp-account:9"]).contains("disconnected"));
}

#[test]
fn tokens_move_to_a_new_key_and_the_old_one_may_be_removed() {
    let desk = Desk::new();
    let old = std::fs::read_to_string(desk.path().join("key-ring")).unwrap();
    desk.says(&["channels", "add", "whatsapp:1", "--tenant", "acme", "--dsk-token-file", "token", "--account-id", "9"]);
    let new = desk.says(&["keys", "new"]);

    std::fs::write(desk.path().join("key-ring"), format!("{new}{old}")).unwrap();
    assert!(desk.says(&["keys", "check"]).contains("key 2: 2 tokens"));
    let said = desk.says(&["keys", "rotate"]);
    assert!(said.contains("Sealed 2 tokens") && said.contains("No stored token needs key 2"), "{said}");
    assert!(desk.says(&["keys", "rotate"]).contains("Sealed 0 tokens"), "once is enough");

    std::fs::write(desk.path().join("key-ring"), &new).unwrap();
    assert!(desk.says(&["keys", "check"]).contains("Every token opens"));
    std::fs::write(desk.path().join("key-ring"), &old).unwrap();
    assert!(desk.fails(1, &["keys", "check"]).contains("whatsapp:1"));
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_would_be_right() {
    let desk = Desk::new();
    let add = |address: &'static str, tenant: &'static str, file: &'static str| {
        ["channels", "add", address, "--tenant", tenant, "--dsk-token-file", file]
    };

    assert!(desk.fails(2, &add("telegram:1", "acme", "token")).contains("whatsapp:106540352242922"));
    assert!(desk.fails(2, &add("whatsapp:1", "acme", "nothing-here")).contains("nothing-here"));
    assert!(desk.fails(2, &["channels", "add", "whatsapp:1", "--dsk-token-file", "token"]).contains("--tenant"));
    assert!(desk.fails(1, &["channels", "show", "whatsapp:1"]).contains("ops channels list"));
    desk.says(&add("whatsapp:1", "acme", "token"));
    assert!(desk.fails(1, &add("whatsapp:1", "other", "token")).contains("another tenant"));
}

#[test]
fn the_files_of_the_embedded_store_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();

    desk.says(&["channels", "add", "whatsapp:1", "--tenant", "acme", "--dsk-token-file", "token"]);
    desk.says(&["topology"]);

    for file in ["queue.db", "channels.db"] {
        let mode = std::fs::metadata(desk.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        let bytes = std::fs::read(desk.path().join(file)).unwrap();
        assert!(!bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()), "{file} holds the token");
    }
}

#[test]
fn a_body_is_explained_event_by_event_and_exit_1_says_that_it_is_none() {
    let desk = Desk::new();
    let number = r#""metadata":{"phone_number_id":"1065"}"#;
    let messages = r#""messages":[{"id":"wamid.1","from":"7","timestamp":"1767225600"},{"id":"wamid.2","from":"8"}]"#;
    let change = format!(r#"{{"field":"messages","value":{{{number},{messages}}}}}"#);
    let body = format!(r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1028","changes":[{change}]}}]}}"#);
    std::fs::write(desk.path().join("good.json"), body).unwrap();
    std::fs::write(desk.path().join("bad.json"), r#"{"object":"user","entry":[]}"#).unwrap();

    let said = desk.says(&["webhook", "explain", "--json", "good.json"]);

    let events: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id = events[0]["id"].as_str().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        events[0],
        serde_json::json!({
            "file": "good.json", "type": "whatsapp.message", "id": id, "address": "whatsapp:1065",
            "lane": "whatsapp:1065/7", "class": "messages", "timestamp": "2026-01-01T00:00:00Z",
        })
    );
    assert!(desk.says(&["webhook", "explain", "good.json"]).contains(id));
    let why = desk.fails(1, &["webhook", "explain", "good.json", "bad.json"]);
    assert!(why.contains("bad.json") && why.contains("`object` is \"user\"") && why.contains("1 of 2 bodies"), "{why}");
    desk.fails(2, &["webhook", "explain", "nowhere.json"]);
}

#[test]
fn the_demonstration_loses_nothing() {
    let desk = Desk::new();

    let said = desk.says(&["demo", "--count", "60", "--rate", "200"]);

    assert!(said.contains("lost 0"), "{said}");
}

#[test]
fn the_demonstration_takes_no_settings_of_a_real_service_from_the_environment() {
    let desk = Desk::new();
    let mut demonstration = desk.command(&["demo", "--count", "30", "--rate", "200", "--outage", "0s"]);

    let output = demonstration
        .env("CONNECT_URL", "https://connect.example")
        .env("META_APP_SECRETS_FILE", "/nowhere")
        .env("MESSAGES_WINDOW", "not a number")
        .output()
        .unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
