//! One contract for the channel store, on Redis and on files; and what a lost Redis looks like.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use std::time::{Duration, Instant};

use channels::{
    ChannelState, ChannelStore, ChannelsSettings, ErasureOrigin, Found, KeyRing, KeyRingSettings, Lookup, Metrics,
    NewChannel, StoreError, new_key,
};
use chassis::{Secret, Shutdown, now};
use event::{Address, EventId, Lane};
use prometheus::Registry;
use testkit::{Link, Redis, eventually};

const NUMBER: &str = "whatsapp:100000000000001";

/// Each claim becomes one test on Redis, one on Redis as the user that `ops/redis/users.acl` allows no more than it
/// needs, and one on files.
macro_rules! contract {
    ($($claim:ident),* $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let redis = super::Redis::shared().await;
                super::$claim(super::open(&super::ChannelsSettings::at(redis.url(), &redis.prefix()))).await;
            })*
        }

        mod redis_as_its_user {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let redis = super::Redis::start_with_shipped_users().await;
                super::$claim(super::open(&super::ChannelsSettings::at(redis.url_for("meta"), ""))).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                super::$claim(super::open(&super::ChannelsSettings::embedded(folder.path()))).await;
            })*
        }
    };
}

contract![
    a_store_without_channels_counts_as_away,
    a_channel_is_found_with_its_sealed_token,
    an_address_that_is_not_stored_is_unknown,
    a_marked_event_is_found_as_delivered,
    an_erased_conversation_is_found_as_erased,
    a_removed_channel_is_found_as_disconnected_and_has_no_token,
    a_rotated_token_holds_at_once,
    every_channel_is_listed_and_nothing_else,
    two_who_add_to_one_account_do_not_overwrite_each_other,
    a_batch_is_answered_in_its_order,
    what_was_exported_is_imported_where_it_is_missing,
    an_erased_channel_leaves_no_record_until_it_is_connected_anew,
    care_for_a_token_changes_nothing_once_another_one_is_stored,
    a_lease_is_one_holders_until_it_is_over,
];

fn open(settings: &ChannelsSettings) -> ChannelStore {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    ChannelStore::open(settings, metrics, &Shutdown::default()).unwrap()
}

fn ring() -> KeyRing {
    let settings = KeyRingSettings { key_ring: Some(new_key()), key_ring_file: None };
    KeyRing::load(&settings, &Metrics::register(&Registry::new()).unwrap()).unwrap()
}

fn channel(address: &str, ring: &KeyRing) -> NewChannel {
    NewChannel::new(Address::new(address), "t", ring.seal(&Secret::new("dsk-token")))
}

async fn add(store: &ChannelStore, address: &str) {
    store.add(&channel(address, &ring()), now()).await.unwrap();
}

async fn look_up(store: &ChannelStore, id: &str, address: &str) -> Found {
    let (id, address, lane) = (EventId::new(id), Address::new(address), Lane::new(format!("{address}/1")));
    store.look_up(&[Lookup { id: &id, address: &address, lane: &lane }]).await.unwrap().remove(0)
}

async fn a_store_without_channels_counts_as_away(store: ChannelStore) {
    let (id, address, lane) = (EventId::new("evt_1"), Address::new(NUMBER), Lane::new("lane"));

    let answer = store.look_up(&[Lookup { id: &id, address: &address, lane: &lane }]).await;

    assert_eq!(answer.unwrap_err(), StoreError::NotInitialised);
}

async fn a_channel_is_found_with_its_sealed_token(store: ChannelStore) {
    let ring = ring();
    store.add(&channel(NUMBER, &ring), now()).await.unwrap();

    let Found::Channel(route) = look_up(&store, "evt_1", NUMBER).await else { panic!("it is stored") };

    assert_eq!(ring.open(&route.dsk_token).unwrap().expose(), "dsk-token");
    assert_eq!(route.tenant, "t");
}

async fn an_address_that_is_not_stored_is_unknown(store: ChannelStore) {
    add(&store, NUMBER).await;

    assert!(matches!(look_up(&store, "evt_1", "whatsapp:2").await, Found::Unknown));
}

async fn a_marked_event_is_found_as_delivered(store: ChannelStore) {
    add(&store, NUMBER).await;

    store.mark_delivered(&[EventId::new("evt_1"), EventId::new("evt_2")]).await.unwrap();

    assert!(matches!(look_up(&store, "evt_2", NUMBER).await, Found::Delivered));
    assert!(matches!(look_up(&store, "evt_3", NUMBER).await, Found::Channel(_)));
}

async fn an_erased_conversation_is_found_as_erased(store: ChannelStore) {
    add(&store, NUMBER).await;

    store.mark_erased(&format!("{NUMBER}/1")).await.unwrap();

    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, Found::Erased));
}

