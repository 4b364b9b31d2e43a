//! `docs/dsk-contract.md` is true: its table of answers, its figures, its example of a signature, and the recorded
//! requests, which `UPDATE_EXPECT=1 cargo test --package scenarios documents::dsk_contract` writes again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use channels::NewChannel;
use chassis::{Secret, SignedContent, SigningSecret, now};
use dispatcher::{Failure, Outcome, Reason, Remedy};
use event::{Address, MessageKind};
use expect_test::expect_file;
use hyper::StatusCode;

use crate::support::bodies::ADDRESS;
use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET};
use crate::support::fixtures::fixtures;
use crate::support::recordings::{ACCOUNT, INSTAGRAM, PAGE, SAMPLES, recording};
use crate::support::stack::{Stack, key_ring};
use crate::support::workspace::{read, root};

fn document() -> String {
    read(&root().join("docs/dsk-contract.md"))
}

/// The cells of the table whose first column has this heading, without the headings.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let rows = document.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |")));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The remedy that the document's word stands for; `None` for "delivered".
fn remedy(word: &str, pause: Option<Duration>) -> Option<Remedy> {
    match word {
        "delivered" => None,
        "unavailable" => Some(Remedy::Retry),
        "throttled" => Some(Remedy::Wait(pause)),
        "misconfigured" => Some(Remedy::Mend),
        "rejected" => Some(Remedy::DeadLetter(Reason::Rejected)),
        other => panic!("{other} is not one of the contract's words"),
    }
}

#[test]
fn the_table_has_every_answer_and_says_what_the_dispatcher_does() {
    let table = table(&document(), "your answer");
    let named: Vec<&str> = table.iter().flat_map(|row| quoted(&row[0])).collect();
    assert_eq!(named.len(), named.iter().collect::<BTreeSet<_>>().len(), "an answer is in two rows");
    let row_of = |name: &str| table.iter().find(|row| quoted(&row[0]).any(|quoted| quoted == name));

    for status in 100..=599_u16 {
        let class = format!("{}xx", status / 100);
        let row = row_of(&status.to_string()).or_else(|| row_of(&class));
        let row = row.unwrap_or_else(|| panic!("{status} is in no row"));
        for (word, retry_after) in [(&row[1], None), (&row[2], Some(Duration::from_secs(7)))] {
            let status = StatusCode::from_u16(status).expect("it has three digits");
            let outcome = Outcome::of_answer(status, retry_after, String::new());
            assert_eq!(outcome.remedy(), remedy(word, retry_after), "{status}, Retry-After {retry_after:?}");
        }
    }
    let failures = [("no connection, TLS failure", Failure::Unreachable), ("no answer in time", Failure::TimedOut)];
    for (words, failure) in failures {
        let row = table.iter().find(|row| row[0].contains(words)).expect("a row says so");
        assert_eq!(Some(failure.remedy()), remedy(&row[1], None), "{words}");
    }
}

/// What the document says, and the line that makes it true, with its file as seen from `dispatcher/src`.
const FIGURES: &[(&str, &str, &str)] = &[
    (
        "| TCP connection | within 3 s |",
        "../../shared/chassis/src/https.rs",
        "CONNECT_TIME: Duration = Duration::from_secs(3);",
    ),
    ("within 10 s by default", "settings.rs", "default_value = \"10s\""),
    ("which is 4 MiB at most", "../../ingest/src/limits.rs", "BODY_BYTES_MAX: usize = 4 << 20;"),
    ("64 KiB are read", "client.rs", "ANSWER_BYTES_MAX: usize = 64 << 10;"),
    ("the first 500 bytes of your answer", "client.rs", "ANSWER_KEPT_BYTES: usize = 500;"),
    ("kept for 50 s, up to 256", "../../shared/chassis/src/https.rs", "IDLE_TIME: Duration = Duration::from_secs(50);"),
    ("kept for 50 s, up to 256", "../../shared/chassis/src/https.rs", "IDLE_CONNECTIONS_MAX: usize = 256;"),
    (
        "asked for after 5 s of silence",
        "../../shared/chassis/src/https.rs",
        "PING_AFTER: Duration = Duration::from_secs(5);",
    ),
    ("an answer within 3 s", "../../shared/chassis/src/https.rs", "PONG_TIME: Duration = Duration::from_secs(3);"),
    ("up to 192 of class `messages`", "settings.rs", "default_value_t = 192"),
    ("up to 64 of `updates`", "settings.rs", "default_value_t = 64"),
    ("0.2 s, 0.4 s … 5 s", "retry_policy.rs", "base: Duration::from_millis(200), ceiling: Duration::from_secs(5)"),
    ("for 30 s in all", "retry_policy.rs", "in_place_total: Duration::from_secs(30),"),
    ("a failed attempt 24 h after", "retry_policy.rs", "attempts_for: Duration::from_hours(24),"),
    ("waits for up to 7 days", "retry_policy.rs", "kept_for: Duration::from_hours(7 * 24),"),
    ("An event that was queued 7 days ago", "retry_policy.rs", "kept_for: Duration::from_hours(7 * 24),"),
    ("handed out 950 times", "../../shared/queue/src/topology.rs", "DELIVERY_LIMIT: u32 = 1_000;"),
    ("handed out 950 times", "retry_policy.rs", "DELIVERIES_KEPT: u32 = 50;"),
    ("when five different events", "pauses.rs", "RUN_EVENTS: usize = 5;"),
    ("(over 0.3 s or more)", "pauses.rs", "RUN_TIME: Duration = Duration::from_millis(300);"),
    (
        "0.5 s at first, every 5 s later",
        "pauses/pause.rs",
        "Duration::from_millis(500), ceiling: Duration::from_secs(5)",
    ),
    ("about 1 s, doubled with each further one up to 30 s", "pauses.rs", "(1), ceiling: Duration::from_secs(30)"),
    ("one attempt a minute", "pauses.rs", "MISCONFIGURED: Duration = Duration::from_mins(1);"),
    (
        "For pauses of up to 30 s, events wait in the dispatcher",
        "pauses.rs",
        "WAIT_IN_FLIGHT_MAX: Duration = Duration::from_secs(30);",
    ),
    ("for at most 1 h.", "pauses.rs", "PAUSE_MAX: Duration = Duration::from_hours(1);"),
    (
        "not sent again for 8 days",
        "../../shared/channels/src/keys.rs",
        "DELIVERED_TIME: Duration = Duration::from_hours(8 * 24);",
    ),
    ("kept for 14 days", "../../shared/queue/src/topology.rs", "DEAD_TTL: Duration = Duration::from_hours(14 * 24);"),
];

