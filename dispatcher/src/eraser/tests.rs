//! Erasures among many dead letters, in RabbitMQ and in files.

use std::path::Path;

use bytes::Bytes;
use channels::{
    ChannelsSettings, End, EndedEvent, ErasureOrigin, ErasureRequest, KeyRing, KeyRingSettings, NewChannel, new_key,
};
use chassis::Secret;
use event::{Address, Class, Envelope, EventId, EventType, Lane, Letter};
use prometheus::Registry;
use queue::{QueueName, QueueSettings};

use super::*;

const ERASED: &str = "whatsapp:100000000000001";
const OTHER: &str = "whatsapp:2";
const PIECE: usize = BATCH_MAX;

fn letter(serial: usize, address: &str) -> Envelope {
    let at = now() - SignedDuration::from_hours(1);
    Envelope {
        id: EventId::new(format!("evt_{serial}")),
        event_type: EventType::new("whatsapp.message"),
        address: Address::new(address),
        lane: Lane::new(format!("{address}/{serial}")),
        class: Class::Messages,
        effect: None,
        received_at: at,
        queued_at: at,
        attempts: 1,
        visits: 0,
        copies: 0,
        traceparent: None,
        letter: Some(Letter { reason: "rejected".to_owned(), status: Some(422), answer: String::new(), parked_at: at }),
        body: Bytes::from_static(b"{}"),
    }
}

/// A body that is no event, parked.
fn no_event(serial: usize, channel: &str, text: &str) -> Envelope {
    let body = format!("{{\"object\":\"unknown\",\"phone_number_id\":\"{channel}\",\"text\":\"{text}\"}}");
    let event = event::split(body.as_bytes(), now()).remove(0);
    Envelope { event_type: event.event_type, body: event.body, ..letter(serial, "meta:unrecognized") }
}

/// Makes of each claim one test on RabbitMQ and one on files.
macro_rules! claims {
    ($($claim:ident),* $(,)?) => {
        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let vhost = testkit::RabbitMq::shared().await.vhost();
                let folder = tempfile::tempdir().unwrap();
                super::$claim(super::eraser(folder.path(), &queue::QueueSettings::at(vhost.url())).await).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                super::$claim(super::eraser(folder.path(), &queue::QueueSettings::embedded(folder.path())).await).await;
            })*
        }
    };
}

claims![
    an_erasure_among_many_dead_letters_is_done_in_pieces_and_ends,
    a_scan_that_another_one_keeps_out_continues_where_it_was,
    an_erased_channels_bodies_that_are_no_event_are_erased_and_those_of_others_stay,
    an_erased_persons_bodies_that_are_no_event_are_erased_and_those_of_others_stay,
    two_copies_of_an_event_that_the_queue_parked_in_the_same_second_are_both_looked_at,
    a_scan_that_only_skips_ends_at_its_limit_and_gives_back_what_it_read,
];

/// An eraser whose scans end after one batch.
async fn eraser(folder: &Path, queue: &QueueSettings) -> Eraser {
    let shutdown = Shutdown::default();
    let registry = Registry::new();
    let metrics = channels::Metrics::register(&registry).unwrap();
    let settings = KeyRingSettings { key_ring: Some(new_key()), key_ring_file: None };
    let key_ring = KeyRing::load(&settings, &metrics).unwrap();
    let sealed = key_ring.seal(&Secret::new("dsk-token"));
    let store = ChannelStore::open(&ChannelsSettings::embedded(folder), metrics, &shutdown).unwrap();
    let store = store.with_key_ring(&key_ring);
    for address in [ERASED, OTHER] {
        let channel = NewChannel::new(Address::new(address), "tenant", sealed.clone());
        store.add(&channel, now()).await.unwrap();
    }
    let metrics = queue::Metrics::register(&registry).unwrap();
    let queue = Queue::open(queue, metrics, &shutdown).await.unwrap();
    let metrics = Metrics::register(&registry).unwrap();
    let limits = ScanLimits { once_further: Duration::ZERO, ..ScanLimits::DEFAULT };
    Eraser { store, queue, metrics, shutdown, limits, sweep: None }
}

async fn park(eraser: &Eraser, letters: impl Iterator<Item = Envelope>) {
    let publisher = eraser.queue.publisher();
    for letter in letters {
        let _confirmed = publisher.publish(QueueName::Dead, &letter).await.unwrap();
    }
}

/// As if it had been asked for long enough ago.
async fn ask(eraser: &Eraser, code: &str) {
    let channels = [Address::new(ERASED)];
    let origin = ErasureOrigin::Operator;
    let request = ErasureRequest { code, origin, channels: &channels, lanes: &[], until: None };
    eraser.store.erase(&request, now() - SETTLE_TIME).await.unwrap();
}

/// The addresses of the dead letters.
async fn left(eraser: &Eraser) -> Vec<String> {
    let mut scan = eraser.queue.scan_dead_letters().await.unwrap();
    let mut left = Vec::new();
    while let Some(letter) = scan.next().await.unwrap() {
        left.push(letter.envelope.address.to_string());
    }
    scan.finish().await.unwrap();
    left
}

