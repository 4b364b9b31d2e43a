//! The operator's commands, as the README gives them, on the embedded queue and store.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use std::path::Path;
use std::process::{Command, Output};

use chassis::now;
use jiff::SignedDuration;
use tempfile::TempDir;

use crate::support::stack::program;

const TOKEN: &str = "a-token-that-is-never-printed";

/// A folder with a key ring and a token in files, in which `ops` works.
pub(super) struct OperatorFolder(TempDir);

impl OperatorFolder {
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

    pub(super) fn ops(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and returns its output.
    pub(super) fn runs(&self, arguments: &[&str]) -> String {
        let output = self.ops(arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}");
        assert!(!text.contains(TOKEN), "{arguments:?} printed a token");
        text
    }

    /// Runs a command that must fail with that code, and returns its errors.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.ops(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        errors
    }
}

#[test]
fn a_channel_is_stored_shown_and_removed_without_its_token_ever_being_printed() {
    let folder = OperatorFolder::new();
    let add = ["channels", "add", "whatsapp:1", "--tenant", "acme", "--dsk-token-file", "token", "--account-id", "9"];

    folder.runs(&add);
    assert!(folder.runs(&["channels", "list"]).contains("whatsapp:1"));
    assert!(folder.runs(&["channels", "list", "--json"]).contains(r#""address":"whatsapp-account:9""#));
    let shown = folder.runs(&["channels", "show", "whatsapp:1"]);
    assert!(shown.contains("sealed") && shown.contains("acme"), "{shown}");

    assert!(folder.runs(&["channels", "remove", "whatsapp:1"]).contains("--yes"), "a removal is a dry run by default");
    assert!(folder.runs(&["channels", "show", "whatsapp:1"]).contains("connected"));
    folder.runs(&["channels", "remove", "whatsapp:1", "--yes"]);
    let shown = folder.runs(&["channels", "show", "whatsapp:1"]);
    assert!(shown.contains("disconnected") && !shown.contains("sealed"), "{shown}");
    assert!(folder.runs(&["channels", "show", "whatsapp-account:9"]).contains("disconnected"));
}

#[test]
fn tokens_move_to_a_new_key_and_the_old_key_may_be_removed() {
    let folder = OperatorFolder::new();
    let old = std::fs::read_to_string(folder.path().join("key-ring")).unwrap();
    folder.runs(&[
        "channels",
        "add",
        "whatsapp:1",
        "--tenant",
        "acme",
        "--dsk-token-file",
        "token",
        "--account-id",
        "9",
    ]);
    let new = folder.runs(&["keys", "new"]);

    std::fs::write(folder.path().join("key-ring"), format!("{new}{old}")).unwrap();
    assert!(folder.runs(&["keys", "check"]).contains("key 2: 2 tokens"));
    let output = folder.runs(&["keys", "rotate"]);
    assert!(output.contains("Sealed 2 tokens") && output.contains("No stored token needs key 2"), "{output}");
    assert!(folder.runs(&["keys", "rotate"]).contains("Sealed 0 tokens"), "a second rotation has nothing to do");

    std::fs::write(folder.path().join("key-ring"), &new).unwrap();
    assert!(folder.runs(&["keys", "check"]).contains("Every token opens"));
    std::fs::write(folder.path().join("key-ring"), &old).unwrap();
    assert!(folder.fails(1, &["keys", "check"]).contains("whatsapp:1"));
}

/// A key as an older release made it, without a mark, and [`TOKEN`] as that release sealed it, without its place.
const OLD_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OLD_SEAL: &str = "gAAAAABo53gAAAECAwQFBgcICQoLDA0OD9W75DpFDDy5j3JfCIP6JcY0MnKY\
    4aDpuRS8sEtKGpLCaO-6wNAr-1m5ueSaedBxCPYBJ-O3laPM3AAioTbXkdo=";

/// A backup that an older release made of one channel.
fn old_backup(folder: &OperatorFolder, address: &str) {
    let head =
        serde_json::json!({ "format": "meta-integration-channels/1", "saved_at": now().to_string(), "records": 1 });
    let fields = serde_json::json!({ "tenant": "acme", "state": "connected", "dsk_token": OLD_SEAL });
    let record = serde_json::json!({ "address": address, "fields": fields });
    std::fs::write(folder.path().join("backup"), format!("{head}\n{record}\n")).unwrap();
    folder.runs(&["channels", "import", "backup"]);
}

#[test]
fn after_an_upgrade_a_rotation_binds_the_tokens_and_says_that_the_key_can_be_marked() {
    let folder = OperatorFolder::new();
    let ring = folder.path().join("key-ring");
    std::fs::write(&ring, OLD_KEY).unwrap();
    old_backup(&folder, "whatsapp:1");

    assert!(folder.runs(&["keys", "check"]).contains("Sealed without a place, as an older release did: 1 token"));
    let output = folder.runs(&["keys", "rotate"]);
    assert!(output.contains("Sealed 1 token again") && output.contains("Write `bound:` before key 1"), "{output}");

    std::fs::write(&ring, format!("bound:{OLD_KEY}")).unwrap();
    let marked = folder.runs(&["keys", "check"]);
    assert!(marked.contains("Every token opens") && !marked.contains("Write `bound:`"), "{marked}");
    old_backup(&folder, "whatsapp:2");
    let refused = folder.fails(1, &["keys", "check"]);
    assert!(refused.contains("the dsk_token of whatsapp:2: it is sealed without its place"), "{refused}");
}

#[test]
fn an_export_is_imported_only_with_a_key_that_recognises_its_erasures() {
    let folder = OperatorFolder::new();
    let add = ["channels", "add", "whatsapp:1", "--tenant", "acme", "--dsk-token-file", "token", "--app-user-id", "7"];
    folder.runs(&add);
    folder.runs(&["channels", "remove", "whatsapp:1", "--yes"]);
    let output = folder.runs(&["channels", "export", "saved"]);
    assert!(output.contains("by hashes that only this key ring can compare"), "{output}");
    let other = OperatorFolder::new();
    std::fs::copy(folder.path().join("saved"), other.path().join("saved")).unwrap();

    let refused = other.fails(1, &["channels", "import", "saved"]);
    assert!(refused.contains("erased people would come back") && refused.contains("add the key"), "{refused}");
    assert!(other.runs(&["channels", "list"]).contains("0 channels"), "nothing was stored");

    let ring = |folder: &OperatorFolder| std::fs::read_to_string(folder.path().join("key-ring")).unwrap();
    let own = ring(&other);
    std::fs::write(other.path().join("key-ring"), format!("{own}{}", ring(&folder))).unwrap();
    assert!(other.runs(&["channels", "import", "saved"]).contains("Stored 1 record"));

    // Its key is sealed with the first key of the ring by now. If the ring is lost, nothing is recognised until that is said.
    assert!(other.runs(&["keys", "rotate"]).contains("No stored token needs key 2"));
    std::fs::write(other.path().join("key-ring"), own).unwrap();
    assert!(other.runs(&["keys", "check"]).contains("Every token opens"));
    std::fs::write(other.path().join("key-ring"), ring(&OperatorFolder::new())).unwrap();
    assert!(other.fails(1, &["keys", "check"]).contains("nothing is delivered: add the key"));
    let lost = other.fails(1, &["channels", "remove", "whatsapp:1", "--yes"]);
    assert!(lost.contains("opens with no key of KEY_RING"), "{lost}");
    assert!(other.runs(&["keys", "forget-erasures"]).contains("Nothing is done yet"));
    assert!(other.runs(&["keys", "forget-erasures", "--yes"]).contains("Forgotten"));
    assert!(other.runs(&["keys", "forget-erasures", "--yes"]).contains("nothing to forget"));
    other.runs(&add);
}

#[test]
fn an_export_of_more_than_thirty_days_ago_is_imported_only_on_demand() {
    let folder = OperatorFolder::new();
    folder.runs(&["channels", "add", "whatsapp:1", "--tenant", "acme", "--dsk-token-file", "token"]);
    folder.runs(&["channels", "export", "saved"]);
    let saved = std::fs::read_to_string(folder.path().join("saved")).unwrap();
    let (head, rest) = saved.split_once('\n').unwrap();
    let mut head: serde_json::Value = serde_json::from_str(head).unwrap();
    head["saved_at"] = (now() - SignedDuration::from_hours(24 * 31)).to_string().into();
    let restored = OperatorFolder::new();
    std::fs::copy(folder.path().join("key-ring"), restored.path().join("key-ring")).unwrap();
    std::fs::write(restored.path().join("old"), format!("{head}\n{rest}")).unwrap();

    let refused = restored.fails(2, &["channels", "import", "old"]);

    assert!(refused.contains("more than 30 days ago") && refused.contains("--although-old"), "{refused}");
    assert!(restored.runs(&["channels", "list"]).contains("0 channels"), "nothing was stored");
    assert!(restored.runs(&["channels", "import", "old", "--although-old"]).contains("Stored 1 record"));
}

#[test]
fn a_wrong_command_is_answered_with_what_would_be_right() {
    let folder = OperatorFolder::new();
    let add = |address: &'static str, tenant: &'static str, file: &'static str| {
        ["channels", "add", address, "--tenant", tenant, "--dsk-token-file", file]
    };

    assert!(folder.fails(2, &add("telegram:1", "acme", "token")).contains("whatsapp:106540352242922"));
    assert!(folder.fails(2, &add("whatsapp:1", "acme", "nothing-here")).contains("nothing-here"));
    assert!(folder.fails(2, &["channels", "add", "whatsapp:1", "--dsk-token-file", "token"]).contains("--tenant"));
    assert!(folder.fails(1, &["channels", "show", "whatsapp:1"]).contains("ops channels list"));
    folder.runs(&add("whatsapp:1", "acme", "token"));
    assert!(folder.fails(1, &add("whatsapp:1", "other", "token")).contains("another tenant"));
}

#[test]
fn only_their_owner_may_read_the_files_of_the_embedded_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = OperatorFolder::new();

    folder.runs(&["channels", "add", "whatsapp:1", "--tenant", "acme", "--dsk-token-file", "token"]);
    folder.runs(&["topology"]);

    for file in ["queue.db", "channels.db"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        assert!(!bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()), "{file} holds the token");
    }
}

