//! What a dispatcher needs to share its attempts fairly: which endpoints there are, what they bear, and how many
//! dispatchers share them.

use std::num::NonZeroU32;

use channels::{ChannelStore, ChannelsSettings, Limits, LookupAnswer, NewChannel, SavedRecord, TenantEndpoint};
use chassis::now;
use event::Address;
use testkit::Redis;

use crate::support::{NUMBER, add, channel, look_up, open, ring};

fn endpoint(tenant: &str, dsk_url: Option<&str>) -> TenantEndpoint {
    TenantEndpoint { tenant: tenant.to_owned(), dsk_url: dsk_url.map(str::to_owned) }
}

fn channel_of(tenant: &str, address: &str, dsk_url: Option<&str>) -> NewChannel {
    let dsk_url = dsk_url.map(str::to_owned);
    NewChannel { tenant: tenant.to_owned(), dsk_url, ..channel(address, &ring()) }
}

async fn endpoints(store: &ChannelStore) -> Vec<TenantEndpoint> {
    store.endpoints(now()).await.unwrap().into_iter().collect()
}

pub(crate) async fn the_endpoints_of_connected_channels_are_known_each_once(store: ChannelStore) {
    assert_eq!(endpoints(&store).await, [], "an empty store");
    let own = Some("https://one.example/events");
    for channel in [
        channel_of("one", "whatsapp:1", own),
        channel_of("one", "whatsapp:2", own),
        channel_of("one", "instagram:3", None),
        channel_of("two", "whatsapp:4", None),
    ] {
        store.add(&channel, now()).await.unwrap();
    }
    let all = [endpoint("one", None), endpoint("one", own), endpoint("two", None)];
    assert_eq!(endpoints(&store).await, all);

    for removed in ["whatsapp:1", "whatsapp:4"] {
        store.remove(&Address::new(removed), now()).await.unwrap();
    }
    assert_eq!(endpoints(&store).await, all[..2], "a tenant without a channel is gone, and an endpoint of two stays");

    store.add(&channel_of("one", "whatsapp:2", Some("https://moved.example/")), now()).await.unwrap();
    assert_eq!(endpoints(&store).await, [endpoint("one", None), endpoint("one", Some("https://moved.example/"))]);
}

pub(crate) async fn a_limit_is_part_of_the_route_of_a_number_and_of_its_account(store: ChannelStore) {
    let limits = Limits { requests_at_once: NonZeroU32::new(4), requests_per_second: NonZeroU32::new(50) };
    let number = NewChannel { limits, account_id: Some("28".to_owned()), ..channel(NUMBER, &ring()) };
    store.add(&number, now()).await.unwrap();
    // What is not given again stays.
    let rotated = NewChannel { account_id: Some("28".to_owned()), ..channel(NUMBER, &ring()) };
    store.add(&rotated, now()).await.unwrap();

    for address in [NUMBER, "whatsapp-account:28"] {
        let LookupAnswer::Channel(route) = look_up(&store, "evt_1", address).await else { panic!("it is stored") };
        assert_eq!(route.limits, limits, "{address}");
        assert_eq!(store.get(&Address::new(address)).await.unwrap().unwrap().limits, limits, "{address}");
    }
    let mut saved = store.export().await.unwrap().remove(0);
    assert_eq!(saved.fault(), None);
    saved.fields.insert("requests_at_once".to_owned(), "many".to_owned());
    assert!(SavedRecord::fault(&saved).is_some_and(|fault| fault.contains("requests_at_once")));
}

pub(crate) async fn dispatchers_count_as_living_until_they_end(store: ChannelStore) {
    assert_eq!(store.living_dispatchers().await.unwrap(), 0);
    for instance in ["host-1", "host-2"] {
        store.report(instance, Some("{}")).await.unwrap();
        store.report(instance, Some(&format!(r#"{{"instance":"{instance}"}}"#))).await.unwrap();
    }
    assert_eq!(store.living_dispatchers().await.unwrap(), 2);

    store.report("host-1", None).await.unwrap();
    assert_eq!(store.reports().await.unwrap(), [r#"{"instance":"host-2"}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_died_no_longer_counts() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    for instance in ["dies", "lives"] {
        store.report(instance, Some("{}")).await.unwrap();
    }

    // Its report ends by itself, which here does not take 30 s.
    redis.command(&["DEL", &format!("{prefix}dispatcher:dies")]).await;

    assert_eq!(store.living_dispatchers().await.unwrap(), 1);
    let instances = redis.command(&["HKEYS", &format!("{prefix}channels:dispatchers")]).await;
    assert!(
        !instances.contains("dies") && instances.contains("lives"),
        "the hash of instances stays small: {instances}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_an_older_release_stored_are_counted() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    add(&store, "whatsapp:1").await;
    redis.command(&["DEL", &format!("{prefix}channels:endpoints")]).await;
    store.add(&channel_of("new", "whatsapp:2", None), now()).await.unwrap();

    assert_eq!(endpoints(&store).await, [endpoint("new", None), endpoint("t", None)]);

    store.remove(&Address::new("whatsapp:1"), now()).await.unwrap();
    assert_eq!(endpoints(&store).await, [endpoint("new", None)]);
}
