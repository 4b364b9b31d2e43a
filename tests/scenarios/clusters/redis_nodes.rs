//! Redis as a cluster of six nodes: primaries that are killed, slots that move, and nodes that are away from the beginning.

use std::time::Duration;

use testkit::{RedisCluster, eventually};

use crate::clusters::moments::Pauses;
use crate::clusters::store_load::StoreLoad;

/// How long delivering may pause: the nodes need 3 to 4 s of it.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Ingest needs no channel store, so it goes on. A machine that runs everything at once may be busy for as long as this.
const ACCEPTING_PAUSE_MAX: Duration = Duration::from_secs(3);
/// A key with the hash tag of all records.
const ANY_RECORD: &str = "{channels}";
/// Slots that are moved beside that of the records.
const SLOTS: usize = 200;

fn is_short(pauses: &Pauses) {
    assert!(pauses.accepting < ACCEPTING_PAUSE_MAX && pauses.delivering < PAUSE_MAX, "{pauses}");
}

/// Ends a primary, and waits until its replica has taken its place.
async fn kill_primary(cluster: &RedisCluster, primary: usize) {
    let replica = cluster.primaries().await[&primary].expect("it has a replica");
    cluster.kill(primary);
    let takes_over = async || cluster.primaries().await.contains_key(&replica).then_some(());
    eventually("its replica takes over", takes_over).await;
}

/// A primary other than this one.
async fn other_primary(cluster: &RedisCluster, than: usize) -> usize {
    cluster.primaries().await.into_keys().find(|node| *node != than).expect("there are three")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_of_a_cluster_that_is_killed_under_load_is_replaced_and_no_event_is_lost() {
    let cluster = RedisCluster::start().await;
    let mut load = StoreLoad::start(&cluster.url(), cluster.prefix()).await;
    let with_records = cluster.place(ANY_RECORD).await.node;

    let killed = load.during("Cluster: the primary with the records was killed", kill_primary(&cluster, with_records));
    let killed = killed.await;
    let back = load.during("Cluster: it came back and became a replica", cluster.mend()).await;
    let with_markers = other_primary(&cluster, cluster.place(ANY_RECORD).await.node).await;
    let other = load.during("Cluster: a primary with markers only was killed", kill_primary(&cluster, with_markers));
    let other = other.await;

    load.nothing_is_lost().await;
    [killed, back, other].iter().for_each(is_short);
    let keys = cluster.keys().await;
    assert!(keys.iter().filter(|count| **count > SLOTS).count() >= 3, "the markers are not spread: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_under_load_lose_no_event() {
    let cluster = RedisCluster::start().await;
    let mut load = StoreLoad::start(&cluster.url(), cluster.prefix()).await;
    let place = cluster.place(ANY_RECORD).await;
    let to = other_primary(&cluster, place.node).await;

    let moved = place.before + 1 + SLOTS;
    let what = format!("Cluster: {moved} slots moved, that of the records among them");
    let there = load.during(&what, cluster.move_slots(place.node, to, moved)).await;
    assert_eq!(cluster.place(ANY_RECORD).await.node, to);
    let back = load.during("Cluster: slots moved to the third primary", async {
        let third = cluster.primaries().await.into_keys().find(|node| ![place.node, to].contains(node));
        cluster.move_slots(to, third.expect("there are three"), SLOTS).await;
    });
    let back = back.await;

    let left = load.nothing_is_lost().await;
    assert_eq!((left.unmarked, left.repeats), (0, 0), "a move of slots loses nothing");
    is_short(&there);
    is_short(&back);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_that_is_away_when_the_service_starts_is_no_hindrance() {
    let cluster = RedisCluster::start().await;
    let url = cluster.url();
    // The first address of the URL leads to nobody, and its replica has taken its place.
    kill_primary(&cluster, 0).await;

    let mut load = StoreLoad::start(&url, cluster.prefix()).await;
    let back = load.during("Cluster: a node that was away from the beginning came back", cluster.mend()).await;

    load.nothing_is_lost().await;
    is_short(&back);
}
