//! `ops doctor` finds nothing wrong with a healthy service, and ends each complaint with the next step.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use channels::{NewChannel, new_key};
use chassis::{Secret, Shutdown, now};
use event::Address;
use testkit::{PASSWORD, Redis, eventually};

use crate::support::bodies::ADDRESS;
use crate::support::composed_servers::{ComposedBroker, LocalSecrets, redis};
use crate::support::dsk::{DSK_TOKEN, start_dsk};
use crate::support::stack::{Stack, key_ring, program};

/// Runs `ops doctor` with the stack's settings, some of them changed.
async fn doctor(stack: &Stack, changed: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::new(program("ops"));
    command.env_clear().arg("doctor").envs(stack.ops_settings());
    command.env_remove("KEY_RING_FILE");
    command.env("KEY_RING", stack.processes.key().expose()).env("DSK_URL", stack.processes.dsk.url());
    command.envs(changed.iter().copied()).output().await.expect("it can be run")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_has_no_complaint_about_a_healthy_service() {
    let stack = Stack::start().await;

    let output = eventually("the dispatcher takes", async || {
        let output = doctor(&stack, &[]).await;
        (!text(&output).contains("no dispatcher takes")).then_some(output)
    })
    .await;

    let report = text(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    for part in ["keys", "queue", "Redis", "opens 1 sealed token", "dsk", "clock"] {
        assert!(report.contains(part), "no {part} in\n{report}");
    }
    let names_broker = |line: &str| line.contains(" RabbitMQ ") && line.ends_with(" is reached");
    assert!(report.lines().any(names_broker), "the broker's version is not in\n{report}");
    assert!(!report.contains(stack.processes.key().expose()), "a key is printed");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_complaint_ends_with_the_next_step() {
    let mut stack = Stack::start().await;
    stack.processes.dispatchers.remove(0).stop().await;
    // As an older version stored it, which did not know this spelling of a private place.
    let token = key_ring(&[&stack.processes.key()]).seal(&Secret::new(DSK_TOKEN));
    let mut channel = NewChannel::new(Address::new("instagram:2"), "acme", token);
    channel.dsk_url = Some("https://localhost.localdomain./events".to_owned());
    stack.store().add(&channel, now()).await.expect("the store answers");
    let forgetful = Redis::start().await;
    let other_key = new_key();
    // The user lists of earlier versions: Redis loads its file as the default user, who has no rights in them.
    let default = "user default reset off".to_owned();
    let meta = format!("user meta reset on >{PASSWORD} ~* +ping +info +time +exists +mget +hgetall");
    let outdated = Redis::start_with_users(&[default.clone(), meta.clone()]).await;
    let unloadable = Redis::start_with_users(&[default, format!("{meta} +acl|dryrun")]).await;
    // A user list from before the index sets.
    let older = Redis::shipped_users()
        .into_iter()
        .map(|line| if line.starts_with("user dispatcher ") { line.replace(" +sadd +srem", "") } else { line });
    let older = Redis::start_with_users(&older.collect::<Vec<_>>()).await;
    forgetful.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    forgetful.command(&["CONFIG", "SET", "appendonly", "no"]).await;

    let half_dead = stack.direct.queue_url.replacen('@', "@127.0.0.1:9,", 1);

    for (changed, complaint, next_step) in [
        (vec![("QUEUE_URL", &*half_dead)], "the node at 127.0.0.1:9 can't be reached", "start this node"),
        (vec![], "no dispatcher takes messages", "start a dispatcher"),
        (vec![], "events of instagram:2 wait: its dsk_url is an address of a private", "`ops channels add --dsk-url`"),
        (vec![("KEY_RING", other_key.expose())], "no key opens a token", "add the key that sealed it"),
        (vec![("KEY_RING", "")], "KEY_RING is missing", "ops keys new"),
        (vec![("CONNECT_URL", "https://connect.example")], "PRIVACY_CONTACT is missing", "docs/data-protection.md"),
        (vec![("DSK_URL", "http://127.0.0.1:9/events")], "DSK can't be reached", "see whether DSK runs"),
        (vec![("DSK_URL", "http://dsk.example/")], "in clear", "DSK_ALLOW_HTTP"),
        (vec![("CHANNELS_URL", &*forgetful.url())], "drops tokens when memory is short", "noeviction"),
        (vec![("CHANNELS_URL", &*forgetful.url())], "loses everything when it restarts", "appendonly yes"),
        (vec![("CHANNELS_URL", &*forgetful.url())], "holds no channel", "restore its backup"),
        (vec![("CHANNELS_URL", &*unloadable.url_for("meta"))], "loses every channel", "make its user list again"),
        (vec![("CHANNELS_URL", &*outdated.url_for("meta"))], "is older than this version", "make it again"),
        (vec![("CHANNELS_URL", &*older.url_for("ops"))], "user dispatcher what", "\"user dispatcher\" of users.acl"),
        (vec![("CHANNELS_URL", "redis://127.0.0.1:9")], "can't be reached", "start Redis"),
        (vec![("QUEUE_URL", "amqp://guest:guest@127.0.0.1:9/v0")], "the broker can't be reached", "start RabbitMQ"),
    ] {
        let output = doctor(&stack, &changed).await;
        let report = text(&output);
        assert_eq!(output.status.code(), Some(1), "{changed:?}: {report}");
        let is_complete = report.contains(complaint) && report.contains(next_step);
        assert!(is_complete, "no {complaint:?} and {next_step:?} in\n{report}");
    }
}

/// The containers run as another user than the one who made the files, so everybody may read these. What guards them is
/// their folder.
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_has_no_complaint_about_the_composed_service() {
    let broker = ComposedBroker::start().await;
    let secrets = &broker.secrets;
    let redis = redis(secrets).await;
    secrets.lead_to_redis(&redis);
    let shutdown = Shutdown::default();
    let dsk = start_dsk(&secrets.read("dsk-token"), &secrets.read("signing-secret"), &shutdown).await;
    let url = dsk.url();
    let mut dispatcher = secrets.start("dispatcher", &[("ADMIN_LISTEN", "127.0.0.1:0"), ("DSK_URL", &url)]);
    let token = secrets.path("dsk-token").display().to_string();
    secrets.ops(&["channels", "add", ADDRESS, "--tenant", "acme", "--dsk-token-file", &token], &[]).await;
    dispatcher.logs("Taking from the queue").await;

    let mode = secrets.path("key-ring").metadata().expect("it is there").permissions().mode();
    let report = secrets.ops(&["doctor"], &[("DSK_URL", &url)]).await;

    assert_eq!(mode & 0o777, 0o644);
    assert!(report.contains("reached (HEAD was answered"), "DSK was not tried:\n{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_complains_about_a_key_ring_that_everybody_can_read() {
    let secrets = LocalSecrets::make();
    set_permissions(secrets.path(""), Permissions::from_mode(0o755)).expect("the folder is ours");

    let mut command = tokio::process::Command::new(program("ops"));
    let output = command.env_clear().arg("doctor").envs(secrets.settings("ops")).output().await.expect("it can be run");

    let report = text(&output);
    assert!(report.contains("every user of this machine can read the file (mode 644)"), "{report}");
    assert!(report.contains("give it to the user that runs the processes, then chmod 600 it"), "{report}");
}
