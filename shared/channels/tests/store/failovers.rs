//! How the store behaves while another server takes over from the one that it used.

use std::cell::Cell;
use std::time::{Duration, Instant};

use channels::{ChannelStore, ChannelsSettings, Lookup, LookupAnswer};
use chassis::now;
use event::{Address, EventId, Lane};
use testkit::{RedisCluster, SentinelSet, eventually};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::{NUMBER, add, channel, mark_delivered, open, ring};

/// The longest pause that the loss of a server may cost.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often the load tries again while it is refused.
const LOAD_PERIOD: Duration = Duration::from_millis(5);
/// Marks before and after the fault, so that there is a load on both sides of it.
const MARKS: usize = 200;

/// What a load met.
#[derive(Debug, Default)]
struct Met {
    /// What the store said it had marked.
    marked: Vec<EventId>,
    refusals: usize,
    longest_pause: Duration,
}

impl Met {
    /// Marks one event after the other until `is_over` and for a while after that.
    async fn with(store: &ChannelStore, is_over: &Cell<bool>) -> Self {
        let mut met = Self::default();
        let mut last = Instant::now();
        let mut ticks = tokio::time::interval(LOAD_PERIOD);
        let mut left = MARKS;
        while left > 0 {
            ticks.tick().await;
            let id = EventId::new(format!("evt_{}", met.marked.len() + met.refusals));
            match mark_delivered(store, std::slice::from_ref(&id)).await {
                Ok(()) => {
                    met.marked.push(id);
                    met.longest_pause = met.longest_pause.max(last.elapsed());
                    last = Instant::now();
                    left -= usize::from(is_over.get());
                }
                Err(_) => met.refusals += 1,
            }
        }
        met
    }

    /// How many of them the store does not know any more.
    async fn missing(&self, store: &ChannelStore) -> usize {
        let lane = Lane::new("lane");
        let address = Address::new(NUMBER);
        let lookup = |id| Lookup { id, address: &address, lane: &lane, is_about_account: false, received_at: now() };
        let mut missing = 0;
        for marked in self.marked.chunks(MARKS) {
            let answers = store.look_up(&marked.iter().map(lookup).collect::<Vec<_>>()).await.unwrap();
            missing += answers.iter().filter(|answer| !matches!(answer, LookupAnswer::Delivered)).count();
        }
        missing
    }
}

/// Runs a load around a fault, and says what it met.
async fn met(store: &ChannelStore, fault: impl AsyncFnOnce()) -> Met {
    let is_over = Cell::new(false);
    let fault = async {
        fault().await;
        is_over.set(true);
    };
    let (met, ()) = futures_util::future::join(Met::with(store, &is_over), fault).await;
    met
}

