//! A steady load on the whole service while its channel store fails over, and what that costs: pauses, markers, repeats.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use channels::{ChannelStore, Lookup, LookupAnswer};
use chassis::{Drained, Shutdown, now};
use event::{Address, EventId, Lane};
use hyper::StatusCode;
use ops::webhook::Meta;
use testkit::{RabbitMq, eventually_within};
use tokio::time::MissedTickBehavior;

use crate::clusters::moments::{self, Moments, Pauses};
use crate::support::bodies::ADDRESS;
use crate::support::conversations::{self, disorder};
use crate::support::metrics_page::figure;
use crate::support::stack::{Backends, Processes, get};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);
/// People who write at once, and how often each of them does: 260 messages a second.
const PEOPLE: usize = 40;
const MESSAGE_PERIOD: Duration = Duration::from_millis(150);
/// How long DSK takes, so that attempts are under way at any time.
const DSK_DELAY: Duration = Duration::from_millis(20);
const DISPATCHERS: usize = 3;
/// How much has to be accepted after a fault until it counts as over.
const SETTLED: usize = 400;
/// How many markers are looked up at once.
const BATCH: usize = 1_000;
/// Attempts that are under way in a dispatcher of class `messages` at most: so many may end while no marker can be written.
const WINDOW: usize = 192;

/// The whole service on one RabbitMQ node and this channel store, under load.
pub(crate) struct StoreLoad {
    pub(crate) processes: Processes,
    store: ChannelStore,
    accepted: Moments,
    /// When DSK was seen to have more.
    delivered: Moments,
    sent: Arc<AtomicUsize>,
    /// Events that were delivered while nothing was wrong. Their markers have to be there at the end.
    undisturbed: BTreeSet<String>,
    /// Events that were delivered while something was wrong.
    disturbed: BTreeSet<String>,
    faults: usize,
    shutdown: Shutdown,
}

/// What is left when the load has ended.
#[derive(Debug)]
pub(crate) struct Left {
    /// Events without a marker.
    pub(crate) unmarked: usize,
    /// Events that reached DSK twice.
    pub(crate) repeats: usize,
}

impl StoreLoad {
    /// Starts ingest and three dispatchers, and the load on them.
    pub(crate) async fn start(channels_url: &str, key_prefix: String) -> Self {
        let broker = RabbitMq::shared().await;
        let queue_url = broker.vhost().url();
        let backends = || Backends {
            queue_url: queue_url.clone(),
            channels_url: channels_url.to_owned(),
            key_prefix: key_prefix.clone(),
        };
        let processes = Processes::start(backends(), &backends(), DISPATCHERS).await;
        processes.dsk.behave(|dsk| {
            dsk.delay = DSK_DELAY;
            dsk.keeps_headers = false;
        });
        let store = processes.store();
        let load = Self {
            processes,
            store,
            accepted: Moments::default(),
            delivered: Moments::default(),
            sent: Arc::default(),
            undisturbed: BTreeSet::new(),
            disturbed: BTreeSet::new(),
            faults: 0,
            shutdown: Shutdown::default(),
        };
        load.run();
        load.settles().await;
        load
    }

    /// Runs a fault under load until everything works again, and prints and returns how long it paused.
    pub(crate) async fn during(&mut self, what: &str, fault: impl Future<Output = ()>) -> Pauses {
        self.has_markers().await;
        let started = Instant::now();
        fault.await;
        self.settles().await;
        self.disturbed.extend(self.processes.dsk.ids().difference(&self.undisturbed).cloned());
        self.faults += 1;
        let accepting = self.accepted.longest_pause(started);
        let pauses = Pauses { accepting, delivering: self.delivered.longest_pause(started) };
        println!("{what}: {pauses}; over after {:.0?}", started.elapsed());
        pauses
    }

