//! Redis with a replica and three sentinels: a primary that is killed, demoted or hangs while events are delivered.

use std::net::TcpListener;
use std::time::Duration;

use testkit::{SentinelSet, eventually};

use crate::clusters::moments::{Pauses, lasts};
use crate::clusters::store_load::StoreLoad;

/// How long delivering may pause: the sentinels need 3 to 4 s of it.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Ingest needs no channel store, so it goes on. A machine that runs everything at once may be busy for as long as this.
const ACCEPTING_PAUSE_MAX: Duration = Duration::from_secs(3);
/// How long a primary hangs: longer than the sentinels need to replace it.
const FAULT_TIME: Duration = Duration::from_secs(20);

fn is_short(pauses: &Pauses) {
    assert!(pauses.accepting < ACCEPTING_PAUSE_MAX && pauses.delivering < PAUSE_MAX, "{pauses}");
}

/// Waits until another server than this one is the primary.
async fn is_replaced(set: &SentinelSet, primary: usize) {
    eventually("another server is the primary", async || (set.primary().await != primary).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_under_load_is_replaced_and_no_event_is_lost() {
    let set = SentinelSet::start().await;
    let mut load = StoreLoad::start(&set.url(), set.prefix()).await;
    let primary = set.primary().await;

    let killed = load.during("Sentinel: the primary was killed", async {
        set.kill(primary);
        is_replaced(&set, primary).await;
    });
    let killed = killed.await;
    let back = load.during("Sentinel: it came back and became the replica", set.mend()).await;

    load.nothing_is_lost().await;
    is_short(&killed);
    is_short(&back);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_demoted_alive_under_load_is_left_and_no_event_is_lost() {
    let set = SentinelSet::start().await;
    let mut load = StoreLoad::start(&set.url(), set.prefix()).await;

    let demoted = load.during("Sentinel: the primary was demoted alive", set.demote()).await;

    load.nothing_is_lost().await;
    is_short(&demoted);
}

/// When it goes on, it takes itself for the primary until the sentinels have reached it.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_and_comes_back_as_a_false_one_gets_no_markers() {
    let set = SentinelSet::start().await;
    let mut load = StoreLoad::start(&set.url(), set.prefix()).await;
    let primary = set.primary().await;

    let frozen = load.during("Sentinel: the primary hung for 20 s", async {
        set.freeze(primary);
        is_replaced(&set, primary).await;
        lasts(FAULT_TIME).await;
    });
    let frozen = frozen.await;
    let back = load.during("Sentinel: it went on as a false primary, and became the replica", async {
        set.thaw(primary);
        assert!(set.is_primary(primary).await, "it knows already that it was replaced");
        set.mend().await;
    });
    let back = back.await;

    load.nothing_is_lost().await;
    is_short(&frozen);
    is_short(&back);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_dead_sentinel_and_a_silent_address_in_the_list_a_failover_is_no_slower() {
    let set = SentinelSet::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_address = silent.local_addr().expect("it listens");
    set.kill_sentinel(0);
    let mut load = StoreLoad::start(&set.url_with(&[silent_address]), set.prefix()).await;
    let primary = set.primary().await;

    let killed = load.during("Sentinel: the primary was killed, a sentinel dead, an address silent", async {
        set.kill(primary);
        is_replaced(&set, primary).await;
    });
    let killed = killed.await;

    load.nothing_is_lost().await;
    is_short(&killed);
    drop(silent);
}
