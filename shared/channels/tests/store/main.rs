//! One contract for the channel store: on Redis, alone, with sentinels and as a cluster, and on files.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

#[macro_use]
mod contract;

mod apps;
mod backups;
mod deferring;
mod endpoints;
mod erasing;
mod erasure_copies;
mod erasure_keys;
mod erasures;
#[cfg(feature = "long")]
mod failovers;
mod forgetting;
#[cfg(feature = "long")]
mod forgetting_replicas;
mod former;
mod holds;
mod indexes;
mod maintenance;
mod outages;
mod refusals;
mod retention;
mod rights;
mod seals;
mod support;
mod tenants;
mod trails;
mod upgrades;

use backups::{
    a_record_of_a_tenant_with_no_name_is_refused_and_says_why_and_the_others_are_imported,
    an_import_does_not_bring_back_what_was_erased_since, an_import_keeps_the_later_of_two_erasures,
    an_import_of_erasures_says_how_many_records_it_removed, exported_records_are_imported_where_they_are_missing,
    exports_may_be_imported_in_any_order, exports_of_more_stores_than_a_look_up_can_ask_for_are_refused,
};
use channels::{ChannelState, ChannelStore, ChannelsSettings, Lookup, LookupAnswer, NewChannel, StoreError};
use chassis::{Secret, now};
use deferring::{
    a_look_up_says_what_was_deferred_of_a_lane_in_its_order_until_it_is_settled,
    many_processes_may_change_what_is_deferred_of_a_lane_at_once,
};
use endpoints::{
    a_limit_is_part_of_the_route_of_a_number_and_of_its_account, dispatchers_count_as_living_until_they_end,
    the_endpoints_of_connected_channels_are_known_each_once,
};
use erasures::{
    a_deletion_in_the_name_of_an_unknown_person_finds_nothing,
    a_deletion_leaves_alone_what_another_person_has_connected_since,
    a_deletion_that_follows_a_withdrawal_or_a_disconnection_erases_what_is_left,
    a_deletion_that_is_older_than_a_connection_says_so, a_request_that_is_older_than_the_connection_changes_nothing,
    an_erased_channel_leaves_no_record_until_it_is_connected_again,
    what_was_received_before_an_erasure_is_discarded_and_what_comes_later_is_delivered,
};
use event::{Address, EventId, Lane};
use indexes::{
    an_erasure_ends_the_links_and_sessions_of_its_tenant_and_no_others,
    the_channels_of_a_tenant_are_listed_without_those_of_others,
};
use maintenance::{a_lease_has_one_holder_until_it_is_over, maintenance_changes_nothing_once_another_token_is_stored};
use seals::{a_new_url_needs_the_token_to_be_given_again, the_token_of_a_number_opens_in_its_accounts_record_too};
use support::{NUMBER, add, channel, look_up, mark_delivered, open, ring};
use tenants::{
    a_tenant_that_connects_again_gets_what_was_received_meanwhile,
    what_is_received_after_an_erasure_is_not_kept_for_whoever_connects_next,
    what_was_received_for_one_tenant_is_never_delivered_to_the_next,
};
use trails::{
    an_erased_event_keeps_no_trail_and_only_the_key_ring_tells_it_from_a_delivered_one,
    an_event_is_found_with_what_its_marker_says_and_with_its_trail,
};

contract![
    a_store_without_channels_counts_as_away,
    a_channel_is_found_with_its_sealed_token,
    an_address_that_is_not_stored_is_unknown,
    a_marked_event_is_found_as_delivered,
    what_was_received_before_an_erasure_is_discarded_and_what_comes_later_is_delivered,
    a_removed_channel_is_found_as_disconnected_and_has_no_token,
    a_rotated_token_holds_at_once,
    every_channel_is_listed_and_nothing_else,
    processes_that_add_to_one_account_do_not_overwrite_each_other,
    a_batch_is_answered_in_order,
    exported_records_are_imported_where_they_are_missing,
    a_record_of_a_tenant_with_no_name_is_refused_and_says_why_and_the_others_are_imported,
    an_import_does_not_bring_back_what_was_erased_since,
    an_import_keeps_the_later_of_two_erasures,
    an_import_of_erasures_says_how_many_records_it_removed,
    exports_may_be_imported_in_any_order,
    exports_of_more_stores_than_a_look_up_can_ask_for_are_refused,
    what_was_received_for_one_tenant_is_never_delivered_to_the_next,
    a_tenant_that_connects_again_gets_what_was_received_meanwhile,
    what_is_received_after_an_erasure_is_not_kept_for_whoever_connects_next,
    the_channels_of_a_tenant_are_listed_without_those_of_others,
    an_erasure_ends_the_links_and_sessions_of_its_tenant_and_no_others,
    an_erased_channel_leaves_no_record_until_it_is_connected_again,
    a_deletion_that_follows_a_withdrawal_or_a_disconnection_erases_what_is_left,
    a_deletion_in_the_name_of_an_unknown_person_finds_nothing,
    a_deletion_that_is_older_than_a_connection_says_so,
    a_request_that_is_older_than_the_connection_changes_nothing,
    a_deletion_leaves_alone_what_another_person_has_connected_since,
    maintenance_changes_nothing_once_another_token_is_stored,
    a_lease_has_one_holder_until_it_is_over,
    the_endpoints_of_connected_channels_are_known_each_once,
    a_limit_is_part_of_the_route_of_a_number_and_of_its_account,
    dispatchers_count_as_living_until_they_end,
    the_token_of_a_number_opens_in_its_accounts_record_too,
    a_new_url_needs_the_token_to_be_given_again,
    a_look_up_says_what_was_deferred_of_a_lane_in_its_order_until_it_is_settled,
    many_processes_may_change_what_is_deferred_of_a_lane_at_once,
    an_event_is_found_with_what_its_marker_says_and_with_its_trail,
    an_erased_event_keeps_no_trail_and_only_the_key_ring_tells_it_from_a_delivered_one,
];

