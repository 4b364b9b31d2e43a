//! Index sets: whoever lists something looks only at what is listed, and also finds what an older release has left.

use std::time::Duration;

use channels::{ChannelStore, ChannelsSettings, ErasureOrigin, ErasureRequest, NewChannel, NewSecret, Ticket};
use chassis::{Secret, now};
use event::Address;
use testkit::Redis;

use crate::support::{NUMBER, add, channel, open, ring};

fn of_tenant(tenant: &str, address: &str) -> NewChannel {
    NewChannel { tenant: tenant.to_owned(), ..channel(address, &ring()) }
}

fn ticket(tenant: &str) -> Ticket<NewSecret> {
    Ticket {
        tenant: tenant.to_owned(),
        dsk_token: ring().seal(&Secret::new("dsk-token")),
        dsk_url: None,
        signing_secret: None,
        issued_by: "test".to_owned(),
    }
}

async fn listed(store: &ChannelStore) -> Vec<String> {
    store.list().await.unwrap().iter().map(|record| record.address.to_string()).collect()
}

async fn listed_of(store: &ChannelStore, tenant: &str) -> Vec<String> {
    store.list_of(tenant).await.unwrap().iter().map(|record| record.address.to_string()).collect()
}

async fn erase(store: &ChannelStore, channels: &[Address]) {
    let origin = ErasureOrigin::Operator;
    let request = ErasureRequest { code: "code", origin, channels, lanes: &[], until: None };
    store.erase(&request, now()).await.unwrap();
}

pub(crate) async fn the_channels_of_a_tenant_are_listed_without_those_of_others(store: ChannelStore) {
    for channel in [of_tenant("one", "whatsapp:1"), of_tenant("one", "instagram:2"), of_tenant("two", "whatsapp:3")] {
        store.add(&channel, now()).await.unwrap();
    }
    store.remove(&Address::new("whatsapp:1"), now()).await.unwrap();

    assert_eq!(listed_of(&store, "one").await, ["instagram:2"]);
    assert_eq!(listed_of(&store, "three").await, [""; 0]);
    assert_eq!(listed(&store).await, ["instagram:2", "whatsapp:1", "whatsapp:3"], "removed ones, too");
}

pub(crate) async fn an_erasure_ends_the_links_and_sessions_of_its_tenant_and_no_others(store: ChannelStore) {
    let life = Duration::from_mins(5);
    for tenant in ["one", "two"] {
        store.issue_ticket(&format!("link of {tenant}"), &ticket(tenant), life).await.unwrap();
        store.issue_ticket(&format!("used by {tenant}"), &ticket(tenant), life).await.unwrap();
        store.redeem_ticket(&format!("used by {tenant}"), tenant, life).await.unwrap();
        store.add(&of_tenant(tenant, &format!("whatsapp:{tenant}")), now()).await.unwrap();
    }

    erase(&store, &[Address::new("whatsapp:one")]).await;

    assert!(store.ticket("link of one").await.unwrap().is_none() && store.session("one").await.unwrap().is_none());
    assert!(store.ticket("link of two").await.unwrap().is_some() && store.session("two").await.unwrap().is_some());
}