    /// Waits until what DSK has is marked, so that what is missing later was lost by a fault.
    async fn has_markers(&mut self) {
        self.undisturbed.extend(self.processes.dsk.ids().difference(&self.disturbed).cloned());
        eventually_within(PATIENCE, "what DSK has is marked", async || {
            self.without_marker(&self.undisturbed).await.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until DSK gets what is accepted.
    async fn settles(&self) {
        let before = self.accepted.count();
        let goes_on = async || (self.accepted.count() >= before + SETTLED).then_some(());
        eventually_within(PATIENCE, "ingest accepts", goes_on).await;
        let accepted = self.accepted.count();
        let has_all = async || (self.processes.dsk.events() >= accepted).then_some(());
        eventually_within(PATIENCE, "DSK has what was accepted", has_all).await;
    }

    /// Ends the load. Checks that DSK gets everything in order, and that no marker is missing but those of events that were
    /// delivered during a fault. Prints what is left.
    pub(crate) async fn nothing_is_lost(mut self) -> Left {
        self.shutdown.request();
        assert_eq!(self.shutdown.drain(PATIENCE).await, Drained::Cleanly, "every poster ends");
        let sent = self.sent.load(Ordering::Relaxed);
        let has_all = async || (self.processes.dsk.events() >= sent).then_some(());
        eventually_within(PATIENCE, "DSK has everything that was accepted", has_all).await;
        let ids = self.processes.dsk.ids();
        assert_eq!(ids.len(), sent, "DSK has what nobody sent");
        self.has_markers().await;

        let unmarked = self.without_marker(&ids).await;
        let unwritten = self.unwritten().await;
        let disorder = disorder(&self.processes.dsk.seen());
        println!(
            "{sent} accepted, 0 lost, {} out of order, {} arrived twice, {} without a marker, of which the dispatchers could \
             not write {unwritten}",
            disorder.violations.len(),
            disorder.repeats,
            unmarked.len()
        );
        let violations = &disorder.violations;
        assert!(violations.is_empty(), "{:?}", &violations[..violations.len().min(20)]);
        assert_eq!(disorder.excepted, 0, "an event was retried although DSK never failed");
        assert!(unmarked.len() <= self.faults * DISPATCHERS * WINDOW, "{} markers are missing", unmarked.len());
        Left { unmarked: unmarked.len(), repeats: disorder.repeats }
    }

    /// Which of these events have no marker in the store.
    async fn without_marker(&self, ids: &BTreeSet<String>) -> BTreeSet<String> {
        let address = Address::new(ADDRESS);
        let lane = Lane::new(ADDRESS);
        let ids: Vec<EventId> = ids.iter().map(|id| EventId::new(id.as_str())).collect();
        let mut missing = BTreeSet::new();
        for batch in ids.chunks(BATCH) {
            let lookups: Vec<Lookup> = batch
                .iter()
                .map(|id| Lookup { id, address: &address, lane: &lane, is_about_account: false, received_at: now() })
                .collect();
            let look = async || self.store.look_up(&lookups).await.ok();
            let answers = eventually_within(PATIENCE, "the store answers", look).await;
            let of_batch = batch.iter().zip(answers);
            let without = of_batch.filter(|(_, answer)| !matches!(answer, LookupAnswer::Delivered));
            missing.extend(without.map(|(id, _)| id.to_string()));
        }
        missing
    }

    /// How many markers the dispatchers could not write, as far as they know.
    async fn unwritten(&mut self) -> u64 {
        let mut count = 0;
        for dispatcher in &mut self.processes.dispatchers {
            let address = dispatcher.logs("Admin port listens on ").await;
            count += figure::<u64>(&get(&address, "/metrics").await.1, "dispatcher_unmarked_total");
        }
        count
    }

    fn run(&self) {
        for person in 0..PEOPLE {
            self.shutdown.spawn(write(Person {
                number: person,
                meta: self.processes.meta.clone(),
                accepted: self.accepted.clone(),
                sent: Arc::clone(&self.sent),
                shutdown: self.shutdown.clone(),
            }));
        }
        let noted = moments::watch(self.processes.dsk.clone(), self.delivered.clone(), self.shutdown.clone());
        self.shutdown.spawn(noted);
    }
}

/// Somebody who writes messages in one conversation.
struct Person {
    number: usize,
    meta: Meta,
    accepted: Moments,
    sent: Arc<AtomicUsize>,
    shutdown: Shutdown,
}

/// Posts one message after the other, each until it is accepted, as Meta does. The last one is accepted, too.
async fn write(person: Person) {
    let mut ticks = tokio::time::interval(MESSAGE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    while !person.shutdown.is_requested() {
        person.sent.fetch_add(1, Ordering::Relaxed);
        let body = conversations::message(person.number, turn);
        loop {
            ticks.tick().await;
            if person.meta.post(body.clone()).await.is_ok_and(|status| status == StatusCode::OK) {
                person.accepted.note();
                break;
            }
        }
        turn += 1;
    }
}
