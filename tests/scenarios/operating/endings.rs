//! How `ops` returns to the prompt: soon, and quietly when nobody reads its output.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chassis::Shutdown;
use clap::CommandFactory as _;
use event::{Envelope, Letter};
use prometheus::Registry;
use queue::{Queue, QueueName, QueueSettings};
use testkit::Process;

use super::commands::OperatorFolder;
use crate::support::bodies::text;
use crate::support::stack::program;

/// How long a command may take from its last line to its end.
const PROMPT_TIME: Duration = Duration::from_secs(1);

/// Every command with arguments that let it succeed on a folder, in an order in which they can run. `ops standalone` is
/// missing: it writes nothing but its log.
const COMMANDS: [&str; 28] = [
    "keys new",
    "keys check",
    "keys rotate",
    "keys forget-erasures",
    "channels add whatsapp:1 --tenant acme --dsk-token-file token",
    "channels list",
    "channels show whatsapp:1",
    "channels check",
    "channels export saved",
    "channels import saved",
    "channels remove whatsapp:1",
    "connect-link --tenant acme --dsk-token-file token --connect-url http://localhost",
    "dead-letters list",
    "events find DEAD_LETTER",
    "dead-letters show DEAD_LETTER",
    "dead-letters replay --all",
    "dead-letters discard --all",
    "export --channel whatsapp:1",
    "hold --contact whatsapp:1/4915550000002",
    "erase --channel whatsapp:1",
    "webhook send body --to http://127.0.0.1:9/webhook --wait 0s",
    "webhook explain body",
    "dsk --listen 127.0.0.1:0",
    "doctor",
    "status",
    "topology",
    "completions bash",
    "man man-pages",
];

/// A folder with one dead letter, whose id it gives.
async fn folder_with_a_dead_letter() -> (OperatorFolder, String) {
    let folder = OperatorFolder::new();
    std::fs::write(folder.path().join("body"), text(1)).unwrap();
    let shutdown = Shutdown::default();
    let metrics = queue::Metrics::register(&Registry::new()).unwrap();
    let queue = Queue::open(&QueueSettings::embedded(folder.path()), metrics, &shutdown).await.unwrap();
    let now = chassis::now();
    let letter = Letter { reason: "rejected".to_owned(), status: Some(400), answer: String::new(), parked_at: now };
    let event = event::split(&text(1), now).remove(0);
    let envelope = Envelope { letter: Some(letter), ..Envelope::first(event, now, None) };
    let _confirmed = queue.publisher().publish(QueueName::Dead, &envelope).await.unwrap();
    (folder, envelope.id.to_string())
}

/// Runs a command whose output has no reader.
fn run_unread(folder: &Path, arguments: &str) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let url = format!("embedded:{}", folder.display());
    let mut command = Command::new(program("ops"));
    command.env_clear().current_dir(folder).args(arguments.split(' ')).stdout(writer);
    command.env("QUEUE_URL", &url).env("CHANNELS_URL", &url).env("KEY_RING_FILE", "key-ring");
    command.env("META_APP_SECRETS", "an-app-secret").env("CONNECT_SECRET", "0123456789abcdef0123456789abcdef");
    command.env("META_APP_ID", "310000000000001").env("META_APP_SECRET", "an-app-secret");
    command.env("META_CONFIGURATION_ID", "330000000000001");
    command.output().unwrap()
}

/// The names of the commands below `command`, such as `channels add`.
fn leaves(command: &clap::Command, path: &str) -> BTreeSet<String> {
    let leaves = command.get_subcommands().flat_map(|command| {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        if command.has_subcommands() { leaves(command, &path) } else { BTreeSet::from([path]) }
    });
    leaves.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_output_nobody_reads_ends_quietly() {
    let (folder, dead_letter) = folder_with_a_dead_letter().await;

    for command in COMMANDS.into_iter().chain(["demo --count 60 --rate 200"]) {
        let output = run_unread(folder.path(), &command.replace("DEAD_LETTER", &dead_letter));

        let remarks = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), remarks.as_str()), (Some(141), ""), "{command}");
    }
}

#[test]
fn no_command_is_missing_from_the_list_of_those_that_end_quietly() {
    let mut commands = leaves(&ops::Cli::command(), "");

    for command in COMMANDS {
        assert!(commands.iter().any(|name| command.starts_with(name.as_str())), "{command} is not a command");
        commands.retain(|name| !(command == name || command.starts_with(&format!("{name} "))));
    }

    // These serve, or write files.
    assert_eq!(commands, BTreeSet::from(["console", "demo", "init", "standalone"].map(str::to_owned)));
}

#[test]
fn the_demonstration_returns_to_the_prompt_within_a_second_of_its_last_line() {
    let mut command = Command::new(program("ops"));
    command.env_clear().args(["demo", "--count", "60", "--rate", "200", "--outage", "1s"]);
    let mut demonstration = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(demonstration.stdout.take().unwrap()).lines();

    let last_line_at = lines.map(|line| line.map(|_| Instant::now())).last().unwrap().unwrap();
    let status = demonstration.wait().unwrap();

    let elapsed = last_line_at.elapsed();
    assert!(status.success(), "{status}");
    assert!(elapsed < PROMPT_TIME, "it took {elapsed:?} from the last line to the prompt");
}

#[tokio::test(flavor = "multi_thread")]
async fn standalone_stops_within_a_second_when_nothing_is_under_way() {
    let folder = OperatorFolder::new();
    let url = format!("embedded:{}", folder.path().display());
    let key_ring = folder.path().join("key-ring").display().to_string();
    let settings = [
        ("QUEUE_URL", url.as_str()),
        ("CHANNELS_URL", &url),
        ("KEY_RING_FILE", &key_ring),
        ("META_APP_SECRETS", "an-app-secret"),
        ("META_VERIFY_TOKENS", "a-verify-token"),
        ("INGEST_LISTEN", "127.0.0.1:0"),
        ("ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    let mut standalone = Process::start(&program("ops"), &["standalone"], &settings);
    standalone.logs("Notifications are taken at http://").await;

    let started = Instant::now();
    let code = standalone.stop().await;

    let elapsed = started.elapsed();
    assert_eq!(code, Some(0), "{}", standalone.logged());
    assert!(elapsed < PROMPT_TIME, "it took {elapsed:?} to stop");
}

#[test]
fn a_command_logs_nothing_unless_it_is_asked_to() {
    let doctor = |log: &[(&str, &str)]| {
        let mut command = Command::new(program("ops"));
        command.env_clear().arg("doctor").envs(log.iter().copied());
        command.env("QUEUE_URL", "amqp://guest:guest@127.0.0.1:9").env("CHANNELS_URL", "redis://127.0.0.1:9");
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };

    assert_eq!(doctor(&[]), "error: 3 things are wrong, see above\n");
    assert!(doctor(&[("LOG", "warn")]).contains(" WARN "));
}
