//! What was erased is soon in no file of a replica or a node either.

use channels::{ChannelStore, ChannelsSettings};
use chassis::{Shutdown, now};
use event::Address;
use testkit::{RedisCluster, SentinelSet, as_process, eventually};

use crate::support::{NUMBER, add, open};

/// Connects and removes a channel, has the files rewritten, and waits until none holds its token.
async fn forgets(
    url: &str,
    prefix: &str,
    sealed_token: impl AsyncFnOnce() -> String,
    is_on_disk: impl Fn(&str) -> bool,
) {
    let store = |process: &str| open(&ChannelsSettings::at(as_process(url, process), prefix));
    let [connect, dispatcher]: [ChannelStore; 2] = ["connect", "dispatcher"].map(store);
    add(&connect, NUMBER).await;
    let answer = sealed_token().await;
    let sealed = answer.split("\r\n").nth(1).unwrap();
    connect.remove(&Address::new(NUMBER), now()).await.unwrap();
    assert!(sealed.len() > 50 && is_on_disk(sealed), "Redis by itself keeps {sealed}");

    let shutdown = Shutdown::default();
    shutdown.spawn(dispatcher.forget_what_was_erased("one".to_owned(), shutdown.clone()));

    eventually("no file holds the token", async || (!is_on_disk(sealed)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_a_primary_or_its_replica_holds_the_token_of_a_removed_channel() {
    let set = SentinelSet::start().await;
    let prefix = set.prefix();
    let key = format!("{prefix}channel:{NUMBER}");

    let token = async || set.command(&["HGET", &key, "dsk_token"]).await;
    forgets(&set.url(), &prefix, token, |text| set.is_on_disk(text)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_a_node_of_a_cluster_holds_the_token_of_a_removed_channel() {
    let cluster = RedisCluster::start().await;
    let prefix = cluster.prefix();
    let key = format!("{prefix}channel:{NUMBER}{{channels}}");

    let token = async || cluster.command(&["HGET", &key, "dsk_token"]).await;
    forgets(&cluster.url(), &prefix, token, |text| cluster.is_on_disk(text)).await;
}
