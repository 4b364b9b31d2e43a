//! The key under which erasures are hashed: without the key ring nobody recognises them, with it everybody does, through
//! rotations, imports and upgrades.

use std::collections::BTreeSet;

use channels::{
    ChannelStore, ChannelsSettings, ErasureKeyError, LookupAnswer, NewChannel, SavedErasure, SavedErasures, StoreError,
    new_erasure_code, new_key,
};
use chassis::now;
use event::{Address, EventId, Lane};
use testkit::Redis;

use crate::erasing::{ACCOUNT, OTHER, PERSON, delete, erasures_of_another_store, is_erased, lane, number, plain};
use crate::support::{NUMBER, add, look_up, open, open_with, ring, ring_of};

async fn try_look_up(store: &ChannelStore) -> Result<LookupAnswer, StoreError> {
    let id = EventId::new("evt_1");
    let address = Address::new(NUMBER);
    let lane = Lane::new(lane());
    let lookup =
        channels::Lookup { id: &id, address: &address, lane: &lane, is_about_account: false, received_at: now() };
    Ok(store.look_up(&[lookup]).await?.remove(0))
}

/// Each claim becomes one test on Redis and one on files. It may open the same store with several rings.
macro_rules! on_both {
    ($($claim:ident),* $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let redis = super::Redis::shared().await;
                super::$claim(super::ChannelsSettings::at(redis.url(), &redis.prefix())).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                super::$claim(super::ChannelsSettings::embedded(folder.path())).await;
            })*
        }
    };
}

on_both![
    erasures_are_recognised_after_a_rotation_without_the_old_key,
    a_key_that_does_not_open_delivers_nothing_until_it_is_back,
    erasures_that_nobody_can_open_are_forgotten_only_on_demand,
    a_process_that_runs_recognises_what_an_import_has_brought,
    an_export_of_an_older_release_erases_what_it_says,
    an_export_whose_key_does_not_open_changes_nothing,
    an_empty_store_takes_the_key_of_an_export_as_its_own,
    a_tombstone_of_an_older_release_leads_to_its_person,
    a_process_without_a_key_ring_says_what_it_lacks,
];

async fn erasures_are_recognised_after_a_rotation_without_the_old_key(settings: ChannelsSettings) {
    let old = new_key();
    let new = new_key();
    let store = open_with(&settings, &ring_of(&[old.expose()]));
    add(&store, OTHER).await;
    store.add(&NewChannel { account_id: None, ..number() }, now()).await.unwrap();
    let received_at = now();
    store.mark_erased(&lane(), now()).await.unwrap();

    let both = ring_of(&[new.expose(), old.expose()]);
    let before = store.key_use(&both).await.unwrap();
    assert!(!before.unused_keys().contains(&2), "the erasures need the old key: {before:?}");
    let rotated = store.reseal(&both).await.unwrap();

    assert_eq!((rotated.resealed_erasure_keys, rotated.unused_keys()), (1, vec![2]), "{rotated:?}");
    assert_eq!(store.reseal(&both).await.unwrap().resealed_erasure_keys, 0, "a second rotation has nothing to do");
    let store = open_with(&settings, &ring_of(&[new.expose()]));
    assert!(is_erased(&store, received_at).await);
    assert!(!is_erased(&store, now()).await, "what comes later is delivered");
    store.mark_erased(OTHER, now()).await.unwrap();
    let saved = store.export_erasures().await.unwrap();
    let keys: BTreeSet<&str> = saved.erasures.iter().filter_map(|saved| saved.erased.split(':').next()).collect();
    assert_eq!((saved.keys.len(), keys.len()), (2, 2), "a rotation makes another key for what is erased after it");
}

