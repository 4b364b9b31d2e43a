//! Erasures: what was received before one is discarded, what comes later is not, and the record is gone.

use channels::{
    ChannelStore, ChannelsSettings, ErasureOrigin, ErasureRequest, LookupAnswer, NewChannel, PendingErasure,
};
use chassis::{Secret, now};
use event::Address;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use testkit::Redis;

use crate::support::{NUMBER, add, look_up, look_up_received, open, ring};

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

pub(crate) async fn an_erased_channel_leaves_no_record_until_it_is_connected_again(store: ChannelStore) {
    let address = Address::new(NUMBER);
    let mut channel = NewChannel::new(address.clone(), "tenant", ring().seal(&Secret::new("dsk-token")));
    channel.account_id = Some("28".to_owned());
    channel.app_user_id = Some("app-user-1".to_owned());
    store.add(&channel, now()).await.unwrap();
    let code = store.deletion_code("app-user-1", "fresh").await.unwrap();
    let mine = store.addresses_of("app-user-1").await.unwrap();

    let earlier_event = now();
    let request =
        ErasureRequest { code: &code, origin: ErasureOrigin::Callback, channels: &mine, lanes: &[], until: None };
    store.erase(&request, now()).await.unwrap();

    assert!(store.export().await.unwrap().is_empty() && store.addresses_of("app-user-1").await.unwrap().is_empty());
    let before = look_up_received(&store, "evt_1", NUMBER, earlier_event).await;
    assert!(matches!(before, LookupAnswer::Erased), "{before:?}");
    let before = look_up_received(&store, "evt_1", "whatsapp-account:28", earlier_event).await;
    assert!(matches!(before, LookupAnswer::Erased), "{before:?}");
    assert_eq!(store.deletion_code("app-user-1", "another").await.unwrap(), "fresh");
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
    let lane = hex::encode(Sha256::digest(format!("{NUMBER}/1")));
    redis.command(&["SET", &format!("{prefix}erased:{lane}"), "1"]).await;
    let received_at = now();

    assert!(matches!(look_up_received(&store, "evt_1", NUMBER, received_at).await, LookupAnswer::Erased));

    assert!(matches!(look_up(&store, "evt_2", NUMBER).await, LookupAnswer::Channel(_)), "it came later");
    assert!(matches!(look_up_received(&store, "evt_1", NUMBER, received_at).await, LookupAnswer::Erased));
}