async fn a_removed_channel_is_found_as_disconnected_and_has_no_token(store: ChannelStore) {
    add(&store, NUMBER).await;

    store.remove(&Address::new(NUMBER), now()).await.unwrap();

    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, Found::Disconnected));
    let record = store.get(&Address::new(NUMBER)).await.unwrap().unwrap();
    assert_eq!((record.state, record.dsk_token), (ChannelState::Disconnected, None));
}

async fn what_was_exported_is_imported_where_it_is_missing(store: ChannelStore) {
    let removed = Address::new("instagram:2");
    let mut kept = NewChannel::new(Address::new(NUMBER), "tenant", ring().seal(&Secret::new("dsk-token")));
    kept.app_user_id = Some("app-user-1".to_owned());
    let gone = NewChannel::new(removed.clone(), "tenant", ring().seal(&Secret::new("other-token")));
    for channel in [&kept, &gone] {
        store.add(channel, now()).await.unwrap();
    }
    store.remove(&removed, now()).await.unwrap();
    let saved = store.export().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let empty = open(&ChannelsSettings::embedded(folder.path()));

    let mut stored = Vec::new();
    for record in saved.iter().chain(&saved) {
        stored.push(empty.import(record, now()).await.unwrap());
    }

    assert_eq!(stored, [true, true, false, false], "what is there stays as it is");
    assert_eq!(empty.export().await.unwrap(), saved);
    assert!(empty.is_initialised().await.unwrap());
    assert_eq!(empty.get(&removed).await.unwrap().map(|record| record.state), Some(ChannelState::Disconnected));
}

async fn an_erased_channel_leaves_no_record_until_it_is_connected_anew(store: ChannelStore) {
    let address = Address::new(NUMBER);
    let mut channel = NewChannel::new(address.clone(), "tenant", ring().seal(&Secret::new("dsk-token")));
    (channel.account_id, channel.app_user_id) = (Some("28".to_owned()), Some("app-user-1".to_owned()));
    store.add(&channel, now()).await.unwrap();
    let code = store.deletion_code("app-user-1", "fresh").await.unwrap();
    let mine = store.addresses_of("app-user-1").await.unwrap();

    store.erase((&code, ErasureOrigin::Callback), (&mine, &[]), now()).await.unwrap();

    assert!(store.export().await.unwrap().is_empty() && store.addresses_of("app-user-1").await.unwrap().is_empty());
    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, Found::Erased));
    assert!(matches!(look_up(&store, "evt_1", "whatsapp-account:28").await, Found::Erased));
    assert_eq!(store.deletion_code("app-user-1", "another").await.unwrap(), "fresh");
    let pending = store.pending_erasures().await.unwrap();
    store.finish_erasure(&code, "of another time", now()).await.unwrap();
    assert_eq!(store.pending_erasures().await.unwrap(), pending, "it was asked for again meanwhile");
    store.finish_erasure(&code, &pending[0].1, now()).await.unwrap();
    assert!(store.erasure(&code).await.unwrap().unwrap().done_at.is_some());
    assert!(store.pending_erasures().await.unwrap().is_empty());

    store.add(&channel, now()).await.unwrap();
    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, Found::Channel(_)));
}

async fn a_rotated_token_holds_at_once(store: ChannelStore) {
    let ring = ring();
    store.add(&channel(NUMBER, &ring), now()).await.unwrap();

    let rotated = NewChannel::new(Address::new(NUMBER), "t", ring.seal(&Secret::new("rotated")));
    store.add(&rotated, now()).await.unwrap();

    let Found::Channel(route) = look_up(&store, "evt_1", NUMBER).await else { panic!("it is stored") };
    assert_eq!(ring.open(&route.dsk_token).unwrap().expose(), "rotated");
}

async fn care_for_a_token_changes_nothing_once_another_one_is_stored(store: ChannelStore) {
    let (ring, address, now) = (ring(), Address::new(NUMBER), now());
    let [first, second, third] = ["first", "second", "third"].map(|token| ring.seal(&Secret::new(token)));
    let with = |token: &channels::Sealed| NewChannel { access_token: Some(token.clone()), ..channel(NUMBER, &ring) };
    let token = async || store.get(&address).await.unwrap().unwrap().access_token.unwrap();
    store.add(&with(&first), now).await.unwrap();

    assert!(store.replace_access_token((&address, &first), (&second, now), now).await.unwrap());
    let refreshed_twice = store.replace_access_token((&address, &first), (&third, now), now).await.unwrap();
    let found_dead = store.access_token_is_dead((&address, &first), now).await.unwrap();

    assert!(!refreshed_twice && !found_dead && token().await == second);
    assert!(store.access_token_is_dead((&address, &second), now).await.unwrap());
    let record = store.get(&address).await.unwrap().unwrap();
    assert!(record.state == ChannelState::ReconnectNeeded && record.checked_at.is_some());
    assert!(
        matches!(look_up(&store, "evt_1", NUMBER).await, Found::Channel(_)),
        "its events are delivered all the same"
    );
    store.remove(&address, now).await.unwrap();
    assert!(
        !store.access_token_is_valid((&address, &second), None, now).await.unwrap(),
        "a removed channel stays removed"
    );
}

