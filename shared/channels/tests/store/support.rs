//! What the tests of the store share.

use std::sync::LazyLock;

use channels::{
    AppKind, AppUser, ChannelStore, ChannelsSettings, End, EndedEvent, KeyRing, KeyRingSettings, Lookup, LookupAnswer,
    Metrics, NewChannel, PersonRequest, SigningApp, StoreError, new_key,
};
use chassis::{Secret, Shutdown, now};
use event::{Address, EventId, Lane};
use jiff::Timestamp;
use prometheus::Registry;

pub(crate) const NUMBER: &str = "whatsapp:100000000000001";

/// The key of the ring that every process of a test has, unless the test is about rings.
static STORE_KEY: LazyLock<Secret> = LazyLock::new(new_key);

/// The Meta app and the Instagram app of a service.
pub(crate) static APPS: LazyLock<[SigningApp; 2]> = LazyLock::new(|| {
    let app = |id: &str, kind| SigningApp { id: id.to_owned(), kind };
    [app("100", AppKind::Meta), app("200", AppKind::Instagram)]
});

/// What the person of this id asks for by the Meta app.
pub(crate) fn asks(person: &str, asked_at: Timestamp) -> PersonRequest<'_> {
    asks_by(0, person, asked_at)
}

/// What the person of this id asks for by one of the apps.
pub(crate) fn asks_by(app: usize, id: &str, asked_at: Timestamp) -> PersonRequest<'_> {
    PersonRequest { person: AppUser { apps: &APPS[app..=app], id }, asked_at }
}

pub(crate) fn open(settings: &ChannelsSettings) -> ChannelStore {
    open_with(settings, &ring_of(&[STORE_KEY.expose()]))
}

/// Opens a store with the ring of its process.
pub(crate) fn open_with(settings: &ChannelsSettings, ring: &KeyRing) -> ChannelStore {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    ChannelStore::open(settings, metrics, &Shutdown::default()).unwrap().with_key_ring(ring)
}

pub(crate) fn ring_of(keys: &[&str]) -> KeyRing {
    let settings = KeyRingSettings { key_ring: Some(Secret::new(keys.join("\n"))), key_ring_file: None };
    KeyRing::load(&settings, &Metrics::register(&Registry::new()).unwrap()).unwrap()
}

pub(crate) fn ring() -> KeyRing {
    ring_of(&[new_key().expose()])
}

pub(crate) fn channel(address: &str, ring: &KeyRing) -> NewChannel {
    NewChannel::new(Address::new(address), "t", ring.seal(&Secret::new("dsk-token")))
}

pub(crate) async fn add(store: &ChannelStore, address: &str) {
    store.add(&channel(address, &ring()), now()).await.unwrap();
}

/// Marks events as delivered at once.
pub(crate) async fn mark_delivered(store: &ChannelStore, ids: &[EventId]) -> Result<(), StoreError> {
    let end = End::Delivered { attempt: 1, status: 200 };
    let ended: Vec<EndedEvent> = ids.iter().map(|id| EndedEvent { id: id.clone(), end }).collect();
    store.mark_ended(&ended, now()).await
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
