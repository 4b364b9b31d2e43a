//! What the tests of erasures share.

use channels::{ChannelStore, ChannelsSettings, LookupAnswer, NewChannel, SavedErasures, new_erasure_code};
use chassis::{Secret, now};
use event::Address;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::support::{NUMBER, add, asks, look_up_received, open, ring};

pub(crate) const ACCOUNT: &str = "whatsapp-account:28";
pub(crate) const OTHER: &str = "instagram:17841400000000001";
pub(crate) const PERSON: &str = "1234567890123456";

/// The lane of the contact that [`look_up`] asks for.
pub(crate) fn lane() -> String {
    format!("{NUMBER}/1")
}

/// What an older release made of a text, and what anybody can make of each number there is.
pub(crate) fn plain(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

pub(crate) fn number() -> NewChannel {
    let mut channel = NewChannel::new(Address::new(NUMBER), "tenant", ring().seal(&Secret::new("dsk-token")));
    channel.account_id = Some("28".to_owned());
    channel.app_user_id = Some(PERSON.to_owned());
    channel
}

pub(crate) async fn is_erased(store: &ChannelStore, received_at: Timestamp) -> bool {
    matches!(look_up_received(store, "evt_1", NUMBER, received_at).await, LookupAnswer::Erased)
}

pub(crate) async fn delete(store: &ChannelStore) -> String {
    store.delete_person(asks(PERSON, now()), &new_erasure_code(), now()).await.unwrap()
}

/// The erasures of another store in which the conversation was erased.
pub(crate) async fn erasures_of_another_store() -> SavedErasures {
    let folder = tempfile::tempdir().unwrap();
    let other = open(&ChannelsSettings::embedded(folder.path()));
    add(&other, NUMBER).await;
    other.mark_erased(&lane(), now()).await.unwrap();
    other.export_erasures().await.unwrap()
}
