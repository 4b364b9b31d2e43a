//! What the store says of lanes of which events were deferred.

use std::time::Duration;

use channels::{ChannelStore, DeferredLane, Lookup, NewDeferral};
use chassis::now;
use event::{Address, EventId, Lane};
use jiff::Timestamp;

use crate::support::{NUMBER, add};

const DELAY: Duration = Duration::from_mins(1);

fn ids(names: &[&str]) -> Vec<EventId> {
    names.iter().copied().map(EventId::new).collect()
}

fn lane(contact: u8) -> Lane {
    Lane::new(format!("{NUMBER}/{contact}"))
}

async fn defer(store: &ChannelStore, lane: &Lane, names: &[&str], now: Timestamp) -> DeferredLane {
    store.note_deferral(NewDeferral { lane, ids: &ids(names), delay: DELAY, now }).await.unwrap()
}

/// What a look-up says of these lanes.
async fn looked_up(store: &ChannelStore, lanes: &[Lane]) -> Vec<Option<Vec<EventId>>> {
    let id = EventId::new("evt_any");
    let address = Address::new(NUMBER);
    let lookup = |lane| Lookup { id: &id, address: &address, lane, is_about_account: false, received_at: now() };
    let lookups: Vec<_> = lanes.iter().map(lookup).collect();
    let deferred = store.look_up_with_contacts(&lookups).await.unwrap().deferred;
    deferred.into_iter().map(|deferred| deferred.map(|deferred| deferred.ids)).collect()
}

pub(crate) async fn a_look_up_says_what_was_deferred_of_a_lane_in_its_order_until_it_is_settled(store: ChannelStore) {
    add(&store, NUMBER).await;
    let now = now();
    let lanes = [1, 2, 3].map(lane);

    let first = defer(&store, &lanes[1], &["evt_a", "evt_b"], now).await;
    let second = defer(&store, &lanes[1], &["evt_b", "evt_c", "evt_a"], now + DELAY).await;

    assert_eq!((first.ids, first.longest, first.back_by), (ids(&["evt_a", "evt_b"]), DELAY, Some(now + DELAY)));
    assert_eq!((second.ids, second.back_by), (ids(&["evt_a", "evt_b", "evt_c"]), Some(now + DELAY * 2)));
    assert_eq!(looked_up(&store, &lanes).await, [None, Some(ids(&["evt_a", "evt_b", "evt_c"])), None]);

    store.forget_deferred(&lanes[1], &ids(&["evt_b"])).await.unwrap();
    store.forget_deferred(&lanes[2], &ids(&["evt_b"])).await.unwrap();
    assert_eq!(looked_up(&store, &lanes).await, [None, Some(ids(&["evt_a", "evt_c"])), None]);
    store.forget_deferred(&lanes[1], &ids(&["evt_c", "evt_a"])).await.unwrap();
    assert_eq!(looked_up(&store, &lanes).await, [None, None, None]);
}

pub(crate) async fn many_processes_may_change_what_is_deferred_of_a_lane_at_once(store: ChannelStore) {
    add(&store, NUMBER).await;
    let lane = lane(1);
    let names: Vec<String> = (0..6).map(|number| format!("evt_{number}")).collect();

    let at_once = names.iter().map(|name| async { defer(&store, &lane, &[name], now()).await });
    futures_util::future::join_all(at_once).await;

    let mut found = looked_up(&store, std::slice::from_ref(&lane)).await.remove(0).unwrap();
    found.sort();
    assert_eq!(found, names.iter().map(String::as_str).map(EventId::new).collect::<Vec<_>>());
}
