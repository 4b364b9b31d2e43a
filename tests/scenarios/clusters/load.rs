//! A steady load on the whole service over a cluster, and how long accepting and delivering paused meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chassis::{Drained, Shutdown};
use ops::webhook::Meta;
use testkit::{RabbitCluster, Redis, eventually_within};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tokio::time::MissedTickBehavior;

use crate::clusters::moments::{self, Moments, Pauses};
use crate::support::conversations::{self, disorder};
use crate::support::stack::{Backends, Processes, SecondIngest};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);
/// People who write to each ingest at once, how often each of them does, and in how many conversations by turns.
const PEOPLE: usize = 12;
const CONVERSATIONS: usize = 8;
const MESSAGE_PERIOD: Duration = Duration::from_millis(100);
/// How much has to arrive after a fault until it counts as over.
const SETTLED: usize = 200;

/// The whole service on the shared cluster, under load. One test at a time has the cluster.
pub(crate) struct Load {
    pub(crate) cluster: &'static RabbitCluster,
    pub(crate) vhost: String,
    pub(crate) processes: Processes,
    second: SecondIngest,
    /// When each notification was accepted, for each ingest.
    accepted: [Moments; 2],
    /// When DSK was seen to have more.
    delivered: Moments,
    sent: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    unavailable: Arc<AtomicUsize>,
    shutdown: Shutdown,
    _turn: MutexGuard<'static, ()>,
}

impl Load {
    /// Starts two ingests and two dispatchers on queues that have a member on every node, and the load on them.
    pub(crate) async fn start() -> Self {
        static TURN: AsyncMutex<()> = AsyncMutex::const_new(());
        let turn = TURN.lock().await;
        let cluster = RabbitCluster::shared().await;
        cluster.mend().await;
        let vhost = cluster.vhost();
        let redis = Redis::shared().await;
        let key_prefix = redis.prefix();
        let backends =
            || Backends { queue_url: cluster.url(&vhost), channels_url: redis.url(), key_prefix: key_prefix.clone() };
        let processes = Processes::start(backends(), &backends(), 2).await;
        let second = processes.start_second_ingest().await;
        let load = Self {
            cluster,
            vhost,
            processes,
            second,
            accepted: Default::default(),
            delivered: Moments::default(),
            sent: Arc::default(),
            refused: Arc::default(),
            unavailable: Arc::default(),
            shutdown: Shutdown::default(),
            _turn: turn,
        };
        load.has_every_member().await;
        load.run();
        load.settles().await;
        load
    }

    /// Waits until each queue has a member on every node.
    pub(crate) async fn has_every_member(&self) {
        eventually_within(PATIENCE, "each queue has three members that are up", async || {
            let members = self.cluster.members(0, &self.vhost).await?;
            (!members.is_empty() && members.iter().all(|count| *count == testkit::NODES)).then_some(())
        })
        .await;
    }

    /// The node that leads the most queues, and the others.
    pub(crate) async fn by_leaders(&self) -> Vec<usize> {
        let leads = eventually_within(PATIENCE, "each queue has a leader", async || {
            self.cluster.leads(0, &self.vhost).await.filter(|leads| leads.iter().sum::<usize>() > 0)
        })
        .await;
        let mut nodes: Vec<usize> = (0..testkit::NODES).collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(leads[*node]));
        nodes
    }

    /// How many notifications were answered 503.
    pub(crate) fn unavailable(&self) -> usize {
        self.unavailable.load(Ordering::Relaxed)
    }

    /// Runs a fault under load until everything works again, and prints and returns how long it paused.
    pub(crate) async fn during(&self, what: &str, fault: impl Future<Output = ()>) -> Pauses {
        let started = Instant::now();
        let refused = self.refused.load(Ordering::Relaxed);
        fault.await;
        self.settles().await;
        let accepting = self.accepted.iter().map(|moments| moments.longest_pause(started)).max().unwrap_or_default();
        let pauses = Pauses { accepting, delivering: self.delivered.longest_pause(started) };
        let refused = self.refused.load(Ordering::Relaxed) - refused;
        println!("{what}: {pauses}; {refused} answers were not 200; over after {:.0?}", started.elapsed());
        pauses
    }

    /// Waits until both ingests accept and DSK gets what they do.
    pub(crate) async fn settles(&self) {
        let before = self.accepted.each_ref().map(Moments::count);
        eventually_within(PATIENCE, "both ingests accept again", async || {
            let counts = self.accepted.each_ref().map(Moments::count);
            counts.iter().zip(before).all(|(count, before)| *count >= before + SETTLED).then_some(())
        })
        .await;
        let accepted: usize = self.accepted.iter().map(Moments::count).sum();
        let has_all = async || (self.processes.dsk.events() >= accepted).then_some(());
        eventually_within(PATIENCE, "DSK has what was accepted", has_all).await;
    }

    /// Ends the load, and checks that DSK gets everything that was accepted, each conversation in its order.
    pub(crate) async fn nothing_is_lost(mut self) {
        self.shutdown.request();
        assert_eq!(self.shutdown.drain(PATIENCE).await, Drained::Cleanly, "every poster ends");
        let sent = self.sent.load(Ordering::Relaxed);
        let dsk = &self.processes.dsk;
        let has_all = async || (dsk.events() >= sent).then_some(());
        eventually_within(PATIENCE, "DSK has everything that was accepted", has_all).await;
        assert_eq!(dsk.events(), sent, "DSK has what nobody sent");
        let disorder = disorder(&dsk.seen());
        let violations = &disorder.violations;
        println!("{sent} accepted, 0 lost, {} out of order, {} arrived twice", violations.len(), disorder.repeats);
        assert!(violations.is_empty(), "{:?}", &violations[..violations.len().min(20)]);
        assert_eq!(self.second.process.stop().await, Some(0));
    }

    fn run(&self) {
        let metas = [&self.processes.meta, &self.second.meta];
        for (ingest, (meta, accepted)) in metas.into_iter().zip(&self.accepted).enumerate() {
            for person in 0..PEOPLE {
                self.shutdown.spawn(write(Person {
                    number: ingest * PEOPLE + person,
                    meta: meta.clone(),
                    accepted: accepted.clone(),
                    sent: Arc::clone(&self.sent),
                    refused: Arc::clone(&self.refused),
                    unavailable: Arc::clone(&self.unavailable),
                    shutdown: self.shutdown.clone(),
                }));
            }
        }
        self.shutdown.spawn(moments::watch(self.processes.dsk.clone(), self.delivered.clone(), self.shutdown.clone()));
    }
}

/// Somebody who writes messages to one ingest.
struct Person {
    number: usize,
    meta: Meta,
    accepted: Moments,
    sent: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    unavailable: Arc<AtomicUsize>,
    shutdown: Shutdown,
}

/// Posts one message after the other, each until it is accepted, as Meta does. The last one is accepted, too.
async fn write(person: Person) {
    let mut ticks = tokio::time::interval(MESSAGE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0.. {
        if person.shutdown.is_requested() {
            return;
        }
        person.sent.fetch_add(1, Ordering::Relaxed);
        let conversation = person.number * CONVERSATIONS + turn % CONVERSATIONS;
        let body = conversations::message(conversation, turn / CONVERSATIONS);
        loop {
            ticks.tick().await;
            match person.meta.post(body.clone()).await.map_or(0, |status| status.as_u16()) {
                200 => {
                    person.accepted.note();
                    break;
                }
                status => {
                    person.refused.fetch_add(1, Ordering::Relaxed);
                    person.unavailable.fetch_add(usize::from(status == 503), Ordering::Relaxed);
                }
            }
        }
    }
}