#[test]
fn every_figure_of_the_document_is_in_the_code() {
    let document = document().replace('\n', " ");
    for (text, file, line) in FIGURES {
        assert!(document.contains(text), "the document does not say {text:?}");
        let source = read(&root().join("dispatcher/src").join(file));
        assert!(source.contains(line), "{file} has no {line:?}, and the document says {text:?}");
    }
    let delays = queue::Tier::ALL.map(|tier| tier.delay().as_secs());
    assert!(
        delays == [10, 60, 600, 3600] && document.contains("10 s, 1 min, 10 min, and from there on 1 h"),
        "{delays:?}"
    );
}

#[test]
fn the_example_of_a_signature_is_right() {
    let rows = table(&document(), "part of the example");
    let value: BTreeMap<&str, &str> =
        rows.iter().map(|row| (row[0].trim_matches('`'), row[1].trim_matches('`'))).collect();
    let secret = SigningSecret::parse(&Secret::new(value["signing secret"])).expect("a signing secret");
    let timestamp = value["webhook-timestamp"].parse().expect("seconds");

    let signature = secret.sign(SignedContent { id: value["webhook-id"], timestamp, body: value["body"].as_bytes() });

    assert_eq!(signature, value["webhook-signature"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_requests_are_what_is_really_sent() {
    let stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    let ring = key_ring(&[&stack.processes.key()]);
    dsk.behave(|dsk| dsk.keeps_headers = true);
    let fixtures_channels = [("whatsapp:1065", Some("1028")), ("instagram:17", None), ("messenger:17", None)];
    for (address, account_id) in
        [(ADDRESS, Some(ACCOUNT)), (INSTAGRAM, None), (PAGE, None)].into_iter().chain(fixtures_channels)
    {
        let channel = NewChannel::new(Address::new(address), "tenant", ring.seal(&Secret::new(DSK_TOKEN)));
        let channel = NewChannel { account_id: account_id.map(str::to_owned), ..channel };
        stack.store().add(&channel, now()).await.expect("the store answers");
    }

    let samples = samples();
    for (sent, (_, notification)) in samples.iter().enumerate() {
        assert_eq!(stack.processes.post(notification.clone()).await, 200);
        stack.processes.delivered(sent + 1).await;
    }

    let seen = dsk.seen();
    assert_eq!(seen.len(), samples.len(), "each notification makes one request");
    for ((name, _), seen) in samples.iter().zip(&seen) {
        assert_eq!((seen.status, seen.fault), (200, None), "{name}: DSK checked token and signature");
        expect_file![root().join(file(name))].assert_eq(&recording(seen, SIGNING_SECRET));
    }
    let folder = std::fs::read_dir(root().join("docs/dsk-requests")).expect("the folder exists");
    assert_eq!(folder.count(), samples.len(), "a recording belongs to no sample");
    assert!(document().contains(SIGNING_SECRET), "the document does not give the secret that verifies them");
}

/// The samples, and of each kind of message the first fixture.
fn samples() -> Vec<(String, Bytes)> {
    let fixtures = fixtures();
    let of_kind = |kind: &MessageKind| {
        let fixture = fixtures.iter().find(|fixture| fixture.message_kind().as_deref() == Some(kind.as_str()));
        (format!("kind-{}", kind.as_str()), fixture.expect("every kind has a fixture").notification.clone())
    };
    let named = SAMPLES.iter().map(|(name, notification)| ((*name).to_owned(), Bytes::from(*notification)));
    named.chain(MessageKind::ALL.iter().map(of_kind)).collect()
}

fn file(name: &str) -> String {
    format!("docs/dsk-requests/{name}.http")
}
