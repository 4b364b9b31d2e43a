//! Settings: what is wrong is said with the setting's name and the remedy, at once, before anything listens.

use testkit::Process;

use crate::support::stack::program;

async fn refused(name: &str, settings: &[(&str, &str)]) -> String {
    let mut process = Process::start(&program(name), &[], settings);
    let status = process.ends().await;
    let said = process.said();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(!said.contains("listens on") && !said.contains("are taken at"), "it listened:\n{said}");
    said
}

#[tokio::test]
async fn ingest_names_every_setting_that_is_wrong_and_exits_2() {
    let said = refused("ingest", &[("QUEUE_URL", "http://somewhere")]).await;

    for right in ["META_APP_SECRETS is missing", "META_VERIFY_TOKENS is missing", "QUEUE_URL", "amqp://"] {
        assert!(said.contains(right), "{right:?} is not in\n{said}");
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

    let said = refused("dispatcher", &settings).await;

    for (name, _) in settings {
        assert!(said.contains(name), "{name} is not in\n{said}");
    }
    assert!(!said.contains("not-a-fernet-key"), "a secret was printed:\n{said}");
}

#[tokio::test]
async fn a_secret_given_twice_or_in_a_file_that_is_not_there_is_refused() {
    let both = [("META_APP_SECRETS", "a"), ("META_APP_SECRETS_FILE", "/none"), ("META_VERIFY_TOKENS", "t")];
    let missing = [("META_APP_SECRETS_FILE", "/none/secret"), ("META_VERIFY_TOKENS", "t")];

    assert!(refused("ingest", &both).await.contains("META_APP_SECRETS and META_APP_SECRETS_FILE are both given"));
    assert!(refused("ingest", &missing).await.contains("/none/secret"));
}

#[tokio::test]
async fn an_empty_variable_counts_as_not_given() {
    let empty = [("CONNECT_URL", ""), ("META_APP_ID", ""), ("INSTAGRAM_APP_ID", ""), ("TICKET_TIME", "")];

    let said = refused("connect", &empty).await;

    for right in ["CONNECT_URL is missing", "META_APP_ID and INSTAGRAM_APP_ID are both missing"] {
        assert!(said.contains(right), "{right:?} is not in\n{said}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, folder) = (holder.local_addr().unwrap().to_string(), tempfile::tempdir().unwrap());
    let queue = format!("embedded:{}", folder.path().display());

    let said = refused(
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

    assert!(said.contains("INGEST_LISTEN") && said.contains(&address), "{said}");
}
