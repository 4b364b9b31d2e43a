//! Nodes that are killed, frozen, parted, restarted and replaced while events are accepted and delivered.

use std::time::Duration;

use testkit::eventually;

use crate::clusters::load::Load;
use crate::clusters::moments::{Pauses, lasts};

/// What the loss of one node may cost: the aim is 5 s, and a machine that runs everything at once gets twice as long.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A node that hangs counts as up for the others until the net tick finds it (`net_ticktime` in ops/cluster).
const SILENT_PAUSE_MAX: Duration = Duration::from_secs(20);
/// How long a node hangs, or is parted from the others: longer than they take to notice it.
const FAULT_TIME: Duration = Duration::from_secs(25);

fn is_short(pauses: &Pauses, limit: Duration) {
    assert!(pauses.accepting < limit && pauses.delivering < limit, "{pauses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_that_leads_queues_pauses_the_service_shortly_and_loses_nothing() {
    let load = Load::start().await;
    let leader = load.by_leaders().await[0];

    let killed = load.during("a node with leaders was killed", async { load.cluster.kill(leader) }).await;
    let back = load.during("it came back", load.cluster.start_again(leader)).await;

    load.has_every_member().await;
    load.nothing_is_lost().await;
    is_short(&killed, PAUSE_MAX);
    is_short(&back, PAUSE_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_followers_pause_the_service_shortly_and_lose_nothing() {
    let load = Load::start().await;
    let nodes = load.by_leaders().await;

    for follower in &nodes[1..] {
        let killed = load.during("a follower was killed", async { load.cluster.kill(*follower) }).await;
        let back = load.during("it came back", load.cluster.start_again(*follower)).await;
        load.has_every_member().await;
        is_short(&killed, PAUSE_MAX);
        is_short(&back, PAUSE_MAX);
    }

    load.nothing_is_lost().await;
}

/// Its clients still reach it, and have to leave it: it answers them, and never gets a majority for what they publish.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_parted_from_the_others_is_left_and_comes_back() {
    let load = Load::start().await;
    let node = load.cluster.node_of("ingest").await;

    let parted = load.during("a node to which ingest is connected was parted from the others", async {
        load.cluster.part(node).await;
        lasts(FAULT_TIME).await;
    });
    let parted = parted.await;
    let back = load.during("it joined them again", async {
        load.cluster.join(node).await;
        load.cluster.mend().await;
    });
    let back = back.await;

    load.has_every_member().await;
    load.nothing_is_lost().await;
    is_short(&parted, PAUSE_MAX);
    is_short(&back, PAUSE_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_is_left_and_goes_on_later() {
    let load = Load::start().await;
    let leader = load.by_leaders().await[0];

    let frozen = load.during("a node with leaders hung", async {
        load.cluster.freeze(leader).await;
        lasts(FAULT_TIME).await;
    });
    let frozen = frozen.await;
    let back = load.during("it went on", load.cluster.mend()).await;

    load.has_every_member().await;
    load.nothing_is_lost().await;
    is_short(&frozen, SILENT_PAUSE_MAX);
    is_short(&back, PAUSE_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_two_of_three_nodes_meta_gets_503_until_they_are_back() {
    let load = Load::start().await;
    let nodes = load.by_leaders().await;

    load.during("two of three nodes were killed and started again", async {
        load.cluster.kill(nodes[0]);
        load.cluster.kill(nodes[1]);
        let before = load.unavailable();
        eventually("Meta gets 503", async || (load.unavailable() > before + 100).then_some(())).await;
        load.cluster.launch(nodes[0]);
        load.cluster.launch(nodes[1]);
        load.cluster.mend().await;
    })
    .await;

    load.has_every_member().await;
    load.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_nothing() {
    let load = Load::start().await;

    for node in load.by_leaders().await {
        let restarted = load.during("a node was restarted in its turn", async {
            load.cluster.stop(node).await;
            load.cluster.start_again(node).await;
            load.has_every_member().await;
        });
        is_short(&restarted.await, PAUSE_MAX);
    }

    load.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_replaced_by_an_empty_one_gets_a_member_of_every_queue() {
    let load = Load::start().await;
    let nodes = load.by_leaders().await;

    let replaced = load.during("a node was replaced by an empty one", async {
        load.cluster.replace(nodes[0], nodes[1]).await;
        load.has_every_member().await;
    });
    let replaced = replaced.await;

    load.nothing_is_lost().await;
    is_short(&replaced, PAUSE_MAX);
}
