//! Two apps at Meta: each knows other people by its ids, and speaks for nobody but them.

use channels::{ChannelState, ChannelStore, ChannelsSettings, NewChannel, SavedRecord, new_erasure_code};
use chassis::now;
use event::Address;

use crate::erasing::{OTHER, PERSON};
use crate::support::{APPS, NUMBER, asks, asks_by, channel, open, ring};

const META: usize = 0;
const INSTAGRAM: usize = 1;

contract![
    what_one_app_signs_concerns_nothing_that_was_connected_with_the_other,
    a_channel_of_which_nobody_noted_the_app_is_of_each_app_that_can_have_connected_it,
    a_channel_that_is_connected_again_is_of_the_app_with_which_it_was,
    a_person_is_found_with_their_app_in_an_imported_record,
];

/// A channel that the person of this id has connected with this app, or with one that nobody noted.
async fn connect(store: &ChannelStore, address: &str, app: Option<usize>) {
    let app_id = app.map(|app| APPS[app].id.clone());
    let channel = NewChannel { app_user_id: Some(PERSON.to_owned()), app_id, ..channel(address, &ring()) };
    store.add(&channel, now()).await.unwrap();
}

async fn withdraw(store: &ChannelStore, app: usize) -> usize {
    store.withdraw(asks_by(app, PERSON, now()), now()).await.unwrap()
}

/// Whether a deletion found something, and its code.
async fn delete(store: &ChannelStore, app: usize) -> (bool, String) {
    let code = store.delete_person(asks_by(app, PERSON, now()), &new_erasure_code(), now()).await.unwrap();
    (!store.erasure(&code).await.unwrap().unwrap().found_nothing, code)
}

async fn is_connected(store: &ChannelStore, address: &str) -> bool {
    let record = store.get(&Address::new(address)).await.unwrap();
    record.is_some_and(|record| record.state == ChannelState::Connected)
}

async fn what_one_app_signs_concerns_nothing_that_was_connected_with_the_other(store: ChannelStore) {
    connect(&store, NUMBER, Some(META)).await;
    connect(&store, OTHER, Some(INSTAGRAM)).await;

    assert_eq!(withdraw(&store, INSTAGRAM).await, 1);
    assert!(is_connected(&store, NUMBER).await && !is_connected(&store, OTHER).await);

    // The tombstone of one is not the other's either.
    let of_meta = delete(&store, META).await;
    assert!(of_meta.0 && store.get(&Address::new(NUMBER)).await.unwrap().is_none());
    assert!(store.get(&Address::new(OTHER)).await.unwrap().is_some(), "the other's tombstone is left");
    let of_instagram = delete(&store, INSTAGRAM).await;
    assert!(of_instagram.0 && store.export().await.unwrap().is_empty());
    assert_ne!(of_meta.1, of_instagram.1, "each has a record of their own");
    assert_eq!(delete(&store, META).await.1, of_meta.1);
}

async fn a_channel_of_which_nobody_noted_the_app_is_of_each_app_that_can_have_connected_it(store: ChannelStore) {
    for (address, app, is_theirs) in
        [(NUMBER, META, true), (NUMBER, INSTAGRAM, false), (OTHER, META, true), (OTHER, INSTAGRAM, true)]
    {
        connect(&store, address, None).await;
        assert_eq!(withdraw(&store, app).await, usize::from(is_theirs), "{address} {app}");
        assert_eq!(is_connected(&store, address).await, !is_theirs, "{address} {app}");
        store.remove(&Address::new(address), now()).await.unwrap();
        assert_eq!(delete(&store, app).await.0, is_theirs, "{address} {app}");
        assert_eq!(store.get(&Address::new(address)).await.unwrap().is_none(), is_theirs, "{address} {app}");
        delete(&store, META).await;
    }
}

async fn a_channel_that_is_connected_again_is_of_the_app_with_which_it_was(store: ChannelStore) {
    connect(&store, OTHER, None).await;
    connect(&store, OTHER, Some(INSTAGRAM)).await;
    assert_eq!(withdraw(&store, META).await, 0, "since then it is known with which app");
    // A new token with the same id leaves the app as it is; another person's id does not inherit it.
    connect(&store, OTHER, None).await;
    assert_eq!(withdraw(&store, META).await, 0);
    let other = NewChannel { app_user_id: Some("8".to_owned()), ..channel(OTHER, &ring()) };
    store.add(&other, now()).await.unwrap();

    assert_eq!(store.withdraw(asks("8", now()), now()).await.unwrap(), 1);
}

async fn a_person_is_found_with_their_app_in_an_imported_record(store: ChannelStore) {
    for is_removed in [false, true] {
        connect(&store, OTHER, Some(INSTAGRAM)).await;
        if is_removed {
            store.remove(&Address::new(OTHER), now()).await.unwrap();
        }
        let saved: Vec<SavedRecord> = store.export().await.unwrap();
        let erasures = store.export_erasures().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let restored = open(&ChannelsSettings::embedded(folder.path()));
        restored.import_erasures(&erasures, &new_erasure_code(), now()).await.unwrap();
        restored.import(&saved[0], now()).await.unwrap();

        assert!(!delete(&restored, META).await.0 && restored.get(&Address::new(OTHER)).await.unwrap().is_some());
        assert!(delete(&restored, INSTAGRAM).await.0 && restored.export().await.unwrap().is_empty());
    }
}