/// Removes what an older release does not know.
async fn forget_indexes(redis: &Redis, prefix: &str) {
    redis
        .command(&[
            "DEL",
            &format!("{prefix}channels:all"),
            &format!("{prefix}channels:of:t"),
            &format!("{prefix}channels:tickets:t"),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_release_left_is_found_without_an_index_and_one_scan_is_enough() {
    let redis = Redis::start().await;
    let store = open(&ChannelsSettings::at(redis.url(), "p:"));
    add(&store, NUMBER).await;
    add(&store, "instagram:2").await;
    store.remove(&Address::new("instagram:2"), now()).await.unwrap();
    store.issue_ticket("link", &ticket("t"), Duration::from_mins(5)).await.unwrap();
    store.mark_erased("whatsapp:3/1", now()).await.unwrap();
    let erasures = store.export_erasures().await.unwrap();
    forget_indexes(&redis, "p:").await;
    let day = redis.command(&["KEYS", "p:erased:day:*"]).await;
    redis.command(&["DEL", day.split("\r\n").nth(2).unwrap()]).await;

    for _ in 0..3 {
        assert_eq!(listed(&store).await, ["instagram:2", NUMBER]);
        assert_eq!(listed_of(&store, "t").await, [NUMBER]);
        assert_eq!(store.export_erasures().await.unwrap(), erasures);
        store.endpoints(now()).await.unwrap();
    }

    let stats = redis.command(&["INFO", "commandstats"]).await;
    assert!(stats.contains("cmdstat_scan:calls=1,"), "{stats}");
    erase(&store, &[Address::new(NUMBER)]).await;
    assert!(store.ticket("link").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_connected_a_channel_before_an_upgrade_is_exported_after_it() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    store.add(&NewChannel { app_user_id: Some("7".to_owned()), ..channel(NUMBER, &ring()) }, now()).await.unwrap();
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    let former = store.export_erasures().await.unwrap().former;
    // That release had no set of former users.
    let set = format!("{prefix}channels:all");
    redis.command(&["DEL", &format!("{prefix}channels:former-users")]).await;
    redis.command(&["SREM", &set, "2"]).await;
    redis.command(&["SADD", &set, ""]).await;

    assert_eq!(former.len(), 1);
    assert_eq!(store.export_erasures().await.unwrap().former, former);
    assert_eq!(listed(&store).await, [NUMBER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_release_adds_beside_this_one_is_listed() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    let store = open(&ChannelsSettings::at(redis.url(), &prefix));
    add(&store, NUMBER).await;
    add(&store, "whatsapp:2").await;
    store.remove(&Address::new(NUMBER), now()).await.unwrap();
    assert_eq!(listed(&store).await.len(), 2);

    // An older release adds the one channel and erases the other: it counts them, and knows no index.
    let [set, tenant_set] = ["channels:all", "channels:of:t"].map(|set| format!("{prefix}{set}"));
    redis.command(&["SREM", &set, "channel:whatsapp:2"]).await;
    redis.command(&["SREM", &tenant_set, "channel:whatsapp:2"]).await;
    redis.command(&["DEL", &format!("{prefix}channel:{NUMBER}")]).await;

    assert_eq!(listed_of(&store, "t").await, ["whatsapp:2"]);
    assert_eq!(listed(&store).await, ["whatsapp:2"]);
    let members = redis.command(&["SMEMBERS", &set]).await;
    assert!(members.contains("channel:whatsapp:2") && !members.contains(NUMBER), "{members}");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_come_and_go_while_the_index_is_made_are_listed_as_they_are() {
    let redis = Redis::start().await;
    let store = open(&ChannelsSettings::at(redis.url(), "p:"));
    let numbers = |range: std::ops::Range<u32>| range.map(|number| Address::new(format!("whatsapp:{number}")));
    for address in numbers(0..40) {
        add(&store, address.as_str()).await;
    }
    forget_indexes(&redis, "p:").await;

    let lists = async { futures_util::future::join_all((0..4).map(|_| listed(&store))).await };
    let come_and_go = async {
        for (comes, goes) in numbers(40..60).zip(numbers(0..20)) {
            add(&store, comes.as_str()).await;
            erase(&store, &[goes]).await;
        }
    };
    futures_util::future::join(lists, come_and_go).await;

    let mut expected: Vec<String> = numbers(20..60).map(|address| address.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(listed(&store).await, expected);
    let members = redis.command(&["SCARD", "p:channels:all"]).await;
    assert_eq!(members.trim(), ":41", "each of them, and that it is complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_list_of_an_older_release_is_enough_until_it_is_made_again() {
    let mut users = Redis::shipped_users();
    for user in &mut users {
        *user = user.replace("+sadd +srem +sismember +smembers ", "");
    }
    let redis = Redis::start_with_users(&users).await;
    let store = open(&ChannelsSettings::at(redis.url_for("ops"), ""));

    add(&store, NUMBER).await;
    store.mark_erased("whatsapp:3/1", now()).await.unwrap();
    assert_eq!(listed(&store).await, [NUMBER]);
    assert_eq!(listed_of(&store, "t").await, [NUMBER]);
    assert_eq!(store.export_erasures().await.unwrap().erasures.len(), 1);

    redis.replace_users(&Redis::shipped_users());
    redis.command_as("admin", testkit::PASSWORD, &["ACL", "LOAD"]).await;
    let store = open(&ChannelsSettings::at(redis.url_for("ops"), ""));
    assert_eq!(listed(&store).await, [NUMBER]);
    assert_eq!(store.export_erasures().await.unwrap().erasures.len(), 1);
}
