//! `ops init` makes everything that the service needs on a machine, once, and gives none of it away.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use testkit::{Process, RabbitMq, Redis, as_process, eventually, free_port};

use crate::support::machine::{Machine, said};
use crate::support::stack::{get, program};
use crate::support::units::Unit;
use crate::support::workspace::read;

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it exists").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_folder_becomes_a_service_that_delivers_with_just_its_settings_file() {
    let machine = Machine::new();

    let made = machine.init(&[]).await;

    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    machine.take_any_port();
    let dsk = machine.start_dsk().await;
    let mut standalone = machine.standalone();
    machine.delivers(&mut standalone, &dsk).await;
    let doctor = machine.ops("doctor").await;
    assert!(doctor.status.success(), "{}", said(&doctor));
    assert_eq!(standalone.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_is_for_its_owner_alone_is_never_printed_and_the_key_is_not_beside_the_data() {
    let machine = Machine::new();

    let made = machine.init(&[]).await;

    let printed = said(&made);
    let secrets = machine.secrets();
    assert!(secrets.len() >= 6, "{:?}", secrets.keys());
    for (name, secret) in &secrets {
        let path = machine.settings().join("secrets").join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        assert!(secret.is_empty() || !printed.contains(secret.trim()), "{name} is printed");
    }
    assert_eq!(mode(&machine.settings_file()), 0o600);
    for folder in [machine.settings(), machine.settings().join("secrets"), machine.folder.path().join("service-data")] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    assert!(!machine.folder.path().join("service-data/key-ring").exists());
    assert!(printed.contains("key-ring elsewhere") && printed.contains("verify-token"), "{printed}");
    let left: Vec<_> = std::fs::read_dir(machine.folder.path()).expect("it exists").flatten().collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_init_changes_nothing_and_says_so() {
    let machine = Machine::new();
    machine.init(&[]).await;
    let secrets = machine.secrets();
    let settings = read(&machine.settings_file());

    let again = machine.init(&[]).await;
    let other = ["init", "other", "--data", "service-data", "--dsk-url", "https://dsk.example.com"];
    let onto_data = machine.run(&[&other[..], &["--app-secret-file", "app-secret"]].concat()).await;

    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(said(&again).contains("nothing was changed") && said(&again).contains("mv "), "{}", said(&again));
    assert_eq!(onto_data.status.code(), Some(2), "{}", said(&onto_data));
    assert!(said(&onto_data).contains("give another folder as --data"), "{}", said(&onto_data));
    assert_eq!(machine.secrets(), secrets);
    assert_eq!(read(&machine.settings_file()), settings);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_every_missing_flag_is_named_at_once_and_nothing_is_made() {
    let machine = Machine::new();

    let refused = machine.run(&["init", "service", "--connect-url", "https://connect.example.com"]).await;

    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    for flag in ["--dsk-url", "--app-secret-file", "--privacy-contact", "--meta-app-id", "--instagram-app-id"] {
        assert!(said(&refused).contains(flag), "{flag} is not in\n{}", said(&refused));
    }
    assert!(!machine.settings().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_right_is_refused_before_anything_is_made() {
    let machine = Machine::new();
    let broker = "amqp://meta:pa55word@127.0.0.1/meta";

    for (arguments, part) in [
        (vec!["--connect-url", "http://connect.example.com"], "CONNECT_URL is not https"),
        (vec!["--data", "service/data"], "--data"),
        (vec!["--rabbitmq", broker, "--redis", "app-secret"], "--rabbitmq names a file"),
        (vec!["--rabbitmq", "app-secret", "--redis", "app-secret"], "QUEUE_URL"),
        (vec!["--rabbitmq", "app-secret"], "--redis"),
    ] {
        let refused = machine.init(&arguments).await;

        let said = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part) && !said.contains("pa55word"), "{arguments:?}: {said}");
        assert!(!machine.settings().exists());
    }
}

/// Whether a terminal does not show what is typed.
fn hides(device: &str) -> bool {
    let state = Command::new("stty").args(["--file", device.trim(), "--all"]).output().expect("there is stty");
    String::from_utf8_lossy(&state.stdout).split_whitespace().any(|word| word == "-echo")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_terminal_is_asked_for_what_only_they_know_and_their_secret_is_not_shown() {
    let machine = Machine::new();
    let log = machine.folder.path().join("terminal");
    let device = machine.folder.path().join("device");
    let command = format!("tty > device && exec '{}' init service", program("ops").display());
    // `script` gives the command a terminal of its own.
    let mut terminal = Command::new("script")
        .args(["--quiet", "--flush", "--return", "--command", &command])
        .arg(&log)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(machine.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("there is script, of bsdutils");
    let mut keyboard = terminal.stdin.take().expect("it is piped");
    let shown = || std::fs::read_to_string(&log).unwrap_or_default();

    for (question, answer) in [
        ("Where DSK takes events", "dsk.example.com"),
        ("DSK_URL is not a URL", "http://127.0.0.1:9/events"),
        ("The secret of your app", "typed-app-secret-0123456789"),
        ("Where browsers reach the pages", ""),
    ] {
        eventually(question, async || shown().contains(question).then_some(())).await;
        if answer.contains("secret") {
            eventually("what is typed is hidden", async || hides(&read(&device)).then_some(())).await;
        }
        writeln!(keyboard, "{answer}").expect("it reads");
    }

    let ended = eventually("it ends", async || terminal.try_wait().expect("it is our child")).await;
    assert_eq!(ended.code(), Some(0), "{}", shown());
    assert!(!shown().contains("typed-app-secret"), "{}", shown());
    assert_eq!(machine.secrets()["app-secret"], "typed-app-secret-0123456789\n");
    assert!(read(&machine.settings_file()).contains("\nDSK_URL=http://127.0.0.1:9/events\n"));
}

/// Starts a unit's program as systemd does, with nothing but the files of `ops init`.
fn start(unit: &'static str, machine: &Machine, instance: &str) -> Process {
    let unit = Unit::read(unit);
    let run = machine.folder.path().join(format!("run-{}", unit.process()));
    std::fs::create_dir(&run).expect("the folder is ours");
    Process::start(Path::new("/bin/sh"), &["-c", &unit.script(&machine.settings(), &run, instance)], &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_of_standalone_delivers_with_what_ops_init_made() {
    let machine = Machine::new();
    machine.init(&[]).await;
    machine.take_any_port();
    let dsk = machine.start_dsk().await;

    let mut standalone = start("meta-integration-standalone.service", &machine, "");

    machine.delivers(&mut standalone, &dsk).await;
    assert_eq!(standalone.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_of_the_processes_apart_deliver_with_what_ops_init_made_each_as_its_own_user() {
    let machine = Machine::new();
    let broker = RabbitMq::shared().await.vhost().url();
    let redis = Redis::shared().await;
    std::fs::write(machine.folder.path().join("broker"), as_process(&broker, "ops")).expect("the folder is ours");
    std::fs::write(machine.folder.path().join("redis"), as_process(&redis.url(), "ops")).expect("the folder is ours");

    let made = machine.init(&["--rabbitmq", "broker", "--redis", "redis"]).await;

    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let secrets = machine.settings().join("secrets");
    for process in ["ingest", "dispatcher"] {
        std::fs::write(secrets.join(format!("queue-url-{process}")), as_process(&broker, process)).expect("it is ours");
    }
    let url = as_process(&redis.url(), "dispatcher");
    std::fs::write(secrets.join("channels-url-dispatcher"), url).expect("it is ours");
    machine.take_any_port();
    let settings = read(&machine.settings_file());
    // Other tests use the same Redis and the same ports.
    let further = format!("{settings}\nCHANNELS_KEY_PREFIX={}\n", redis.prefix());
    std::fs::write(machine.settings_file(), format!("{further}ADMIN_LISTEN=127.0.0.1:0\n")).expect("it is ours");
    let dsk = machine.start_dsk().await;
    let port = free_port().to_string();
    let mut dispatcher = start("meta-integration-dispatcher@.service", &machine, &port);
    dispatcher.logs("Taking from the queue").await;
    let mut ingest = start("meta-integration-ingest.service", &machine, "");
    let admin = ingest.logs("Admin port listens on ").await;
    eventually("ingest is ready", async || (get(&admin, "/ready").await.0 == 200).then_some(())).await;

    machine.delivers(&mut ingest, &dsk).await;

    assert_eq!(get(&format!("127.0.0.1:{port}"), "/ready").await.0, 200, "its instance is its port");
    assert_eq!(ingest.stop().await, Some(0));
    assert_eq!(dispatcher.stop().await, Some(0));
}
