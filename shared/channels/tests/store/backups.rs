//! Backups: an import restores what is missing, and nothing that was erased since.

use channels::{ChannelState, ChannelStore, ChannelsSettings, Imported, LookupAnswer, NewChannel};
use channels::{ErasureKeyError, SavedErasures, SavedRecord, StoreError, new_erasure_code};
use chassis::{Secret, now};
use event::Address;
use jiff::SignedDuration;

use crate::erasing::erasures_of_another_store;
use crate::support::{NUMBER, add, asks, look_up, look_up_received, open, ring};

fn number(address: &str) -> NewChannel {
    let mut channel = NewChannel::new(Address::new(address), "tenant", ring().seal(&Secret::new("dsk-token")));
    channel.account_id = Some("28".to_owned());
    channel.app_user_id = Some(format!("owner of {address}"));
    channel
}

async fn delete(store: &ChannelStore, address: &str) {
    let person = format!("owner of {address}");
    store.delete_person(asks(&person, now()), &new_erasure_code(), now()).await.unwrap();
}

/// What became of each record.
async fn import(store: &ChannelStore, saved: &[SavedRecord]) -> Vec<Imported> {
    let mut imported = Vec::new();
    for record in saved {
        imported.push(store.import(record, now()).await.unwrap());
    }
    imported
}

pub(crate) async fn exported_records_are_imported_where_they_are_missing(store: ChannelStore) {
    use Imported::{Present, Stored};
    let removed = Address::new("instagram:2");
    let mut kept = number(NUMBER);
    kept.account_id = None;
    let gone = NewChannel::new(removed.clone(), "tenant", ring().seal(&Secret::new("other-token")));
    for channel in [&kept, &gone] {
        store.add(channel, now()).await.unwrap();
    }
    store.remove(&removed, now()).await.unwrap();
    let saved = store.export().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let empty = open(&ChannelsSettings::embedded(folder.path()));

    let imported = [import(&empty, &saved).await, import(&empty, &saved).await];

    assert_eq!(imported, [[Stored, Stored], [Present, Present]], "a record that is there stays as it is");
    assert_eq!(empty.export().await.unwrap(), saved);
    assert!(empty.is_initialised().await.unwrap());
    assert_eq!(empty.get(&removed).await.unwrap().map(|record| record.state), Some(ChannelState::Disconnected));
}

pub(crate) async fn a_record_of_a_tenant_with_no_name_is_refused_and_says_why_and_the_others_are_imported(
    store: ChannelStore,
) {
    for (address, tenant) in [("instagram:1", "acme"), ("instagram:2", "ac*me\u{1b}[2J"), ("instagram:3", "Müller")] {
        let mut channel = number(address);
        channel.account_id = None;
        store.add(&NewChannel { tenant: tenant.to_owned(), ..channel }, now()).await.unwrap();
    }
    let saved = store.export().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let empty = open(&ChannelsSettings::embedded(folder.path()));

    let imported = import(&empty, &saved).await;

    let Imported::Refused(reason) = &imported[1] else { panic!("{imported:?}") };
    assert!(reason.starts_with("tenant ") && !reason.contains('\u{1b}'), "{reason}");
    assert_eq!([&imported[0], &imported[2]], [&Imported::Stored; 2]);
    assert!(empty.get(&Address::new("instagram:2")).await.unwrap().is_none());
    // A store that has it under that name already keeps it.
    assert_eq!(import(&store, &saved).await, [Imported::Present, Imported::Present, Imported::Present]);
}

pub(crate) async fn an_import_does_not_bring_back_what_was_erased_since(store: ChannelStore) {
    use Imported::{Erased, Present, Stored};
    store.add(&number("whatsapp:1"), now()).await.unwrap();
    store.add(&number("whatsapp:2"), now()).await.unwrap();
    let saved = store.export().await.unwrap();
    let addresses: Vec<&str> = saved.iter().map(|record| record.address.as_str()).collect();
    assert_eq!(addresses, ["whatsapp-account:28", "whatsapp:1", "whatsapp:2"]);
    let received_at = now();

    delete(&store, "whatsapp:1").await;

    assert_eq!(import(&store, &saved).await, [Present, Erased, Present]);
    assert!(store.get(&Address::new("whatsapp:1")).await.unwrap().is_none());

    // Redis is lost, and the export of the last night is from before the erasure; one of today knows of it.
    let erasures = store.export_erasures().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let empty = open(&ChannelsSettings::embedded(folder.path()));
    empty.import_erasures(&erasures, "code", now()).await.unwrap();
    assert_eq!(import(&empty, &saved).await, [Stored, Erased, Stored]);
    let account = empty.get(&Address::new("whatsapp-account:28")).await.unwrap().unwrap();
    assert_eq!(account.channels, [Address::new("whatsapp:2")]);
    let answer = look_up_received(&empty, "evt_1", "whatsapp:1", received_at).await;
    assert!(matches!(answer, LookupAnswer::Erased), "{answer:?}");
    assert_eq!(empty.pending_erasures().await.unwrap().len(), 1, "the dead letters are looked through");
    assert_eq!(empty.export_erasures().await.unwrap(), erasures);

    // Who connects again after that is restored, and what is received from then on is delivered.
    store.add(&number("whatsapp:1"), now()).await.unwrap();
    let saved = store.export().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let empty = open(&ChannelsSettings::embedded(folder.path()));
    empty.import_erasures(&store.export_erasures().await.unwrap(), "code", now()).await.unwrap();
    assert_eq!(import(&empty, &saved).await, [Stored, Stored, Stored]);
    assert_eq!(empty.export().await.unwrap(), saved);
    assert!(matches!(look_up(&empty, "evt_2", "whatsapp:1").await, LookupAnswer::Channel(_)));
}

