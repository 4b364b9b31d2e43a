//! Erasures: what was received before one is discarded, what comes later is not, and the record is gone.

use std::time::Duration;

use channels::{
    ChannelState, ChannelStore, ChannelsSettings, Erasure, LookupAnswer, NewChannel, PendingErasure, Ticket,
    new_erasure_code,
};
use chassis::{Secret, now};
use event::Address;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use testkit::Redis;

use crate::support::{NUMBER, add, asks, look_up, look_up_received, open, ring};

pub(crate) async fn what_was_received_before_an_erasure_is_discarded_and_what_comes_later_is_delivered(
    store: ChannelStore,
) {
    add(&store, NUMBER).await;
    let erased_at = now();

    store.mark_erased(&format!("{NUMBER}/1"), erased_at).await.unwrap();

    for (seconds, is_erased) in [(-86_400, true), (0, true), (1, false), (86_400, false)] {
        let received_at = erased_at + SignedDuration::from_secs(seconds);
        let answer = look_up_received(&store, "evt_1", NUMBER, received_at).await;
        assert_eq!(matches!(answer, LookupAnswer::Erased), is_erased, "{seconds} s after it: {answer:?}");
        assert_eq!(matches!(answer, LookupAnswer::Channel(_)), !is_erased, "{seconds} s after it: {answer:?}");
    }
}

/// A number whose account is connected with it.
fn number_of(person: &str) -> NewChannel {
    let mut channel = NewChannel::new(Address::new(NUMBER), "tenant", ring().seal(&Secret::new("dsk-token")));
    channel.account_id = Some("28".to_owned());
    channel.app_user_id = Some(person.to_owned());
    channel
}

async fn delete(store: &ChannelStore, person: &str, asked_at: Timestamp) -> Erasure {
    let code = store.delete_person(asks(person, asked_at), &new_erasure_code(), now()).await.unwrap();
    store.erasure(&code).await.unwrap().unwrap()
}

async fn is_erased(store: &ChannelStore, received_at: Timestamp) -> bool {
    matches!(look_up_received(store, "evt_1", NUMBER, received_at).await, LookupAnswer::Erased)
}

pub(crate) async fn a_deletion_that_follows_a_withdrawal_or_a_disconnection_erases_what_is_left(store: ChannelStore) {
    for is_withdrawn in [true, false] {
        store.add(&number_of("app-user-1"), now()).await.unwrap();
        let received_at = now();
        if is_withdrawn {
            assert_eq!(store.withdraw(asks("app-user-1", now()), now()).await.unwrap(), 1);
        } else {
            store.remove(&Address::new(NUMBER), now()).await.unwrap();
        }
        assert!(!is_erased(&store, received_at).await && store.export().await.unwrap().len() == 2, "tombstones");

        let erasure = delete(&store, "app-user-1", now()).await;

        assert!(!erasure.found_nothing && erasure.done_at.is_none(), "{erasure:?}");
        assert_eq!(store.pending_erasures().await.unwrap().len(), 1, "the dispatchers look through the dead letters");
        assert!(is_erased(&store, received_at).await);
        assert_eq!(store.export().await.unwrap(), [], "the tombstones are gone, too");
        assert!(!delete(&store, "app-user-1", now()).await.found_nothing, "Meta asks twice: the first answer stays");
    }
}

pub(crate) async fn a_deletion_in_the_name_of_an_unknown_person_finds_nothing(store: ChannelStore) {
    store.add(&number_of("app-user-1"), now()).await.unwrap();
    let received_at = now();

    let erasure = delete(&store, "app-user-2", now()).await;

    assert!(erasure.found_nothing && erasure.done_at.is_some(), "{erasure:?}");
    assert!(store.pending_erasures().await.unwrap().is_empty(), "there is nothing to look for");
    assert!(!is_erased(&store, received_at).await);
    assert!(!delete(&store, "app-user-1", now()).await.found_nothing);
}

pub(crate) async fn a_request_that_is_older_than_the_connection_changes_nothing(store: ChannelStore) {
    let link = Ticket {
        tenant: "tenant".to_owned(),
        dsk_token: ring().seal(&Secret::new("dsk-token")),
        dsk_url: None,
        signing_secret: None,
        issued_by: "test".to_owned(),
    };
    let long_ago = now() - SignedDuration::from_hours(24 * 365);
    store.add(&number_of("app-user-1"), now()).await.unwrap();
    store.issue_ticket("link", &link, Duration::from_mins(5)).await.unwrap();
    let erased_at = now();
    store.mark_erased(NUMBER, erased_at).await.unwrap();
    let saved = store.export().await.unwrap();

    assert_eq!(store.withdraw(asks("app-user-1", long_ago), now()).await.unwrap(), 0);
    assert!(delete(&store, "app-user-1", long_ago).await.found_nothing);
    store.mark_erased(NUMBER, long_ago).await.unwrap();
    assert_eq!(store.export().await.unwrap(), saved);
    assert!(store.ticket("link").await.unwrap().is_some(), "the tenant's links work");
    assert!(store.pending_erasures().await.unwrap().is_empty());
    assert!(is_erased(&store, erased_at).await, "what was erased since does not come back");

    // The same once it is removed: the tombstone stays, and the deletion that is asked for then finds it.
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    let saved = store.export().await.unwrap();
    assert!(delete(&store, "app-user-1", long_ago).await.found_nothing);
    assert_eq!(store.export().await.unwrap(), saved);
    assert!(!delete(&store, "app-user-1", now()).await.found_nothing);
    assert_eq!(store.export().await.unwrap(), []);
}