#[test]
fn a_body_is_explained_event_by_event_and_exit_1_means_that_it_is_no_notification() {
    let folder = OperatorFolder::new();
    let number = r#""metadata":{"phone_number_id":"1065"},"contacts":[{"wa_id":"7","profile":{"name":"Ada"}}]"#;
    let messages = r#""messages":[{"id":"wamid.1","from":"7","timestamp":"1767225600","type":"image","image":{"id":"9001","caption":"Mine"}},
        {"id":"wamid.2","from":"8"}]"#;
    let change = format!(r#"{{"field":"messages","value":{{{number},{messages}}}}}"#);
    let body = format!(r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1028","changes":[{change}]}}]}}"#);
    std::fs::write(folder.path().join("good.json"), body).unwrap();
    std::fs::write(folder.path().join("bad.json"), r#"{"object":"user","entry":[]}"#).unwrap();

    let output = folder.runs(&["webhook", "explain", "--json", "good.json"]);

    let mut events: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let body = events[0].as_object_mut().unwrap().remove("body").unwrap();
    let id = events[0]["id"].as_str().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!((&body["type"], &body["data"]["id"]), (&events[0]["type"], &events[0]["id"]));
    assert_eq!(body["data"]["payload"]["messages"][0]["image"]["caption"], "Mine");
    assert_eq!(
        events[0],
        serde_json::json!({
            "file": "good.json", "type": "whatsapp.message", "id": id, "address": "whatsapp:1065",
            "lane": "whatsapp:1065/7", "class": "messages", "timestamp": "2026-01-01T00:00:00Z",
        })
    );
    let explained = folder.runs(&["webhook", "explain", "good.json"]);
    for part in [
        id,
        "direction     in",
        "conversation  cnv_",
        r#"contact       {"id":"7","name":"Ada","phone":"7"}"#,
        r#"message       {"id":"wamid.1","kind":"image","text":"Mine"}"#,
        r#"media         [{"caption":"Mine","id":"9001","kind":"image"}]"#,
    ] {
        assert!(explained.contains(part), "no {part:?} in\n{explained}");
    }
    let errors = folder.fails(1, &["webhook", "explain", "good.json", "bad.json"]);
    for part in ["bad.json", "`object` is \"user\"", "1 of 2 bodies"] {
        assert!(errors.contains(part), "{part:?} is not in {errors}");
    }
    folder.fails(2, &["webhook", "explain", "nowhere.json"]);
}

#[test]
fn the_demonstration_loses_nothing() {
    let folder = OperatorFolder::new();

    let output = folder.runs(&["demo", "--count", "60", "--rate", "200"]);

    assert!(output.contains("lost 0"), "{output}");
}

#[test]
fn the_demonstration_takes_no_settings_of_a_real_service_from_the_environment() {
    let folder = OperatorFolder::new();
    let mut demonstration = folder.command(&["demo", "--count", "30", "--rate", "200", "--outage", "0s"]);

    let output = demonstration
        .env("CONNECT_URL", "https://connect.example")
        .env("META_APP_SECRETS_FILE", "/nowhere")
        .env("MESSAGES_WINDOW", "not a number")
        .output()
        .unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
