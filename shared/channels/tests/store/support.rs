//! What the tests of the store share.

use channels::{
    ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, Lookup, LookupAnswer, Metrics, NewChannel, new_key,
};
use chassis::{Secret, Shutdown, now};
use event::{Address, EventId, Lane};
use jiff::Timestamp;
use prometheus::Registry;

pub(crate) const NUMBER: &str = "whatsapp:100000000000001";

pub(crate) fn open(settings: &ChannelsSettings) -> ChannelStore {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    ChannelStore::open(settings, metrics, &Shutdown::default()).unwrap()
}

pub(crate) fn ring() -> KeyRing {
    let settings = KeyRingSettings { key_ring: Some(new_key()), key_ring_file: None };
    KeyRing::load(&settings, &Metrics::register(&Registry::new()).unwrap()).unwrap()
}

pub(crate) fn channel(address: &str, ring: &KeyRing) -> NewChannel {
    NewChannel::new(Address::new(address), "t", ring.seal(&Secret::new("dsk-token")))
}

pub(crate) async fn add(store: &ChannelStore, address: &str) {
    store.add(&channel(address, &ring()), now()).await.unwrap();
}

pub(crate) async fn look_up(store: &ChannelStore, id: &str, address: &str) -> LookupAnswer {
    look_up_received(store, id, address, now()).await
}

/// Looks an event of the first conversation up that was received at that time.
pub(crate) async fn look_up_received(
    store: &ChannelStore,
    id: &str,
    address: &str,
    received_at: Timestamp,
) -> LookupAnswer {
    let id = EventId::new(id);
    let lane = Lane::new(format!("{address}/1"));
    let address = Address::new(address);
    store
        .look_up(&[Lookup { id: &id, address: &address, lane: &lane, is_about_account: false, received_at }])
        .await
        .unwrap()
        .remove(0)
}