/// The ids of the dead letters, sorted.
async fn ids_left(eraser: &Eraser) -> Vec<String> {
    let mut scan = eraser.queue.scan_dead_letters().await.unwrap();
    let mut left = Vec::new();
    while let Some(letter) = scan.next().await.unwrap() {
        left.push(letter.envelope.id.as_str().to_owned());
    }
    scan.finish().await.unwrap();
    left.sort_unstable();
    left
}

async fn is_done(eraser: &Eraser, code: &str) -> bool {
    eraser.store.erasure(code).await.unwrap().unwrap().done_at.is_some()
}

async fn an_erasure_among_many_dead_letters_is_done_in_pieces_and_ends(mut eraser: Eraser) {
    let address = |serial: usize| if serial >= 4 * PIECE { ERASED } else { OTHER };
    park(&eraser, (0..5 * PIECE).map(|serial| letter(serial, address(serial)))).await;
    ask(&eraser, "first").await;

    let mut pieces = 0;
    while !is_done(&eraser, "first").await {
        eraser.carry_out().await.unwrap();
        pieces += 1;
        assert!(pieces <= 6, "each piece looks at other dead letters");
        if pieces == 2 {
            // Somebody else scans in between, and another erasure is asked for.
            assert_eq!(left(&eraser).await.len(), 5 * PIECE);
            ask(&eraser, "second").await;
        }
    }

    assert_eq!(left(&eraser).await, vec![OTHER; 4 * PIECE]);
    assert!(pieces > 4 && !is_done(&eraser, "second").await, "the second needs a look through all of them");
    for _ in 0..6 {
        eraser.carry_out().await.unwrap();
    }
    assert!(is_done(&eraser, "second").await);
}

async fn a_scan_that_another_one_keeps_out_continues_where_it_was(mut eraser: Eraser) {
    park(&eraser, (0..2 * PIECE).map(|serial| letter(serial, OTHER))).await;
    ask(&eraser, "code").await;
    eraser.carry_out().await.unwrap();

    let other = eraser.queue.scan_dead_letters().await.unwrap();
    assert!(eraser.carry_out().await.is_err(), "the dead letters are locked");
    other.finish().await.unwrap();

    for _ in 0..2 {
        eraser.carry_out().await.unwrap();
    }
    assert!(is_done(&eraser, "code").await);
}

async fn an_erased_channels_bodies_that_are_no_event_are_erased_and_those_of_others_stay(mut eraser: Eraser) {
    park(&eraser, [no_event(1, "100000000000001", "Hello"), no_event(2, "100000000000002", "Hello")].into_iter()).await;
    ask(&eraser, "code").await;

    while !is_done(&eraser, "code").await {
        eraser.carry_out().await.unwrap();
    }

    assert_eq!(ids_left(&eraser).await, ["evt_2"]);
}

async fn an_erased_persons_bodies_that_are_no_event_are_erased_and_those_of_others_stay(mut eraser: Eraser) {
    let bodies = [
        no_event(1, "100000000000001", "from +4915550000001"),
        no_event(2, "100000000000001", "from +4915550000002"),
        no_event(3, "100000000000002", "from +4915550000001"),
    ];
    park(&eraser, bodies.into_iter()).await;
    // As a dispatcher marks what it has parked.
    let parked = EndedEvent { id: EventId::new("evt_1"), end: End::Parked };
    eraser.store.mark_ended(&[parked], now()).await.unwrap();
    let lanes = [format!("{ERASED}/4915550000001")];
    let origin = ErasureOrigin::Operator;
    let request = ErasureRequest { code: "code", origin, channels: &[], lanes: &lanes, until: None };
    eraser.store.erase(&request, now() - SETTLE_TIME).await.unwrap();

    while !is_done(&eraser, "code").await {
        eraser.carry_out().await.unwrap();
    }

    assert_eq!(ids_left(&eraser).await, ["evt_2", "evt_3"], "the same number is another person's at another channel");
}

async fn two_copies_of_an_event_that_the_queue_parked_in_the_same_second_are_both_looked_at(mut eraser: Eraser) {
    let older = letter(0, ERASED);
    let newer = Envelope { received_at: now(), ..older.clone() };
    let others = (1..PIECE).map(|serial| letter(serial, OTHER));
    park(&eraser, [newer].into_iter().chain(others).chain([older])).await;
    ask(&eraser, "code").await;

    while !is_done(&eraser, "code").await {
        eraser.carry_out().await.unwrap();
    }

    let erased = left(&eraser).await.into_iter().filter(|address| address == ERASED).count();
    assert_eq!(erased, 1, "what was received before the erasure is gone, what came later stays");
}

async fn a_scan_that_only_skips_ends_at_its_limit_and_gives_back_what_it_read(mut eraser: Eraser) {
    eraser.limits.in_all = Duration::ZERO;
    park(&eraser, (0..2 * PIECE).map(|serial| letter(serial, OTHER))).await;
    ask(&eraser, "code").await;
    eraser.carry_out().await.unwrap();

    let outcome = eraser.carry_out().await;

    assert!(matches!(outcome, Err(ErasureError::Stuck)), "{outcome:?}");
    assert_eq!(left(&eraser).await.len(), 2 * PIECE);
    assert!(!is_done(&eraser, "code").await);
}
