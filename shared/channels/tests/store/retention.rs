//! How long Redis keeps what the privacy policy says is kept for a time, and that it keeps nothing else of anybody.

use std::time::Duration;

use channels::{
    ChannelStore, ChannelsSettings, DELIVERED_TIME, ERASURE_RECORD_TIME, ErasureOrigin, ErasureRequest, HELD_TIME,
    NewChannel, NewDeferral, TOMBSTONE_TIME, Ticket, new_erasure_code,
};
use chassis::{Secret, now};
use event::{Address, EventId, Lane};
use testkit::Redis;

use crate::erasing::{OTHER, PERSON, lane, number};
use crate::support::{NUMBER, add, asks, mark_delivered, open, ring};

const MINUTE: Duration = Duration::from_mins(1);
/// What the service itself needs for ever. None of it is about anybody who has left.
const FOR_EVER: [&str; 6] = [
    "channel:instagram:17841400000000001",
    "channels:all",
    "channels:of:t",
    "channels:endpoints",
    "channels:initialised",
    "channels:erasure-keys",
];
/// These count erasures, and name those that are not carried out yet by their codes.
const ABOUT_ERASURES: [&str; 2] = ["channels:erased", "erasures:pending"];

/// The keys of a test, without its prefix.
async fn keys(redis: &Redis, prefix: &str) -> Vec<String> {
    let keys = redis.command(&["KEYS", &format!("{prefix}*")]).await;
    keys.split("\r\n").filter_map(|word| word.strip_prefix(prefix)).map(str::to_owned).collect()
}

/// How long a key stays; `None` if for ever.
async fn time_left(redis: &Redis, key: &str) -> Option<Duration> {
    let answer = redis.command(&["TTL", key]).await;
    let seconds: i64 = answer.trim().trim_start_matches(':').parse().unwrap();
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// What is in a hash or a set. To the wrong command Redis answers with an error, which repeats nothing.
async fn content(redis: &Redis, key: &str) -> String {
    redis.command(&["HGETALL", key]).await + &redis.command(&["SMEMBERS", key]).await
}

/// Leaves every kind of trace that people can leave.
async fn leave_traces(store: &ChannelStore) {
    add(store, OTHER).await;
    // Somebody withdraws, and somebody has everything deleted.
    store.add(&number(), now()).await.unwrap();
    store.withdraw(asks(PERSON, now()), now()).await.unwrap();
    let deleted = NewChannel {
        app_user_id: Some("7".to_owned()),
        ..NewChannel::new(Address::new("messenger:3"), "t", ring().seal(&Secret::new("t")))
    };
    store.add(&deleted, now()).await.unwrap();
    store.delete_person(asks("7", now()), &new_erasure_code(), now()).await.unwrap();
    // A contact is erased, another one held, and something of theirs was delivered or deferred.
    let code = new_erasure_code();
    let lanes = [format!("{OTHER}/1")];
    let erasure =
        ErasureRequest { code: &code, origin: ErasureOrigin::Operator, channels: &[], lanes: &lanes, until: None };
    store.erase(&erasure, now()).await.unwrap();
    store.hold(&[lane()], now()).await.unwrap();
    mark_delivered(store, &[EventId::new("evt_1")]).await.unwrap();
    let deferral = NewDeferral { lane: &Lane::new(lane()), ids: &[EventId::new("evt_2")], delay: MINUTE, now: now() };
    store.note_deferral(deferral).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trace_of_a_person_ends_when_the_policy_says() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    leave_traces(&store).await;
    // What is kept for how long, by how its key begins.
    let times = [
        ("channel:", TOMBSTONE_TIME),
        ("user:removed:", TOMBSTONE_TIME),
        ("channels:former-users", TOMBSTONE_TIME),
        ("erased:", TOMBSTONE_TIME),
        ("deletion:", TOMBSTONE_TIME),
        ("erasure:", ERASURE_RECORD_TIME),
        ("channels:held", HELD_TIME),
        ("delivered:", DELIVERED_TIME),
        ("dispatcher:deferred:", DELIVERED_TIME),
    ];

    let keys = keys(redis, &prefix).await;

    for (beginning, time) in times {
        let own = keys.iter().filter(|key| key.starts_with(beginning) && !FOR_EVER.contains(&key.as_str()));
        let own: Vec<&String> = own.collect();
        assert!(!own.is_empty(), "no trace begins with {beginning}: {keys:?}");
        for key in own {
            let left = time_left(redis, &format!("{prefix}{key}")).await;
            assert!(left.is_some_and(|left| left <= time && time < left + MINUTE), "{key} stays for {left:?}");
        }
    }
    for key in &keys {
        let is_for_ever = time_left(redis, &format!("{prefix}{key}")).await.is_none();
        let may_be = FOR_EVER.contains(&key.as_str()) || ABOUT_ERASURES.contains(&key.as_str());
        assert!(!is_for_ever || may_be, "{key} stays for ever");
    }
    let mut lasting = String::new();
    for key in FOR_EVER.iter().chain(&ABOUT_ERASURES) {
        lasting += &content(redis, &format!("{prefix}{key}")).await;
    }
    for trace in [PERSON, &lane(), "messenger:3"] {
        assert!(!lasting.contains(trace), "{trace} stays for ever in\n{lasting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_holds_nothing_that_names_its_person_or_its_business() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    let named = NewChannel {
        name: Some("+49 30 000000".to_owned()),
        access_token: Some(ring().seal(&Secret::new("access-token"))),
        dsk_url: Some("https://dsk.example/events".to_owned()),
        connected_by: Some("ticket of dsk".to_owned()),
        app_id: Some("100".to_owned()),
        ..number()
    };
    store.add(&named, now()).await.unwrap();

    store.remove(&Address::new(NUMBER), now()).await.unwrap();

    let fields = redis.command(&["HKEYS", &format!("{prefix}channel:{NUMBER}")]).await;
    let mut fields: Vec<&str> = fields.split("\r\n").filter(|word| word.starts_with(char::is_alphabetic)).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["account_id", "app_user_hash", "connected_at", "state", "tenant", "updated_at"]);
}

/// A link and a cookie hold an id that the store does not.
#[tokio::test(flavor = "multi_thread")]
async fn who_copies_redis_can_open_no_link_and_no_session() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    let ticket = Ticket {
        tenant: "tenant".to_owned(),
        dsk_token: ring().seal(&Secret::new("dsk-token")),
        dsk_url: None,
        signing_secret: None,
        issued_by: "test".to_owned(),
    };
    for link in ["the id of an open link", "the id of a used link"] {
        store.issue_ticket(link, &ticket, MINUTE).await.unwrap();
    }
    store.redeem_ticket("the id of a used link", "the id of a session", MINUTE).await.unwrap();

    let mut all = String::new();
    for key in keys(redis, &prefix).await {
        all += &key;
        all += &content(redis, &format!("{prefix}{key}")).await;
    }

    assert!(all.contains("ticket:") && all.contains("session:"), "{all}");
    for secret in ["the id of", "dsk-token"] {
        assert!(!all.contains(secret), "{secret} is in\n{all}");
    }
}
