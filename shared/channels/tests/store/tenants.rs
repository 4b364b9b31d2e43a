//! A channel that passes from one tenant to another: nobody gets what was received for somebody else.

use channels::{ChannelStore, LookupAnswer, NewChannel, new_erasure_code};
use chassis::now;
use event::Address;
use jiff::{SignedDuration, Timestamp};

use crate::support::{NUMBER, asks, channel, look_up_received, ring};

const ACCOUNT: &str = "whatsapp-account:28";

async fn connect(store: &ChannelStore, tenant: &str) {
    let number = channel(NUMBER, &ring());
    let owner = format!("owner at {tenant}");
    let number = NewChannel { tenant: tenant.to_owned(), account_id: Some("28".to_owned()), ..number };
    store.add(&NewChannel { app_user_id: Some(owner), ..number }, now()).await.unwrap();
}

/// To whom the number's event and its account's go, if they go to anybody.
async fn tenants(store: &ChannelStore, received_at: Timestamp) -> [Option<String>; 2] {
    let tenant = async |address| {
        let answer = look_up_received(store, "evt_1", address, received_at).await;
        if let LookupAnswer::Channel(route) = answer { Some(route.tenant.clone()) } else { None }
    };
    [tenant(NUMBER).await, tenant(ACCOUNT).await]
}

fn to(tenant: &str) -> [Option<String>; 2] {
    [Some(tenant.to_owned()), Some(tenant.to_owned())]
}

pub(crate) async fn what_was_received_for_one_tenant_is_never_delivered_to_the_next(store: ChannelStore) {
    connect(&store, "one").await;
    let received_for_one = now();
    let request = asks("owner at one", now());
    assert_eq!(store.withdraw(request, now()).await.unwrap(), 1);
    let received_for_nobody = now();

    connect(&store, "two").await;

    let received_for_two = now();
    assert_eq!(tenants(&store, received_for_one).await, [None, None]);
    assert_eq!(tenants(&store, received_for_nobody).await, [None, None]);
    assert_eq!(tenants(&store, received_for_two).await, to("two"));
    let pending = store.pending_erasures().await.unwrap();
    assert_eq!(pending.len(), 1, "its dead letters are looked for");
    store.finish_erasure(&pending[0], now()).await.unwrap();
    assert_eq!(store.pending_erasures().await.unwrap(), []);
    assert_eq!(store.erasure(&pending[0].code).await.unwrap(), None, "nobody has asked for it");

    // Nor does the first tenant get what was received for the second one.
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    connect(&store, "one").await;
    assert_eq!(tenants(&store, received_for_two).await, [None, None]);
    assert_eq!(tenants(&store, now()).await, to("one"));
}

pub(crate) async fn a_tenant_that_connects_again_gets_what_was_received_meanwhile(store: ChannelStore) {
    connect(&store, "one").await;
    let received_before = now();
    store.remove(&Address::new(NUMBER), now()).await.unwrap();

    connect(&store, "one").await;

    assert_eq!(tenants(&store, received_before).await, to("one"));
    assert!(store.export_erasures().await.unwrap().erasures.is_empty());
}

pub(crate) async fn what_is_received_after_an_erasure_is_not_kept_for_whoever_connects_next(store: ChannelStore) {
    connect(&store, "one").await;
    let request = asks("owner at one", now());
    store.delete_person(request, &new_erasure_code(), now()).await.unwrap();
    let received_for_nobody = now() + SignedDuration::from_nanos(1);

    connect(&store, "two").await;

    assert_eq!(tenants(&store, received_for_nobody).await, [None, None]);
    assert_eq!(tenants(&store, now()).await, to("two"));
}
