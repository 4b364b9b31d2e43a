//! Erasures during an upgrade from a release that hashed them without a key, and after it.

use channels::{ChannelStore, ChannelsSettings, NewChannel};
use chassis::now;
use event::Address;
use jiff::{SignedDuration, Timestamp};
use testkit::Redis;

use crate::erasing::{PERSON, delete, is_erased, lane, number, plain};
use crate::support::{NUMBER, look_up, open};

/// A store that an older release has used: it holds a channel, and no key.
struct Upgraded {
    redis: &'static Redis,
    prefix: String,
    store: ChannelStore,
}

impl Upgraded {
    async fn start() -> Self {
        let redis = Redis::shared().await;
        let prefix = redis.prefix();
        let settings = ChannelsSettings::at(redis.url(), &prefix);
        open(&settings).add(&NewChannel { account_id: None, ..number() }, now()).await.unwrap();
        redis.command(&["DEL", &format!("{prefix}channels:erasure-keys")]).await;
        Self { redis, prefix, store: open(&settings) }
    }

    /// What an older release that runs beside this one does to erase a conversation.
    async fn erase_as_older_release(&self, until: Timestamp) {
        let key = format!("erased:{}", plain(&lane()));
        self.redis.command(&["SETEX", &format!("{}{key}", self.prefix), "2592000", &until.to_string()]).await;
        let day = format!("{}erased:day:{}", self.prefix, now().strftime("%Y-%m-%d"));
        self.redis.command(&["SADD", &day, &key]).await;
    }

    async fn is_seen_by_older_release(&self, key: &str) -> bool {
        self.redis.command(&["EXISTS", &format!("{}{key}", self.prefix)]).await.trim() == ":1"
    }

    async fn set(&self, field: &str, time: Timestamp) {
        let key = format!("{}channels:erasure-keys", self.prefix);
        let answer = self.redis.command(&["HSET", &key, field, &time.to_string()]).await;
        assert_eq!(answer.trim(), ":0", "{field} was there");
    }

    async fn end_upgrade(&self) {
        self.set("keyed_from", now()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_an_older_release_and_this_one_recognise_each_others_erasures_during_an_upgrade() {
    let upgraded = Upgraded::start().await;
    let first = now();
    upgraded.erase_as_older_release(first).await;
    assert!(is_erased(&upgraded.store, first).await, "the first look-up finds no key yet");
    assert!(is_erased(&upgraded.store, first).await && !is_erased(&upgraded.store, now()).await);

    upgraded.store.mark_erased(&lane(), now()).await.unwrap();
    upgraded.store.remove(&Address::new(NUMBER), now()).await.unwrap();

    for key in [format!("erased:{}", plain(&lane())), format!("user:removed:{}", plain(PERSON))] {
        assert!(upgraded.is_seen_by_older_release(&key).await, "{key}");
    }
    let second = now();
    upgraded.erase_as_older_release(second).await;
    assert!(is_erased(&upgraded.store, second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_upgrade_erasures_are_keyed_and_those_of_before_hold_for_their_30_days() {
    let upgraded = Upgraded::start().await;
    let store = &upgraded.store;
    let before = now();
    upgraded.erase_as_older_release(before).await;
    look_up(store, "evt_1", NUMBER).await;
    upgraded.end_upgrade().await;

    assert!(is_erased(store, before).await && !is_erased(store, now()).await);
    store.mark_erased(NUMBER, now()).await.unwrap();
    assert!(!upgraded.is_seen_by_older_release(&format!("erased:{}", plain(NUMBER))).await);
    let exported = store.export_erasures().await.unwrap();
    assert_eq!((exported.keys.len(), exported.erasures.len()), (1, 2), "{exported:?}");

    let upgraded = Upgraded::start().await;
    upgraded.erase_as_older_release(before).await;
    assert!(is_erased(&upgraded.store, before).await);
    upgraded.end_upgrade().await;
    upgraded.set("plain_until", now() + SignedDuration::from_mins(1)).await;
    assert!(is_erased(&upgraded.store, before).await);
    upgraded.set("plain_until", now()).await;
    assert!(!is_erased(&upgraded.store, before).await, "they are over, and nobody looks for them any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_withdrew_before_and_after_an_upgrade_is_found_under_one_hash() {
    let upgraded = Upgraded::start().await;
    let store = &upgraded.store;
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    let plain_key = format!("user:removed:{}", plain(PERSON));
    assert!(upgraded.is_seen_by_older_release(&plain_key).await);
    upgraded.end_upgrade().await;
    store.add(&NewChannel { account_id: None, ..number() }, now()).await.unwrap();
    store.remove(&Address::new(NUMBER), now()).await.unwrap();

    assert!(!upgraded.is_seen_by_older_release(&plain_key).await);
    let code = delete(store).await;

    assert!(!store.erasure(&code).await.unwrap().unwrap().found_nothing);
    assert_eq!(store.export().await.unwrap(), []);
    assert_eq!(delete(store).await, code, "the same person has the same code");
}
