//! What the maintenance of tokens may change, and the lease that lets one process at a time do it.

use std::time::Duration;

use channels::{ChannelState, ChannelStore, Lease, LookupAnswer, NewChannel, StoredToken};
use chassis::{Secret, now};
use event::Address;

use crate::support::{NUMBER, channel, look_up, ring};

pub(crate) async fn maintenance_changes_nothing_once_another_token_is_stored(store: ChannelStore) {
    let ring = ring();
    let address = Address::new(NUMBER);
    let now = now();
    let [first, second, third] = ["first", "second", "third"].map(|token| ring.seal(&Secret::new(token)));
    let stored = |sealed| StoredToken { address: &address, sealed };
    let token = async || store.get(&address).await.unwrap().unwrap().access_token.unwrap();
    let with_token = NewChannel { access_token: Some(first), ..channel(NUMBER, &ring) };
    store.add(&with_token, now).await.unwrap();

    let first = token().await;
    assert!(store.replace_access_token(stored(&first), &second, now, now).await.unwrap());
    let second = token().await;
    assert_eq!(ring.open(&second).unwrap().expose(), "second");
    let refreshed_twice = store.replace_access_token(stored(&first), &third, now, now).await.unwrap();
    let marked_dead = store.mark_access_token_dead(stored(&first), now).await.unwrap();

    assert!(!refreshed_twice && !marked_dead && token().await == second);
    assert!(store.mark_access_token_dead(stored(&second), now).await.unwrap());
    let record = store.get(&address).await.unwrap().unwrap();
    assert!(record.state == ChannelState::ReconnectNeeded && record.checked_at.is_some());
    assert!(
        matches!(look_up(&store, "evt_1", NUMBER).await, LookupAnswer::Channel(_)),
        "its events are delivered all the same"
    );
    store.remove(&address, now).await.unwrap();
    assert!(
        !store.mark_access_token_valid(stored(&second), None, now).await.unwrap(),
        "a removed channel stays removed"
    );
}

pub(crate) async fn a_lease_has_one_holder_until_it_is_over(store: ChannelStore) {
    let now = now();
    let lease = |holder| Lease { name: "maintenance", holder, time: Duration::from_mins(1) };
    let after = |seconds: i64| now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    let acquire = async |holder, at| store.acquire_lease(lease(holder), at).await.unwrap();

    assert!(acquire("one", now).await);
    assert!(!acquire("other", after(59)).await);
    assert!(acquire("one", after(59)).await, "its holder renews it");
    assert!(!acquire("other", after(118)).await);
    assert!(acquire("other", after(119)).await);

    let holders: Vec<String> = (0..8).map(|number| format!("holder-{number}")).collect();
    let tries = holders.iter().map(|holder| store.acquire_lease(lease(holder), after(600)));
    let acquired = futures_util::future::join_all(tries).await.into_iter().filter(|acquired| *acquired == Ok(true));
    assert_eq!(acquired.count(), 1);
}
