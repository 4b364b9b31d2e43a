//! A simulated dispatcher: its workers, and what its runner and its sources hold for them.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use clap::Parser as _;
use event::Class;
use queue::{Partition, PartitionSet};
use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::Feed;
use super::parcel::{Dispositions, Parcel};
use super::plan::Plan;
use super::task::Task;
use crate::destination::Targets;
use crate::lanes::Flight;
use crate::metrics::Metrics;
use crate::pace::Paces;
use crate::room::Intake;
use crate::settings::Settings;
use crate::state::State;
use crate::worker::{Completion, Worker, WorkerEvent};

/// How often a worker looks at ages.
const TICK: Duration = Duration::from_secs(1);
/// The same while it has nothing in flight: then only what it remembers grows old.
const IDLE_TICK: Duration = Duration::from_mins(5);

static TARGETS: LazyLock<Targets> = LazyLock::new(|| {
    let settings = Settings::parse_from(["dispatcher", "--dsk-url", "https://dsk.example/events"]);
    Targets::new(&settings.dispatcher).expect("the settings are right")
});
static METRICS: LazyLock<Metrics> =
    LazyLock::new(|| Metrics::register(&prometheus::Registry::new()).expect("nothing is registered yet"));

pub(super) struct Dispatcher {
    pub(super) place: usize,
    pub(super) state: Arc<State>,
    /// One for each class.
    pub(super) seats: Vec<Seat>,
    pub(super) is_stopping: bool,
    pub(super) knows_store_is_away: bool,
    /// When requests of each customer began within the last second.
    pub(super) requests: Vec<VecDeque<Instant>>,
    /// The pause that DSK last asked for, of each customer.
    pub(super) asked_pauses: Vec<Option<AskedPause>>,
}

/// A time in which a customer gets no requests.
#[derive(Clone, Debug)]
pub(super) struct AskedPause {
    /// The worker has heard of it.
    pub(super) from: Instant,
    pub(super) until: Instant,
}

impl AskedPause {
    /// It was no pause, but an answer of another kind.
    pub(super) fn is_over(&self) -> bool {
        self.until <= self.from
    }
}

/// A worker, and what waits for it.
pub(super) struct Seat {
    pub(super) worker: Worker<Parcel>,
    pub(super) tasks: BTreeMap<u64, Task>,
    pub(super) feeds: Vec<Feed>,
    pub(super) dispositions: Dispositions,
    pub(super) arrived: VecDeque<Parcel>,
    pub(super) completed: Vec<Completion<Parcel>>,
    pub(super) news: News,
    pub(super) reopenings: watch::Receiver<u64>,
    /// It will apply what waits for it.
    pub(super) is_waking: bool,
    /// What the runner told the work under way.
    pub(super) draining: PartitionSet,
    pub(super) is_held: bool,
    pub(super) last_tick: Instant,
}

/// What a worker has not heard yet.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether the store is away.
    pub(super) store: Option<bool>,
    /// Connections were lost.
    pub(super) has_losses: bool,
    /// Pauses have ended or changed.
    pub(super) is_reopened: bool,
}

impl Dispatcher {
    pub(super) fn new(place: usize, plan: &Plan, now: Instant) -> Self {
        let state = Arc::new(State::new(TARGETS.clone(), plan.hold_time, METRICS.clone(), fastrand::f64));
        let seats = (0..plan.classes).map(|class| Seat::new(class, &state, plan, now)).collect();
        let requests = vec![VecDeque::new(); plan.customers.len()];
        let asked_pauses = vec![None; plan.customers.len()];
        Self { place, state, seats, is_stopping: false, knows_store_is_away: false, requests, asked_pauses }
    }

    /// Nothing is in flight, on its way or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.seats.iter().all(Seat::is_idle)
    }

    /// Whether no work is under way any more.
    pub(super) fn has_finished(&self) -> bool {
        self.seats.iter().all(|seat| !seat.worker.is_busy())
    }

    pub(super) fn tell_store(&mut self, is_away: bool) {
        self.knows_store_is_away = is_away;
        self.seats.iter_mut().for_each(|seat| seat.news.store = Some(is_away));
    }
}

impl Seat {
    fn new(class: usize, state: &Arc<State>, plan: &Plan, now: Instant) -> Self {
        let dispositions = Dispositions::default();
        let intake = Intake { partitions: plan.partitions, space: plan.space };
        Self {
            worker: Worker::new(Arc::clone(state), Class::ALL[class], plan.window, intake, Paces::of_a_runner()),
            tasks: BTreeMap::new(),
            feeds: Partition::first(plan.partitions)
                .map(|partition| Feed::new(partition, Rc::clone(&dispositions)))
                .collect(),
            dispositions,
            arrived: VecDeque::new(),
            completed: Vec::new(),
            news: News::default(),
            reopenings: state.reopenings(),
            is_waking: false,
            draining: PartitionSet::default(),
            is_held: false,
            last_tick: now,
        }
    }

    /// One of the events that wait, whichever comes first.
    pub(super) fn next_event(&mut self, is_stopping: bool) -> Option<WorkerEvent<Parcel>> {
        if is_stopping {
            let completed = std::mem::take(&mut self.completed);
            return (!completed.is_empty()).then_some(WorkerEvent::Completed(completed));
        }
        let first = fastrand::usize(0..5);
        (first..first + 5).find_map(|source| match source % 5 {
            0 if !self.completed.is_empty() => Some(WorkerEvent::Completed(std::mem::take(&mut self.completed))),
            1 => self.take_arrived(),
            2 => self.news.store.take().map(|is_away| WorkerEvent::Store { is_away }),
            3 => std::mem::take(&mut self.news.is_reopened).then_some(WorkerEvent::Reopened),
            4 => std::mem::take(&mut self.news.has_losses).then_some(WorkerEvent::Lost),
            _ => None,
        })
    }

    fn take_arrived(&mut self) -> Option<WorkerEvent<Parcel>> {
        let arrived = std::mem::take(&mut self.arrived);
        let current: Vec<Parcel> =
            arrived.into_iter().filter(|parcel| self.feeds[parcel.partition.index()].is_current(parcel)).collect();
        (!current.is_empty()).then_some(WorkerEvent::Taken(current))
    }

    /// Whether anything waits that it would apply.
    pub(super) fn has_news(&self, is_stopping: bool) -> bool {
        let News { store, has_losses, is_reopened } = &self.news;
        let others = !self.arrived.is_empty() || store.is_some() || *is_reopened || *has_losses;
        !self.completed.is_empty() || (others && !is_stopping)
    }

    /// The envelopes whose attempts are under way.
    pub(super) fn attempts(&self) -> impl Iterator<Item = &Flight<Parcel>> {
        self.tasks.values().filter_map(Task::attempted)
    }

    pub(super) fn next_tick(&self) -> Instant {
        let is_idle = self.worker.in_flight() == 0 && !self.worker.wants_hold() && self.feeds.iter().all(Feed::is_idle);
        self.last_tick + if is_idle { IDLE_TICK } else { TICK }
    }

    fn is_idle(&self) -> bool {
        self.tasks.is_empty() && !self.has_news(false) && self.feeds.iter().all(Feed::is_idle)
    }
}
