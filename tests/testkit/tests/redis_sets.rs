//! The Sentinel set and the Redis Cluster of the tests are real ones: they fail over, and keep what they have.

use testkit::{RedisCluster, SentinelSet, eventually};

const KEYS: usize = 100;

#[tokio::test]
async fn a_set_makes_its_replica_the_primary_and_takes_the_old_one_back() {
    let set = SentinelSet::start().await;
    let first = set.primary().await;
    assert_eq!(set.command(&["SET", "kept", "1"]).await, "+OK\r\n");
    let copied = async || (set.command_at(1 - first, &["GET", "kept"]).await? == "$1\r\n1\r\n").then_some(());
    eventually("the replica has it", copied).await;

    set.kill(first);
    let second = eventually("the other one is the primary", async || {
        let primary = set.primary().await;
        (primary != first).then_some(primary)
    })
    .await;

    assert_eq!(set.command(&["GET", "kept"]).await, "$1\r\n1\r\n");
    set.mend().await;
    assert!(!set.is_primary(first).await, "two are the primary");
    set.demote().await;
    set.mend().await;
    assert_eq!((set.primary().await, set.is_primary(second).await), (first, false));
    assert_eq!(set.command(&["GET", "kept"]).await, "$1\r\n1\r\n");
}

#[tokio::test]
async fn a_cluster_makes_a_replica_a_primary_and_moves_slots_with_their_keys() {
    let cluster = RedisCluster::start().await;
    for number in 0..KEYS {
        assert_eq!(cluster.command(&["SET", &format!("key{number}"), "1"]).await, "+OK\r\n");
    }
    let primaries = cluster.primaries().await;
    let nodes: Vec<usize> = primaries.keys().copied().collect();

    cluster.move_slots(nodes[1], nodes[2], 1_000).await;
    cluster.kill(nodes[0]);
    eventually("its replica is a primary", async || {
        let now = cluster.primaries().await;
        now.contains_key(&primaries[&nodes[0]]?).then_some(())
    })
    .await;

    cluster.mend().await;
    for number in 0..KEYS {
        assert_eq!(cluster.command(&["GET", &format!("key{number}")]).await, "$1\r\n1\r\n");
    }
}
