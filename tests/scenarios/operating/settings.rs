//! A process that has wrong settings names all of them, each with its remedy, and exits before it listens.

use testkit::Process;

use crate::support::stack::{Stack, program};

/// Starts a program that must refuse its settings, and returns its output.
async fn refused(name: &str, settings: &[(&str, &str)]) -> String {
    let mut process = Process::start(&program(name), &[], settings);
    let status = process.ends().await;
    let output = process.logged();
    assert_eq!(status.code(), Some(2), "{output}");
    assert!(!output.contains("listens on") && !output.contains("are taken at"), "it listened:\n{output}");
    output
}

#[tokio::test]
async fn ingest_names_every_setting_that_is_wrong_and_exits_2() {
    let output = refused("ingest", &[("QUEUE_URL", "http://somewhere")]).await;

    for part in ["META_APP_SECRETS is missing", "META_VERIFY_TOKENS is missing", "QUEUE_URL", "amqp://"] {
        assert!(output.contains(part), "{part:?} is not in\n{output}");
    }
}

#[tokio::test]
async fn the_dispatcher_names_every_setting_that_is_wrong_and_exits_2() {
    let settings = [
        ("QUEUE_URL", "embedded:"),
        ("CHANNELS_URL", "nowhere"),
        ("KEY_RING", "not-a-fernet-key"),
        ("DSK_SIGNING_SECRET", "short"),
        ("ATTEMPT_TIMEOUT", "10m"),
    ];

    let output = refused("dispatcher", &settings).await;

    for (name, _) in settings {
        assert!(output.contains(name), "{name} is not in\n{output}");
    }
    assert!(!output.contains("not-a-fernet-key"), "a secret was printed:\n{output}");
}

#[tokio::test]
async fn a_secret_given_twice_or_in_a_missing_file_is_refused() {
    let both = [("META_APP_SECRETS", "a"), ("META_APP_SECRETS_FILE", "/none"), ("META_VERIFY_TOKENS", "t")];
    let missing = [("META_APP_SECRETS_FILE", "/none/secret"), ("META_VERIFY_TOKENS", "t")];

    assert!(refused("ingest", &both).await.contains("META_APP_SECRETS and META_APP_SECRETS_FILE are both given"));
    assert!(refused("ingest", &missing).await.contains("/none/secret"));
}

#[tokio::test]
async fn a_secret_among_the_arguments_is_complained_about_and_not_repeated() {
    let mut process = Process::start(&program("dispatcher"), &["--key-ring", "a-secret-that-ps-shows"], &[]);
    process.ends().await;

    let output = process.logged();
    assert!(output.contains("--key-ring with `ps`: set the variable KEY_RING_FILE instead"), "{output}");
    assert!(!output.contains("a-secret-that-ps-shows"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_crashes_leaves_no_core_dump() {
    let stack = Stack::start().await;

    for process in [&stack.processes.ingest, &stack.processes.dispatchers[0]] {
        assert_eq!(process.limits("Max core file size"), ["0", "0"]);
    }
}

#[tokio::test]
async fn an_empty_variable_counts_as_missing() {
    let empty = [("CONNECT_URL", ""), ("META_APP_ID", ""), ("INSTAGRAM_APP_ID", ""), ("TICKET_TIME", "")];

    let output = refused("connect", &empty).await;

    for part in ["CONNECT_URL is missing", "META_APP_ID and INSTAGRAM_APP_ID are both missing"] {
        assert!(output.contains(part), "{part:?} is not in\n{output}");
    }
}

#[tokio::test]
async fn an_address_that_is_in_use_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let queue = format!("embedded:{}", folder.path().display());

    let output = refused(
        "ingest",
        &[
            ("QUEUE_URL", &queue),
            ("META_APP_SECRETS", "a"),
            ("META_VERIFY_TOKENS", "t"),
            ("INGEST_LISTEN", &address),
            ("ADMIN_LISTEN", "127.0.0.1:0"),
        ],
    )
    .await;

    assert!(output.contains("INGEST_LISTEN") && output.contains(&address), "{output}");
}
