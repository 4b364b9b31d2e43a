//! What was written is there after Redis has restarted, with the user list and the append-only file that we ship.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use channels::{
    ChannelState, ChannelStore, ChannelsSettings, End, EndedEvent, KeyRing, KeyRingSettings, Metrics, NewChannel,
    new_key,
};
use chassis::{Secret, Shutdown, now};
use event::{Address, EventId};
use prometheus::Registry;
use testkit::{Redis, eventually};

const KEPT: &str = "whatsapp:100000000000001";
const ROTATED: &str = "instagram:17841400000000001";
const REMOVED: &str = "whatsapp:100000000000002";

fn open(redis: &Redis, key_ring: &KeyRing) -> ChannelStore {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let store = ChannelStore::open(&ChannelsSettings::at(redis.url_for("ops"), ""), metrics, &Shutdown::default());
    store.unwrap().with_key_ring(key_ring)
}

fn key_ring() -> KeyRing {
    let settings = KeyRingSettings { key_ring: Some(new_key()), key_ring_file: None };
    KeyRing::load(&settings, &Metrics::register(&Registry::new()).unwrap()).unwrap()
}

async fn add(store: &ChannelStore, address: &str, key_ring: &KeyRing, token: &str) {
    let channel = NewChannel::new(Address::new(address), "tenant", key_ring.seal(&Secret::new(token)));
    store.add(&channel, now()).await.unwrap();
}

async fn token(store: &ChannelStore, address: &str, key_ring: &KeyRing) -> String {
    // A Redis that has just started may still be loading its file.
    let record = eventually("Redis answers", async || store.get(&Address::new(address)).await.ok()).await.unwrap();
    key_ring.open(&record.dsk_token.unwrap()).unwrap().expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_tokens_and_removals_are_there_after_a_restart_of_redis() {
    let redis = Redis::start_with_shipped_users().await;
    let key_ring = key_ring();
    let store = open(&redis, &key_ring);
    add(&store, KEPT, &key_ring, "kept").await;
    add(&store, ROTATED, &key_ring, "old").await;
    add(&store, REMOVED, &key_ring, "gone").await;

    // What was written before a rewrite is loaded from another part of the file than what was written after it.
    redis.command_as("admin", testkit::PASSWORD, &["BGREWRITEAOF"]).await;
    eventually("the append-only file is rewritten", async || {
        let info = redis.command_as("admin", testkit::PASSWORD, &["INFO", "persistence"]).await;
        (info.contains("aof_rewrite_in_progress:0") && info.contains("aof_last_bgrewrite_status:ok")).then_some(())
    })
    .await;
    add(&store, ROTATED, &key_ring, "new").await;
    store.remove(&Address::new(REMOVED), now()).await.unwrap();
    let end = End::Delivered { attempt: 1, status: 200 };
    store.mark_ended(&[EndedEvent { id: EventId::new("evt_1"), end }], now()).await.unwrap();
    redis.restart().await;

    let store = open(&redis, &key_ring);
    assert_eq!(token(&store, KEPT, &key_ring).await, "kept");
    assert_eq!(token(&store, ROTATED, &key_ring).await, "new");
    let removed = store.get(&Address::new(REMOVED)).await.unwrap().unwrap();
    assert_eq!(removed.state, ChannelState::Disconnected);
    assert!(removed.dsk_token.is_none(), "its tokens are gone");
    assert_eq!(store.list().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgot_its_channels_finds_them_again_with_the_shipped_user_list() {
    let shipped = Redis::shipped_users();
    let mut outdated = shipped.clone();
    outdated[0] = "user default reset off".to_owned();
    let redis = Redis::start_with_users(&outdated).await;
    let key_ring = key_ring();
    add(&open(&redis, &key_ring), KEPT, &key_ring, "kept").await;

    // Loads nothing of what the store wrote, unless it is Redis 8.6.1 or newer.
    redis.restart().await;
    redis.replace_users(&shipped);
    redis.restart().await;

    assert_eq!(token(&open(&redis, &key_ring), KEPT, &key_ring).await, "kept");
}
