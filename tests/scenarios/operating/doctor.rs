//! `ops doctor` on a service that is well, and on one that is not: each complaint ends with the next step.

use std::process::Output;

use channels::new_key;
use testkit::{Redis, eventually};

use crate::support::stack::{Stack, program};

/// Runs it with the stack's own settings, and others in their place.
async fn doctor(stack: &Stack, others: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::new(program("ops"));
    command.env_clear().arg("doctor").envs(stack.ops_settings());
    command.env("KEY_RING", stack.processes.key().expose()).env("DSK_URL", stack.processes.dsk.url());
    command.envs(others.iter().copied()).output().await.expect("it can be run")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_well_has_nothing_to_complain_of() {
    let stack = Stack::start().await;

    let output = eventually("the dispatcher takes", async || {
        let output = doctor(&stack, &[]).await;
        (!said(&output).contains("no dispatcher takes")).then_some(output)
    })
    .await;

    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["keys", "queue", "Redis", "opens 1 sealed token", "dsk", "clock"] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
    let names_broker = |line: &str| line.contains(" RabbitMQ ") && line.ends_with(" is reached");
    assert!(said.lines().any(names_broker), "the broker's version is not in\n{said}");
    assert!(!said.contains(stack.processes.key().expose()), "a key is printed");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_complaint_ends_with_the_next_step() {
    let mut stack = Stack::start().await;
    stack.processes.dispatchers.remove(0).stop().await;
    let (forgetful, other_key) = (Redis::start().await, new_key());
    forgetful.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    forgetful.command(&["CONFIG", "SET", "appendonly", "no"]).await;

    for (others, complaint, next_step) in [
        (vec![], "no dispatcher takes messages", "start a dispatcher"),
        (vec![("KEY_RING", other_key.expose())], "no key opens a token", "add the key that sealed it"),
        (vec![("KEY_RING", "")], "KEY_RING is missing", "ops keys new"),
        (vec![("DSK_URL", "http://127.0.0.1:9/events")], "DSK can't be reached", "see whether DSK runs"),
        (vec![("DSK_URL", "http://dsk.example/")], "in clear", "DSK_ALLOW_HTTP"),
        (vec![("CHANNELS_URL", &*forgetful.url())], "drops tokens when memory is short", "noeviction"),
        (vec![("CHANNELS_URL", &*forgetful.url())], "loses everything when it restarts", "appendonly yes"),
        (vec![("CHANNELS_URL", &*forgetful.url())], "holds no channel", "restore its backup"),
        (vec![("CHANNELS_URL", "redis://127.0.0.1:9")], "can't be reached", "start Redis"),
        (vec![("QUEUE_URL", "amqp://guest:guest@127.0.0.1:9/v0")], "the broker can't be reached", "start RabbitMQ"),
    ] {
        let output = doctor(&stack, &others).await;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{others:?}: {said}");
        assert!(said.contains(complaint) && said.contains(next_step), "no {complaint:?} and {next_step:?} in\n{said}");
    }
}