fn check(what: &str, met: &Met, missing: usize) {
    let Met { marked, refusals, longest_pause } = met;
    eprintln!("{what}: {} marked, {refusals} refused, {missing} missing, paused {longest_pause:?}", marked.len());
    assert!(*longest_pause <= PAUSE_MAX, "{what}: paused {longest_pause:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_is_replaced_within_10_seconds() {
    let set = SentinelSet::start().await;
    let store = open(&ChannelsSettings::at(set.url(), ""));
    add(&store, NUMBER).await;
    let first = set.primary().await;

    let met = met(&store, async || {
        set.kill(first);
        eventually("the other one is the primary", async || (set.primary().await != first).then_some(())).await;
    })
    .await;

    let missing = met.missing(&store).await;
    check("a primary is killed", &met, missing);
    // One mark was under way at a time.
    assert!(missing <= 1, "{missing} are missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_demoted_alive_gets_no_more_writes() {
    let set = SentinelSet::start().await;
    let store = open(&ChannelsSettings::at(set.url(), ""));
    add(&store, NUMBER).await;

    let met = met(&store, async || set.demote().await).await;

    set.mend().await;
    let missing = met.missing(&store).await;
    check("a primary is demoted", &met, missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_paused_before_it_is_demoted_loses_nothing() {
    let set = SentinelSet::start().await;
    let store = open(&ChannelsSettings::at(set.url(), ""));
    add(&store, NUMBER).await;

    let met = met(&store, async || {
        set.command(&["CLIENT", "PAUSE", "5000", "WRITE"]).await;
        set.demote().await;
    })
    .await;

    set.mend().await;
    let missing = met.missing(&store).await;
    check("a paused primary is demoted", &met, missing);
    assert_eq!(missing, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_demands_a_replica_takes_nothing_that_would_be_lost() {
    let set = SentinelSet::start().await;
    let store = open(&ChannelsSettings::at(set.url(), ""));
    add(&store, NUMBER).await;
    set.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;

    let met = met(&store, async || set.demote().await).await;

    set.mend().await;
    let missing = met.missing(&store).await;
    check("a primary that demands a replica is demoted", &met, missing);
    // What was under way when the replica became a primary.
    assert!(missing <= 3, "{missing} are missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_lives_on_cut_off_from_its_sentinels_is_left() {
    let set = SentinelSet::start().await;
    let store = open(&ChannelsSettings::at(set.url(), ""));
    add(&store, NUMBER).await;
    let old = set.primary().await;
    let is_at = async |server: usize, id: &str| {
        let answer = set.command_at(server, &["EXISTS", &format!("delivered:{id}")]).await;
        answer.is_some_and(|answer| answer == ":1\r\n")
    };

    // Nobody tells it that it is replaced.
    set.command(&["ACL", "SETUSER", "sentinel", "off"]).await;
    set.command(&["CLIENT", "KILL", "USER", "sentinel"]).await;
    let started = Instant::now();
    eventually("the other one is the primary", async || set.is_primary(1 - old).await.then_some(())).await;
    let replaced = Instant::now();
    eventually("marks go to the new primary", async || {
        mark_delivered(&store, &[EventId::new("evt_new")]).await.ok()?;
        is_at(1 - old, "evt_new").await.then_some(())
    })
    .await;

    eprintln!("replaced after {:?}, left {:?} later", replaced - started, replaced.elapsed());
    assert!(replaced.elapsed() <= PAUSE_MAX, "{:?}", replaced.elapsed());
    assert!(set.is_primary(old).await, "it was told that it is replaced");
    mark_delivered(&store, &[EventId::new("evt_later")]).await.unwrap();
    assert!(!is_at(old, "evt_later").await, "the old primary still gets what is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_and_silent_sentinels_cost_little() {
    let set = SentinelSet::shared().await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // Its backlog holds one connection, and nobody accepts it: further requests for a connection get no answer.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let silent = silent.listen(0).unwrap();
    let _fills_the_backlog = TcpStream::connect(silent.local_addr().unwrap()).await.unwrap();

    let started = Instant::now();
    let store = open(&ChannelsSettings::at(set.url_with(&[dead, silent.local_addr().unwrap()]), &set.prefix()));
    mark_delivered(&store, &[EventId::new("evt_1")]).await.unwrap();

    assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_of_a_cluster_that_is_killed_is_replaced_within_10_seconds() {
    let cluster = RedisCluster::start().await;
    let store = open(&ChannelsSettings::at(cluster.url(), ""));
    add(&store, NUMBER).await;
    let primaries = cluster.primaries().await;

    for (primary, replica) in primaries {
        let met = met(&store, async || {
            cluster.kill(primary);
            let is_replaced = async || cluster.primaries().await.contains_key(&replica?).then_some(());
            eventually("its replica is a primary", is_replaced).await;
        })
        .await;

        let missing = met.missing(&store).await;
        check("a primary of a cluster is killed", &met, missing);
        assert!(missing <= 1, "{missing} are missing");
        cluster.mend().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_under_load_lose_no_marker() {
    let cluster = RedisCluster::start().await;
    let store = open(&ChannelsSettings::at(cluster.url(), ""));
    add(&store, NUMBER).await;
    let nodes: Vec<usize> = cluster.primaries().await.into_keys().collect();

    let met = met(&store, async || cluster.move_slots(nodes[1], nodes[2], 200).await).await;

    let missing = met.missing(&store).await;
    check("slots move", &met, missing);
    assert_eq!((missing, met.refusals), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_slot_of_all_records_moves_events_are_looked_up_and_marked() {
    let cluster = RedisCluster::start().await;
    let store = open(&ChannelsSettings::at(cluster.url(), ""));
    add(&store, NUMBER).await;
    add(&store, "whatsapp:2").await;
    let address = Address::new(NUMBER);
    let lanes: Vec<Lane> = (0..8).map(|number| Lane::new(format!("lane-{number}"))).collect();
    let ids: Vec<EventId> = (0..8).map(|number| EventId::new(format!("evt_{number}"))).collect();
    let lookups = ids.iter().zip(&lanes);
    let lookups =
        lookups.map(|(id, lane)| Lookup { id, address: &address, lane, is_about_account: false, received_at: now() });
    let lookups: Vec<Lookup<'_>> = lookups.collect();
    let nodes: Vec<usize> = cluster.primaries().await.into_keys().collect();

    cluster
        .move_slot("{channels}", nodes[1], nodes[2], async || {
            let found = store.look_up(&lookups).await.unwrap();
            assert!(found.iter().all(|found| matches!(found, LookupAnswer::Channel(_))), "{found:?}");
            mark_delivered(&store, &ids).await.unwrap();
            let found = store.look_up(&lookups).await.unwrap();
            assert!(found.iter().all(|found| matches!(found, LookupAnswer::Delivered)), "{found:?}");
        })
        .await;

    eventually("channels can be added again", async || store.add(&channel("whatsapp:3", &ring()), now()).await.ok())
        .await;
    assert_eq!(store.list().await.unwrap().len(), 3);
}
