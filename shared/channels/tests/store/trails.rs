//! What the store remembers of events: how they ended, and what happened before. It says so to whoever has the id.

use channels::{
    ChannelStore, ChannelsSettings, Delivery, End, EndedEvent, FailedAttempt, Happened, LookupAnswer, Marker, Next,
    Repeated, StoredEvent, StoredTrail, TrailNote,
};
use chassis::{Shutdown, now};
use event::EventId;
use jiff::Timestamp;
use prometheus::{Registry, TextEncoder};
use testkit::Redis;

use crate::support::{NUMBER, add, look_up, open};

fn ids<const N: usize>(ids: [&str; N]) -> Vec<EventId> {
    ids.map(EventId::new).to_vec()
}

/// Now, as precisely as a trail says it.
fn moment() -> Timestamp {
    Timestamp::from_millisecond(now().as_millisecond()).unwrap()
}

fn second_of(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap()
}

fn failure(at: Timestamp, attempt: u32) -> FailedAttempt {
    FailedAttempt { at, attempt: Some(attempt), outcome: "unavailable".to_owned(), status: Some(503) }
}

fn goes_on(id: &str, failure: FailedAttempt, next: Next) -> TrailNote {
    TrailNote { id: EventId::new(id), happened: Happened::GoesOn { failure: Some(failure), next } }
}

fn ended(id: &str, end: End) -> EndedEvent {
    EndedEvent { id: EventId::new(id), end }
}

pub(crate) async fn an_event_is_found_with_what_its_marker_says_and_with_its_trail(store: ChannelStore) {
    add(&store, NUMBER).await;
    let at = moment();
    let again = Next::Attempt { at, by: "host-1".to_owned() };
    let retry = Next::Retry { at, queue: "meta.messages.retry.10s.v2".to_owned() };
    let [first, second] = [failure(at, 1), failure(at, 2)];
    let came_again = TrailNote { id: EventId::new("evt_late"), happened: Happened::CameAgain(at) };

    store.note_trails(&[goes_on("evt_late", first.clone(), again)]).await.unwrap();
    store.note_trails(&[goes_on("evt_late", second.clone(), retry.clone()), came_again]).await.unwrap();
    let delivered = End::Delivered { attempt: 3, status: 202 };
    store.mark_ended(&[ended("evt_late", delivered), ended("evt_parked", End::Parked)], at).await.unwrap();

    let found = store.find_events(&ids(["evt_late", "evt_parked", "evt_unknown"])).await.unwrap();
    let delivery = Delivery { at: second_of(at), attempt: 3, status: 202 };
    let trail = StoredTrail {
        failures: vec![first, second],
        next: Some(retry),
        repeated: Some(Repeated { last_at: at, times: 1 }),
    };
    assert_eq!(
        found.events,
        [
            StoredEvent { marker: Some(Marker::Delivered(Some(delivery))), trail: Some(trail) },
            StoredEvent { marker: Some(Marker::Parked { at: second_of(at) }), trail: None },
            StoredEvent::default(),
        ]
    );
    assert!(!found.hides_erasures);
    assert!(matches!(look_up(&store, "evt_late", NUMBER).await, LookupAnswer::Delivered));
}

pub(crate) async fn an_erased_event_keeps_no_trail_and_only_the_key_ring_tells_it_from_a_delivered_one(
    store: ChannelStore,
) {
    add(&store, NUMBER).await;
    let at = moment();
    let parked = Next::Park { at, reason: "rejected".to_owned() };
    store.note_trails(&[goes_on("evt_1", failure(at, 1), parked)]).await.unwrap();

    store.mark_ended(&[ended("evt_1", End::Erased)], at).await.unwrap();

    let found = store.find_events(&ids(["evt_1"])).await.unwrap();
    let erased = StoredEvent { marker: Some(Marker::Erased { at: second_of(at) }), trail: None };
    assert_eq!(found.events, [erased]);
    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, LookupAnswer::Delivered), "a repeat is discarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_release_marked_counts_as_delivered_without_details() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    add(&store, NUMBER).await;
    redis.command(&["SETEX", &format!("{prefix}delivered:evt_1"), "60", "1"]).await;

    let found = store.find_events(&ids(["evt_1"])).await.unwrap();

    assert_eq!(found.events[0].marker, Some(Marker::Delivered(None)));
    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, LookupAnswer::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_ring_an_erased_event_looks_like_one_that_dsk_has() {
    let redis = Redis::shared().await;
    let settings = ChannelsSettings::at(redis.url(), &redis.prefix());
    let store = open(&settings);
    add(&store, NUMBER).await;
    let at = moment();
    let delivered = ended("evt_1", End::Delivered { attempt: 1, status: 204 });
    store.mark_ended(&[delivered, ended("evt_2", End::Erased)], at).await.unwrap();
    let metrics = channels::Metrics::register(&Registry::new()).unwrap();
    let without_ring = ChannelStore::open(&settings, metrics, &Shutdown::default()).unwrap();

    let found = without_ring.find_events(&ids(["evt_1", "evt_2"])).await.unwrap();

    let delivery = Delivery { at: second_of(at), attempt: 1, status: 204 };
    let marker = Some(Marker::Delivered(Some(delivery)));
    assert_eq!(found.events.iter().map(|event| event.marker).collect::<Vec<_>>(), [marker, marker]);
    assert!(found.hides_erasures);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_has_forty_bytes_at_most_and_a_trail_lasts_as_long_as_a_marker() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    add(&store, NUMBER).await;
    let at = moment();
    store.mark_ended(&[ended("evt_1", End::Delivered { attempt: u32::MAX, status: 299 })], at).await.unwrap();
    let parked = Next::Park { at, reason: "rejected".to_owned() };
    store.note_trails(&[goes_on("evt_1", failure(at, 1), parked)]).await.unwrap();

    let number = async |command: &str, key: &str| -> u64 {
        let answer = redis.command(&[command, &format!("{prefix}{key}")]).await;
        answer.trim().trim_start_matches(':').parse().unwrap()
    };
    assert!(number("STRLEN", "delivered:evt_1").await <= 40);
    for key in ["delivered:evt_1", "trail:evt_1"] {
        let seconds = number("TTL", key).await;
        assert!((8 * 86_400 - 60..=8 * 86_400).contains(&seconds), "{key}: {seconds} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_user_list_that_does_not_permit_trails_everything_else_works_and_nobody_is_called() {
    let older: Vec<String> = Redis::shipped_users().iter().map(|line| line.replace(" ~trail:*", "")).collect();
    let redis = Redis::start_with_users(&older).await;
    let registry = Registry::new();
    let metrics = channels::Metrics::register(&registry).unwrap();
    let settings = ChannelsSettings::at(redis.url_for("dispatcher"), "");
    let ring = crate::support::ring();
    let store = ChannelStore::open(&settings, metrics, &Shutdown::default()).unwrap().with_key_ring(&ring);
    add(&store, NUMBER).await;
    let at = moment();

    let parked = Next::Park { at, reason: "rejected".to_owned() };
    let refused = store.note_trails(&[goes_on("evt_1", failure(at, 1), parked)]).await.unwrap_err();
    store.mark_ended(&[ended("evt_1", End::Erased)], at).await.unwrap();

    assert!(refused.is_forbidden(), "{refused}");
    let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let errors: Vec<&str> = page.lines().filter(|line| line.starts_with("channels_errors_total")).collect();
    assert!(!errors.is_empty() && errors.iter().all(|line| line.ends_with(" 0")), "{errors:?}: somebody is called");
}