async fn a_store_without_channels_counts_as_away(store: ChannelStore) {
    let id = EventId::new("evt_1");
    let address = Address::new(NUMBER);
    let lane = Lane::new("lane");

    let received_at = now();
    let lookup = Lookup { id: &id, address: &address, lane: &lane, is_about_account: false, received_at };
    let answer = store.look_up(&[lookup]).await;

    assert_eq!(answer.unwrap_err(), StoreError::NotInitialised);
}

async fn a_channel_is_found_with_its_sealed_token(store: ChannelStore) {
    let ring = ring();
    store.add(&channel(NUMBER, &ring), now()).await.unwrap();

    let LookupAnswer::Channel(route) = look_up(&store, "evt_1", NUMBER).await else { panic!("it is stored") };

    assert_eq!(ring.open(&route.dsk_token).unwrap().expose(), "dsk-token");
    assert_eq!(route.tenant, "t");
}

async fn an_address_that_is_not_stored_is_unknown(store: ChannelStore) {
    add(&store, NUMBER).await;

    assert!(matches!(look_up(&store, "evt_1", "whatsapp:2").await, LookupAnswer::Unknown));
}

async fn a_marked_event_is_found_as_delivered(store: ChannelStore) {
    add(&store, NUMBER).await;

    mark_delivered(&store, &[EventId::new("evt_1"), EventId::new("evt_2")]).await.unwrap();

    assert!(matches!(look_up(&store, "evt_2", NUMBER).await, LookupAnswer::Delivered));
    assert!(matches!(look_up(&store, "evt_3", NUMBER).await, LookupAnswer::Channel(_)));
}

async fn a_removed_channel_is_found_as_disconnected_and_has_no_token(store: ChannelStore) {
    add(&store, NUMBER).await;

    store.remove(&Address::new(NUMBER), now()).await.unwrap();

    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, LookupAnswer::Disconnected));
    let record = store.get(&Address::new(NUMBER)).await.unwrap().unwrap();
    assert_eq!((record.state, record.dsk_token), (ChannelState::Disconnected, None));
}

async fn a_rotated_token_holds_at_once(store: ChannelStore) {
    let ring = ring();
    store.add(&channel(NUMBER, &ring), now()).await.unwrap();

    let rotated = NewChannel::new(Address::new(NUMBER), "t", ring.seal(&Secret::new("rotated")));
    store.add(&rotated, now()).await.unwrap();

    let LookupAnswer::Channel(route) = look_up(&store, "evt_1", NUMBER).await else { panic!("it is stored") };
    assert_eq!(ring.open(&route.dsk_token).unwrap().expose(), "rotated");
}

async fn every_channel_is_listed_and_nothing_else(store: ChannelStore) {
    add(&store, "whatsapp:2").await;
    add(&store, "instagram:1").await;
    mark_delivered(&store, &[EventId::new("evt_1")]).await.unwrap();

    let listed: Vec<String> = store.list().await.unwrap().iter().map(|record| record.address.to_string()).collect();

    assert_eq!(listed, ["instagram:1", "whatsapp:2"]);
}

async fn processes_that_add_to_one_account_do_not_overwrite_each_other(store: ChannelStore) {
    let ring = ring();
    let adds = (1..=8).map(|number| {
        let mut channel = channel(&format!("whatsapp:{number}"), &ring);
        channel.account_id = Some("9".to_owned());
        let store = store.clone();
        async move { store.add(&channel, now()).await }
    });

    let added = futures_util::future::join_all(adds).await;

    assert!(added.iter().all(Result::is_ok), "{added:?}");
    let account = store.get(&Address::new("whatsapp-account:9")).await.unwrap().unwrap();
    assert_eq!(account.channels.len(), 8);
}

async fn a_batch_is_answered_in_order(store: ChannelStore) {
    add(&store, "whatsapp:1").await;
    mark_delivered(&store, &[EventId::new("evt_done")]).await.unwrap();
    let stored = Address::new("whatsapp:1");
    let unknown = Address::new("whatsapp:2");
    let lane = Lane::new("lane");
    let new = EventId::new("evt_new");
    let done = EventId::new("evt_done");

    let lookup = |id, address| Lookup { id, address, lane: &lane, is_about_account: false, received_at: now() };
    let lookups = [lookup(&new, &unknown), lookup(&done, &stored), lookup(&new, &stored)];
    let answers = store.look_up(&lookups).await.unwrap();

    assert!(
        matches!(answers[..], [LookupAnswer::Unknown, LookupAnswer::Delivered, LookupAnswer::Channel(_)]),
        "{answers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_redis_are_sealed_and_markers_expire() {
    let redis = testkit::Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    add(&store, NUMBER).await;
    mark_delivered(&store, &[EventId::new("evt_1")]).await.unwrap();

    let record = redis.command(&["HGETALL", &format!("{prefix}channel:{NUMBER}")]).await;
    let marker = redis.command(&["TTL", &format!("{prefix}delivered:evt_1")]).await;

    assert!(record.contains("dsk_token") && !record.contains("dsk-token"), "{record}");
    let seconds: u64 = marker.trim().trim_start_matches(':').parse().unwrap();
    assert!((8 * 86_400 - 60..=8 * 86_400).contains(&seconds), "{seconds} s");
}