pub(crate) async fn a_deletion_that_is_older_than_a_connection_says_so(store: ChannelStore) {
    let said = async |asked_at| {
        let erasure = delete(&store, "app-user-1", asked_at).await;
        [erasure.found_nothing, erasure.has_connected_since]
    };
    let at_first = now();
    assert_eq!(said(now()).await, [true, false]);
    store.add(&number_of("app-user-1"), now()).await.unwrap();
    assert_eq!(said(at_first).await, [true, true]);

    // Removed and connected again: the request concerns the first connection, and not the second.
    let in_between = now();
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    assert_eq!(said(at_first).await, [true, true], "it was connected all the same");
    store.add(&number_of("app-user-1"), now()).await.unwrap();
    assert_eq!(said(in_between).await, [false, true]);

    assert_eq!(said(now()).await, [false, false]);
    assert_eq!(said(at_first).await, [false, false], "an old request does not alter the record of a newer one");
}

pub(crate) async fn a_deletion_leaves_alone_what_another_person_has_connected_since(store: ChannelStore) {
    store.add(&number_of("app-user-1"), now()).await.unwrap();
    let received_first = now();
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    store.add(&number_of("app-user-2"), now()).await.unwrap();
    let received_second = now();

    assert!(!delete(&store, "app-user-1", now()).await.found_nothing);

    assert!(is_erased(&store, received_first).await);
    assert!(!is_erased(&store, received_second).await);
    assert_eq!(store.get(&Address::new(NUMBER)).await.unwrap().unwrap().state, ChannelState::Connected);
    assert!(!delete(&store, "app-user-2", now()).await.found_nothing);
    assert!(is_erased(&store, received_second).await);
}

pub(crate) async fn an_erased_channel_leaves_no_record_until_it_is_connected_again(store: ChannelStore) {
    let channel = number_of("app-user-1");
    store.add(&channel, now()).await.unwrap();

    let earlier_event = now();
    let code = store.delete_person(asks("app-user-1", now()), "fresh", now()).await.unwrap();

    assert!(store.export().await.unwrap().is_empty());
    let before = look_up_received(&store, "evt_1", NUMBER, earlier_event).await;
    assert!(matches!(before, LookupAnswer::Erased), "{before:?}");
    let before = look_up_received(&store, "evt_1", "whatsapp-account:28", earlier_event).await;
    assert!(matches!(before, LookupAnswer::Erased), "{before:?}");
    assert_eq!(code, "fresh");
    let again = store.delete_person(asks("app-user-1", now()), "another", now()).await.unwrap();
    assert_eq!(again, "fresh", "the same person has the same code");
    let pending = store.pending_erasures().await.unwrap();
    let earlier = PendingErasure { code: code.clone(), requested_at: "an earlier time".to_owned() };
    store.finish_erasure(&earlier, now()).await.unwrap();
    assert_eq!(store.pending_erasures().await.unwrap(), pending, "it was asked for again in the meantime");
    store.finish_erasure(&pending[0], now()).await.unwrap();
    assert!(store.erasure(&code).await.unwrap().unwrap().done_at.is_some());
    assert!(store.pending_erasures().await.unwrap().is_empty());

    let later = now() + SignedDuration::from_secs(60);
    for address in [NUMBER, "whatsapp-account:28"] {
        let answer = look_up_received(&store, "evt_1", address, later).await;
        assert!(matches!(answer, LookupAnswer::Disconnected), "until it is connected again: {answer:?}");
    }

    store.add(&channel, now()).await.unwrap();
    assert!(matches!(look_up_received(&store, "evt_1", NUMBER, later).await, LookupAnswer::Channel(_)));
    let before = look_up_received(&store, "evt_1", NUMBER, earlier_event).await;
    assert!(matches!(before, LookupAnswer::Erased), "a copy from before the erasure: {before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_an_older_release_marked_gets_its_time_when_it_is_first_met() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    add(&store, NUMBER).await;
    // That release knew no key of erasures.
    redis.command(&["DEL", &format!("{prefix}channels:erasure-keys")]).await;
    let lane = hex::encode(Sha256::digest(format!("{NUMBER}/1")));
    redis.command(&["SET", &format!("{prefix}erased:{lane}"), "1"]).await;
    let received_at = now();

    assert!(matches!(look_up_received(&store, "evt_1", NUMBER, received_at).await, LookupAnswer::Erased));

    assert!(matches!(look_up(&store, "evt_2", NUMBER).await, LookupAnswer::Channel(_)), "it came later");
    assert!(matches!(look_up_received(&store, "evt_1", NUMBER, received_at).await, LookupAnswer::Erased));
}