async fn a_key_that_does_not_open_delivers_nothing_until_it_is_back(settings: ChannelsSettings) {
    let key = new_key();
    let store = open_with(&settings, &ring_of(&[key.expose()]));
    add(&store, NUMBER).await;
    let received_at = now();
    store.mark_erased(&lane(), now()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key-ring");
    std::fs::write(&file, new_key().expose()).unwrap();
    let metrics = channels::Metrics::register(&prometheus::Registry::new()).unwrap();
    let ring = channels::KeyRing::load(&channels::KeyRingSettings::file(&file), &metrics).unwrap();

    let without = open_with(&settings, &ring);
    for answer in [
        try_look_up(&without).await.map(drop),
        without.mark_erased(&lane(), now()).await,
        without.remove(&Address::new(NUMBER), now()).await,
    ] {
        assert!(matches!(answer, Err(StoreError::ErasureKey(ErasureKeyError::Unopenable { .. }))), "{answer:?}");
    }
    assert!(matches!(without.trouble(), Some(StoreError::ErasureKey(_))), "{:?}", without.trouble());
    assert_eq!(without.key_use(&ring).await.unwrap().unopenable_erasure_keys.len(), 1);

    std::fs::write(&file, format!("{}\n{}", new_key().expose(), key.expose())).unwrap();
    let answer = testkit::eventually("it opens again", async || try_look_up(&without).await.ok()).await;
    assert!(matches!(answer, LookupAnswer::Channel(_)), "{answer:?}");
    assert!(is_erased(&without, received_at).await);
    assert_eq!(without.trouble(), None);
}

async fn erasures_that_nobody_can_open_are_forgotten_only_on_demand(settings: ChannelsSettings) {
    let store = open_with(&settings, &ring());
    add(&store, NUMBER).await;
    let received_at = now();
    store.mark_erased(&lane(), now()).await.unwrap();
    assert_eq!(store.forget_unopenable_erasures(&ring(), now()).await.unwrap(), 1, "another process lacks the key");

    let ring = ring();
    let store = open_with(&settings, &ring);
    assert!(try_look_up(&store).await.is_err());
    assert_eq!(store.forget_unopenable_erasures(&ring, now()).await.unwrap(), 1);
    assert_eq!(store.forget_unopenable_erasures(&ring, now()).await.unwrap(), 0, "this one opens");

    assert!(!is_erased(&store, received_at).await);
    store.mark_erased(&lane(), now()).await.unwrap();
    assert!(is_erased(&store, received_at).await, "what is erased from now on is recognised");
    let saved = store.export_erasures().await.unwrap();
    assert_eq!((saved.keys.len(), saved.missing_key(&store.export().await.unwrap())), (1, None), "it can be imported");
}

async fn a_process_that_runs_recognises_what_an_import_has_brought(settings: ChannelsSettings) {
    let running = open(&settings);
    add(&running, NUMBER).await;
    let received_at = now();
    assert!(!is_erased(&running, received_at).await);
    let saved = erasures_of_another_store().await;

    open(&settings).import_erasures(&saved, &new_erasure_code(), now()).await.unwrap();

    assert!(is_erased(&running, received_at).await);
    assert_eq!(running.export_erasures().await.unwrap().keys.len(), 2);
    let received_at = now();
    running.mark_erased(&lane(), now()).await.unwrap();
    assert!(is_erased(&running, received_at).await, "under its own key");
    assert!(!is_erased(&running, now()).await);
}

async fn an_export_of_an_older_release_erases_what_it_says(settings: ChannelsSettings) {
    let store = open(&settings);
    store.add(&number(), now()).await.unwrap();
    let saved = store.export().await.unwrap();
    let erased_at = now();
    let erased = |text: &str| SavedErasure { erased: plain(text), until: erased_at.to_string() };
    let erasures =
        SavedErasures { erasures: vec![erased(NUMBER), erased(ACCOUNT), erased(&lane())], ..SavedErasures::default() };

    let removed = store.import_erasures(&erasures, &new_erasure_code(), now()).await.unwrap();

    assert_eq!((removed, store.export().await.unwrap()), (2, Vec::new()));
    for record in &saved {
        assert_eq!(store.import(record, now()).await.unwrap(), channels::Imported::Erased, "{}", record.address);
    }
    assert!(is_erased(&store, erased_at).await);
    let exported = store.export_erasures().await.unwrap();
    assert!(erasures.erasures.iter().all(|erasure| exported.erasures.contains(erasure)), "{exported:?}");
    store.add(&number(), now()).await.unwrap();
    assert!(is_erased(&store, erased_at).await && !is_erased(&store, now()).await);
}

async fn an_export_whose_key_does_not_open_changes_nothing(settings: ChannelsSettings) {
    let store = open(&settings);
    store.add(&number(), now()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stranger = open_with(&ChannelsSettings::embedded(folder.path()), &ring());
    stranger.add(&number(), now()).await.unwrap();
    stranger.remove(&Address::new(NUMBER), now()).await.unwrap();
    stranger.mark_erased(NUMBER, now()).await.unwrap();
    let before = store.export_erasures().await.unwrap();
    let tombstones = stranger.export().await.unwrap();
    let saved = stranger.export_erasures().await.unwrap();
    let without_key = SavedErasures { keys: Vec::new(), ..saved.clone() };

    let refused = store.import_erasures(&saved, &new_erasure_code(), now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::ErasureKey(ErasureKeyError::OfExportUnopenable { .. })), "{refused}");
    assert!(refused.to_string().contains("KEY_RING"), "{refused}");
    let refused = store.import_erasures(&without_key, &new_erasure_code(), now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::ErasureKey(ErasureKeyError::OfExportMissing { .. })), "{refused}");
    let refused = store.import(&tombstones[1], now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::ErasureKey(ErasureKeyError::OfExportMissing { .. })), "{refused}");

    assert_eq!(store.export_erasures().await.unwrap(), before);
    assert_eq!(store.export().await.unwrap().len(), 2);
}

