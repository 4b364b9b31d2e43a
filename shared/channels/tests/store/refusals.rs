//! A Redis that answers, but with errors: the wrong server is left for another one, and every error has its own word.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use channels::{ChannelStore, ChannelsSettings, LookupAnswer, Metrics, StoreError};
use chassis::Shutdown;
use event::EventId;
use prometheus::Registry;
use testkit::{Redis, RedisCluster, SentinelSet, eventually};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{NUMBER, add, look_up, mark_delivered, open};

/// An address that leads to one server now and to another one later. Connections that are open stay where they are.
async fn address_that_leads_to(target: Arc<Mutex<SocketAddr>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Shutdown::default();
    tasks.clone().spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let target = *target.lock().unwrap();
            tasks.spawn(async move {
                let mut server = TcpStream::connect(target).await.unwrap();
                copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
    address
}

async fn mark(store: &ChannelStore) -> Result<(), StoreError> {
    mark_delivered(store, &[EventId::new("evt_1")]).await
}

fn refused(code: &str) -> StoreError {
    StoreError::Refused(code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_behind_one_address_the_new_server_is_used() {
    let old = Redis::start().await;
    let new = Redis::start().await;
    let target = Arc::new(Mutex::new(old.address()));
    let address = address_that_leads_to(Arc::clone(&target)).await;
    let store = open(&ChannelsSettings::at(format!("redis://{address}"), ""));
    add(&store, NUMBER).await;

    old.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    assert_eq!(mark(&store).await, Err(refused("READONLY")));
    assert_eq!(store.trouble(), Some(refused("READONLY")), "not ready");
    *target.lock().unwrap() = new.address();

    eventually("the new server takes markers", async || mark(&store).await.ok()).await;
    assert!(new.command(&["EXISTS", "delivered:evt_1"]).await.starts_with(":1"));
    assert!(store.is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_able_to_serve_is_named_by_its_own_word_until_it_serves() {
    let redis = Redis::start().await;
    let store = open(&ChannelsSettings::at(redis.url(), ""));
    add(&store, NUMBER).await;

    // A replica that takes writes but has no master, and one that takes none.
    for (read_only, serves_stale, code) in [("no", "no", "MASTERDOWN"), ("yes", "yes", "READONLY")] {
        redis.command(&["CONFIG", "SET", "replica-read-only", read_only]).await;
        redis.command(&["CONFIG", "SET", "replica-serve-stale-data", serves_stale]).await;
        redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
        eventually(code, async || (mark(&store).await == Err(refused(code))).then_some(())).await;
        eventually("not ready", async || (store.trouble() == Some(refused(code))).then_some(())).await;
        assert!(store.trouble().unwrap().to_string().ends_with(code));

        redis.command(&["REPLICAOF", "NO", "ONE"]).await;
        eventually("it serves again", async || mark(&store).await.ok()).await;
        eventually("ready", async || store.is_connected().then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_is_not_ready_and_still_read() {
    let redis = Redis::start().await;
    let store = open(&ChannelsSettings::at(redis.url(), ""));
    add(&store, NUMBER).await;

    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(mark(&store).await, Err(refused("OOM")), "in a pipeline, too");
    eventually("not ready", async || (store.trouble() == Some(refused("OOM"))).then_some(())).await;
    assert!(matches!(look_up(&store, "evt_1", NUMBER).await, LookupAnswer::Channel(_)));

    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    eventually("ready", async || store.is_connected().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_password_is_named_by_its_own_word() {
    let redis = Redis::start().await;
    redis.command(&["CONFIG", "SET", "requirepass", "right"]).await;

    for (login, code) in [("", "NOAUTH"), (":wrong@", "WRONGPASS")] {
        let store = open(&ChannelsSettings::at(format!("redis://{login}{}", redis.address()), ""));
        assert_eq!(mark(&store).await, Err(refused(code)));
        assert_eq!(store.trouble(), Some(refused(code)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_kind_of_redis_is_named_as_such() {
    let redis = Redis::shared().await;
    let cluster = RedisCluster::shared().await;
    let no_cluster = open(&ChannelsSettings::at(format!("redis+cluster://{}", redis.address()), ""));
    let set = SentinelSet::shared().await;
    let other_service = open(&ChannelsSettings::at(set.url().replace("/channels/", "/other/"), &set.prefix()));
    let one_node = cluster.url().replace("redis+cluster", "redis");
    let one_node = open(&ChannelsSettings::at(one_node.split(',').next().unwrap(), &cluster.prefix()));

    assert_eq!(mark(&no_cluster).await, Err(refused("no cluster at CHANNELS_URL")));
    assert_eq!(mark(&other_service).await, Err(refused("no such service at the sentinels")));
    assert_eq!(one_node.list().await.unwrap_err(), refused("MOVED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_as_such_by_sentinels_servers_and_nodes() {
    let cluster = RedisCluster::shared().await;
    let set = SentinelSet::shared().await;
    let wrong = |url: &str| url.replace("sentinel_password=pa55word", "sentinel_password=wrong");
    for url in
        [cluster.url().replace(":pa55word@", ":wrong@"), set.url().replace(":pa55word@", ":wrong@"), wrong(&set.url())]
    {
        let store = open(&ChannelsSettings::at(url.clone(), "test:"));

        assert_eq!(mark(&store).await, Err(refused("WRONGPASS")), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_that_would_gather_all_markers_on_one_node_is_refused() {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let settings = ChannelsSettings::at("redis+cluster://127.0.0.1:1", "{meta}:");

    let problem = ChannelStore::open(&settings, metrics, &Shutdown::default()).unwrap_err().to_string();

    assert!(problem.contains("CHANNELS_KEY_PREFIX") && problem.contains("has a {"), "{problem}");
}
