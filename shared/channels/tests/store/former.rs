//! Who had connected a channel before is known after a restore, too, so that a deletion finds what is left of theirs.

use channels::{ChannelState, ChannelStore, ChannelsSettings, Erasure, NewChannel, SavedErasures, new_erasure_code};
use chassis::now;
use event::Address;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::erasing::{ACCOUNT, OTHER, PERSON, is_erased, number};
use crate::support::{NUMBER, add, asks, open};

contract![
    a_deletion_after_a_restore_finds_what_somebody_else_has_connected_since,
    what_a_late_deletion_erased_stays_so_after_a_restore_and_nothing_is_left_to_find,
    exports_in_any_order_do_not_bring_back_who_had_connected_what_was_erased,
    of_two_exports_in_any_order_the_longest_time_of_a_connection_counts,
    a_connection_that_ended_more_than_thirty_days_ago_is_not_imported,
];

/// A new store that has got everything that another one exports.
struct Restored {
    store: ChannelStore,
    _folder: TempDir,
}

impl Restored {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: open(&ChannelsSettings::embedded(folder.path())), _folder: folder }
    }

    async fn of(store: &ChannelStore) -> Self {
        let records = store.export().await.unwrap();
        let erasures = store.export_erasures().await.unwrap();
        let restored = Self::empty();
        restored.import(&erasures, now()).await;
        for record in &records {
            restored.store.import(record, now()).await.unwrap();
        }
        restored
    }

    async fn import(&self, erasures: &SavedErasures, now: Timestamp) {
        self.store.import_erasures(erasures, &new_erasure_code(), now).await.unwrap();
    }

    /// How many ended connections it knows.
    async fn former(&self) -> usize {
        self.store.export_erasures().await.unwrap().former.len()
    }
}

async fn delete(store: &ChannelStore, asked_at: Timestamp) -> Erasure {
    let code = store.delete_person(asks(PERSON, asked_at), &new_erasure_code(), now()).await.unwrap();
    store.erasure(&code).await.unwrap().unwrap()
}

async fn a_deletion_after_a_restore_finds_what_somebody_else_has_connected_since(store: ChannelStore) {
    store.add(&number(), now()).await.unwrap();
    let received_first = now();
    store.add(&NewChannel { app_user_id: Some("somebody else".to_owned()), ..number() }, now()).await.unwrap();
    let received_second = now();
    let restored = Restored::of(&Restored::of(&store).await.store).await;

    let erasure = delete(&restored.store, now()).await;

    assert!(!erasure.found_nothing && erasure.done_at.is_none(), "{erasure:?}");
    assert!(is_erased(&restored.store, received_first).await);
    assert!(!is_erased(&restored.store, received_second).await);
    let record = restored.store.get(&Address::new(NUMBER)).await.unwrap().unwrap();
    assert_eq!(record.state, ChannelState::Connected, "it is somebody else's");
    assert_eq!(restored.former().await, 0, "nothing is left of the person");
}

/// A deletion also takes what came after it was asked for, if nobody has the channel any more. So the one that follows a
/// restore, by which the record of the first is lost, rightly says that there is nothing.
async fn what_a_late_deletion_erased_stays_so_after_a_restore_and_nothing_is_left_to_find(store: ChannelStore) {
    add(&store, OTHER).await;
    store.add(&number(), now()).await.unwrap();
    let asked_at = now();
    let received_later = asked_at + SignedDuration::from_nanos(1);
    store.remove_until(&Address::new(ACCOUNT), now(), now()).await.unwrap();
    let before = Restored::of(&store).await;

    assert!(!delete(&store, asked_at).await.found_nothing);
    let restored = Restored::of(&store).await;
    let twice_restored = Restored::of(&store).await;
    twice_restored.import(&before.store.export_erasures().await.unwrap(), now()).await;
    for record in before.store.export().await.unwrap() {
        twice_restored.store.import(&record, now()).await.unwrap();
    }

    for restored in [restored, twice_restored] {
        assert!(is_erased(&restored.store, received_later).await);
        assert_eq!(restored.store.get(&Address::new(NUMBER)).await.unwrap().map(|record| record.state), None);
        assert!(!restored.store.pending_erasures().await.unwrap().is_empty(), "the dead letters are looked through");
        assert!(delete(&restored.store, now()).await.found_nothing);
    }
}

async fn exports_in_any_order_do_not_bring_back_who_had_connected_what_was_erased(store: ChannelStore) {
    add(&store, OTHER).await;
    store.add(&number(), now()).await.unwrap();
    store.add(&NewChannel { app_user_id: Some("somebody else".to_owned()), ..number() }, now()).await.unwrap();
    let older = store.export_erasures().await.unwrap();
    assert!(!delete(&store, now()).await.found_nothing);
    let newer = store.export_erasures().await.unwrap();

    assert_eq!([older.former.len(), newer.former.len()], [1, 0]);
    for order in [[&older, &newer], [&newer, &older]] {
        let restored = Restored::empty();
        for erasures in order {
            restored.import(erasures, now()).await;
        }
        assert_eq!(restored.former().await, 0);
    }
}

async fn of_two_exports_in_any_order_the_longest_time_of_a_connection_counts(store: ChannelStore) {
    let connect_and_remove = async || {
        store.add(&number(), now()).await.unwrap();
        store.remove(&Address::new(NUMBER), now()).await.unwrap();
        store.export_erasures().await.unwrap()
    };
    let older = connect_and_remove().await;
    let newer = connect_and_remove().await;

    assert_ne!(older.former, newer.former);
    for order in [[&older, &newer], [&newer, &older]] {
        let restored = Restored::empty();
        for erasures in order {
            restored.import(erasures, now()).await;
        }
        assert_eq!(restored.store.export_erasures().await.unwrap().former, newer.former);
    }
}

async fn a_connection_that_ended_more_than_thirty_days_ago_is_not_imported(store: ChannelStore) {
    store.add(&number(), now()).await.unwrap();
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    let erasures = store.export_erasures().await.unwrap();

    for (days, former) in [(29, 1), (31, 0)] {
        let restored = Restored::empty();
        restored.import(&erasures, now() + SignedDuration::from_hours(24 * days)).await;
        assert_eq!(restored.former().await, former, "after {days} days");
    }
}