async fn a_lease_is_one_holders_until_it_is_over(store: ChannelStore) {
    let (time, now) = (Duration::from_mins(1), now());
    let after = |seconds: i64| now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    let lease = async |holder: &str, at| store.lease(("care", holder), time, at).await.unwrap();

    assert!(lease("one", now).await);
    assert!(!lease("other", after(59)).await);
    assert!(lease("one", after(59)).await, "its holder keeps it");
    assert!(!lease("other", after(118)).await);
    assert!(lease("other", after(119)).await);

    let holders: Vec<String> = (0..8).map(|number| format!("holder-{number}")).collect();
    let tries = holders.iter().map(|holder| store.lease(("care", holder), time, after(600)));
    let given = futures_util::future::join_all(tries).await.into_iter().filter(|given| *given == Ok(true));
    assert_eq!(given.count(), 1);
}

async fn every_channel_is_listed_and_nothing_else(store: ChannelStore) {
    add(&store, "whatsapp:2").await;
    add(&store, "instagram:1").await;
    store.mark_delivered(&[EventId::new("evt_1")]).await.unwrap();

    let listed: Vec<String> = store.list().await.unwrap().iter().map(|record| record.address.to_string()).collect();

    assert_eq!(listed, ["instagram:1", "whatsapp:2"]);
}

async fn two_who_add_to_one_account_do_not_overwrite_each_other(store: ChannelStore) {
    let ring = ring();
    let adds = (1..=8).map(|number| {
        let mut channel = channel(&format!("whatsapp:{number}"), &ring);
        channel.account_id = Some("9".to_owned());
        let store = store.clone();
        async move { store.add(&channel, now()).await }
    });

    let added = futures_util::future::join_all(adds).await;

    assert!(added.iter().all(Result::is_ok), "{added:?}");
    let account = store.get(&Address::new("whatsapp-account:9")).await.unwrap().unwrap();
    assert_eq!(account.channels.len(), 8);
}

async fn a_batch_is_answered_in_its_order(store: ChannelStore) {
    add(&store, "whatsapp:1").await;
    store.mark_delivered(&[EventId::new("evt_done")]).await.unwrap();
    let (stored, unknown, lane) = (Address::new("whatsapp:1"), Address::new("whatsapp:2"), Lane::new("lane"));
    let (new, done) = (EventId::new("evt_new"), EventId::new("evt_done"));

    let asked = [(&new, &unknown), (&done, &stored), (&new, &stored)];
    let asked = asked.map(|(id, address)| Lookup { id, address, lane: &lane });
    let found = store.look_up(&asked).await.unwrap();

    assert!(matches!(found[..], [Found::Unknown, Found::Delivered, Found::Channel(_)]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_redis_is_an_error_with_a_name_and_comes_back() {
    let redis = Redis::shared().await;
    let link = Link::to(redis.address()).await;
    let store = open(&ChannelsSettings::at(redis.url_through(&link), &redis.prefix()));
    add(&store, NUMBER).await;

    link.cut();
    eventually("the loss is noticed", async || (!store.is_connected()).then_some(())).await;
    assert_eq!(store.mark_delivered(&[EventId::new("evt_1")]).await, Err(StoreError::Away));

    link.mend();
    eventually("it is back", async || store.mark_delivered(&[EventId::new("evt_1")]).await.ok()).await;
    assert!(store.is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_redis_is_given_up_in_time() {
    let redis = Redis::shared().await;
    let link = Link::to(redis.address()).await;
    let store = open(&ChannelsSettings::at(redis.url_through(&link), &redis.prefix()));
    add(&store, NUMBER).await;

    link.stall();
    let started = Instant::now();
    let answer = store.mark_delivered(&[EventId::new("evt_1")]).await;

    assert!(matches!(answer, Err(StoreError::TimedOut | StoreError::Away)), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_rests_on_is_sealed_and_marked_with_an_end() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    add(&store, NUMBER).await;
    store.mark_delivered(&[EventId::new("evt_1")]).await.unwrap();

    let record = redis.command(&["HGETALL", &format!("{prefix}channel:{NUMBER}")]).await;
    let marker = redis.command(&["TTL", &format!("{prefix}delivered:evt_1")]).await;

    assert!(record.contains("dsk_token") && !record.contains("dsk-token"), "{record}");
    let seconds: u64 = marker.trim().trim_start_matches(':').parse().unwrap();
    assert!((8 * 86_400 - 60..=8 * 86_400).contains(&seconds), "{seconds} s");
}