pub(crate) async fn an_import_keeps_the_later_of_two_erasures(store: ChannelStore) {
    add(&store, NUMBER).await;
    let earlier = now();
    store.mark_erased(NUMBER, earlier).await.unwrap();
    let saved = store.export_erasures().await.unwrap();
    let later = now();
    store.mark_erased(NUMBER, later).await.unwrap();

    store.import_erasures(&saved, "code", now()).await.unwrap();

    assert_eq!(store.export_erasures().await.unwrap().erasures[0].until, later.to_string());
}

pub(crate) async fn exports_of_more_stores_than_a_look_up_can_ask_for_are_refused(store: ChannelStore) {
    add(&store, NUMBER).await;
    for _ in 0..7 {
        store.import_erasures(&erasures_of_another_store().await, "code", now()).await.unwrap();
    }
    let before = store.export_erasures().await.unwrap();

    let refused = store.import_erasures(&erasures_of_another_store().await, "code", now()).await;

    assert_eq!(refused, Err(StoreError::ErasureKey(ErasureKeyError::TooMany)));
    assert_eq!(store.export_erasures().await.unwrap(), before);
    assert_eq!(before.keys.len(), 8);
}

/// An export, as `ops` makes and imports it.
struct Export {
    records: Vec<SavedRecord>,
    erasures: SavedErasures,
}

async fn export(store: &ChannelStore) -> Export {
    Export { records: store.export().await.unwrap(), erasures: store.export_erasures().await.unwrap() }
}

pub(crate) async fn exports_may_be_imported_in_any_order(store: ChannelStore) {
    let deleted = Address::new("whatsapp:1");
    let removed = Address::new("instagram:3");
    let kept = Address::new("instagram:4");
    let again = Address::new("instagram:5");
    for address in [&deleted, &removed, &kept, &again] {
        let channel = NewChannel { account_id: None, ..number(address.as_str()) };
        store.add(&channel, now()).await.unwrap();
    }
    store.add(&number("whatsapp:2"), now()).await.unwrap();
    store.remove(&again, now()).await.unwrap();
    let older = export(&store).await;
    delete(&store, deleted.as_str()).await;
    delete(&store, "whatsapp:2").await;
    store.remove(&removed, now()).await.unwrap();
    store.add(&NewChannel { account_id: None, ..number(again.as_str()) }, now()).await.unwrap();
    let newer = export(&store).await;

    for order in [[&older, &newer], [&newer, &older]] {
        let folder = tempfile::tempdir().unwrap();
        let empty = open(&ChannelsSettings::embedded(folder.path()));
        for export in order {
            empty.import_erasures(&export.erasures, &new_erasure_code(), now()).await.unwrap();
            import(&empty, &export.records).await;
        }

        assert_eq!(empty.export().await.unwrap(), newer.records);
        assert_eq!(empty.export_erasures().await.unwrap(), newer.erasures);
        let code = empty.delete_person(asks("owner of instagram:3", now()), &new_erasure_code(), now()).await.unwrap();
        assert!(!empty.erasure(&code).await.unwrap().unwrap().found_nothing, "the tombstone is whose it was");
    }
}

pub(crate) async fn an_import_of_erasures_says_how_many_records_it_removed(store: ChannelStore) {
    store.add(&number("whatsapp:1"), now()).await.unwrap();
    let older = export(&store).await;
    delete(&store, "whatsapp:1").await;
    let newer = export(&store).await;
    import(&store, &older.records).await;
    let other = NewChannel { account_id: None, ..number("instagram:2") };
    let folder = tempfile::tempdir().unwrap();
    let restored = open(&ChannelsSettings::embedded(folder.path()));
    import(&restored, &older.records).await;
    restored.add(&other, now()).await.unwrap();

    let removed = restored.import_erasures(&newer.erasures, "code", now()).await.unwrap();

    assert_eq!(removed, 2, "the number and its account");
    assert_eq!(restored.import_erasures(&newer.erasures, "code", now()).await.unwrap(), 0);
    assert_eq!(restored.list().await.unwrap().len(), 1, "what was not erased stays");

    // An erasure of long ago has no marker any more, and still removes what an older export has brought back.
    let later = now() + SignedDuration::from_hours(24 * 31);
    let folder = tempfile::tempdir().unwrap();
    let restored = open(&ChannelsSettings::embedded(folder.path()));
    import(&restored, &older.records).await;
    assert_eq!(restored.import_erasures(&newer.erasures, "code", later).await.unwrap(), 2);
    assert_eq!(
        (restored.list().await.unwrap().len(), restored.export_erasures().await.unwrap().erasures.len()),
        (0, 0)
    );
}