async fn an_empty_store_takes_the_key_of_an_export_as_its_own(settings: ChannelsSettings) {
    let saved = erasures_of_another_store().await;
    let store = open(&settings);

    store.import_erasures(&saved, &new_erasure_code(), now()).await.unwrap();
    add(&store, NUMBER).await;

    assert_eq!(store.export_erasures().await.unwrap(), saved);
    assert!(is_erased(&store, saved.erasures[0].until.parse().unwrap()).await);
}

async fn a_tombstone_of_an_older_release_leads_to_its_person(settings: ChannelsSettings) {
    let store = open(&settings);
    store.add(&NewChannel { account_id: None, ..number() }, now()).await.unwrap();
    let received_at = now();
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    let mut saved = store.export().await.unwrap();
    let hash = saved[0].fields.insert("app_user_hash".to_owned(), plain(PERSON)).unwrap();
    assert!(hash != plain(PERSON) && !hash.contains(PERSON), "{hash}");
    let folder = tempfile::tempdir().unwrap();
    let restored = open(&ChannelsSettings::embedded(folder.path()));
    restored.import(&saved[0], now()).await.unwrap();

    let code = delete(&restored).await;

    assert!(!restored.erasure(&code).await.unwrap().unwrap().found_nothing);
    assert!(restored.export().await.unwrap().is_empty(), "the tombstone is gone");
    add(&restored, OTHER).await;
    assert!(is_erased(&restored, received_at).await);
}

async fn a_process_without_a_key_ring_says_what_it_lacks(settings: ChannelsSettings) {
    add(&open(&settings), NUMBER).await;
    let metrics = channels::Metrics::register(&prometheus::Registry::new()).unwrap();
    let without = ChannelStore::open(&settings, metrics, &chassis::Shutdown::default()).unwrap();

    assert_eq!(without.list().await.unwrap().len(), 1);
    let refused = without.mark_erased(&lane(), now()).await;
    assert_eq!(refused, Err(StoreError::ErasureKey(ErasureKeyError::NoKeyRing)));
    assert_eq!(try_look_up(&without).await.unwrap_err(), StoreError::ErasureKey(ErasureKeyError::NoKeyRing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_asks_redis_once() {
    let redis = Redis::start().await;
    let store = open(&ChannelsSettings::at(redis.url(), ""));
    add(&store, NUMBER).await;
    look_up(&store, "evt_1", NUMBER).await;
    redis.command(&["CONFIG", "RESETSTAT"]).await;

    for _ in 0..10 {
        look_up(&store, "evt_1", NUMBER).await;
    }

    let stats = redis.command(&["INFO", "commandstats"]).await;
    for expected in ["cmdstat_exists:calls=10,", "cmdstat_mget:calls=10,", "cmdstat_hgetall:calls=30,"] {
        assert!(stats.contains(expected), "{expected} in {stats}");
    }
}
