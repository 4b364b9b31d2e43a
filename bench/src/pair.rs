//! An ingest and a dispatcher of one side, between a sender and a sink: what they do with a steady load.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::{RabbitMq, Redis};

use crate::latency::Latencies;
use crate::notifications::Source;
use crate::processes::{Channels, Measured, Side, Way};
use crate::report;
use crate::rig;
use crate::sender::{Schedule, Sender};
use crate::sink::{Arrival, Sink};
use crate::times::Times;
use crate::usage::Usage;

/// The most that the age of events may grow within a step that counts as sustained.
const GROWTH: Duration = Duration::from_millis(250);

/// Both processes, and what stands before and behind them.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) ingest: Measured,
    pub(crate) dispatcher: Option<Measured>,
    pub(crate) sink: Sink,
    sender: Sender,
    times: Arc<Times>,
    side: Side,
    way: Way,
    posted: usize,
}

/// What was seen while a rate was held.
#[derive(Debug)]
pub(crate) struct Step {
    /// Whether the age of events did not grow.
    pub(crate) is_sustained: bool,
    /// Events taken by the sink in each second.
    pub(crate) rate: f64,
    /// Of the events at the sink.
    pub(crate) ages: Latencies,
    /// Until a 200.
    pub(crate) answers: Latencies,
    pub(crate) used: Vec<Used>,
}

/// What one process used for each event, and its memory at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) by: &'static str,
    /// Whether it is a process of the pair, and no engine.
    pub(crate) is_measured: bool,
    pub(crate) cpu_us: f64,
    pub(crate) megabytes: f64,
}

impl Pair {
    pub(crate) async fn start(side: Side, connections: usize, folder: &TempDir) -> Self {
        let url = RabbitMq::shared().await.vhost().url();
        rig::declare(&url).await;
        let times = Arc::new(Times::default());
        let sink = Sink::with_times(Arc::clone(&times)).await;
        let way = Way::new(&url, report::dsk_url(&sink), Channels::ONE, folder).await;
        let ingest = side.ingest(&url, folder).await;
        let sender = Sender { address: ingest.listens(), notifications: Source::endless(), connections };
        let dispatcher = Some(side.dispatcher(&way, folder).await);
        Self { ingest, dispatcher, sink, sender, times, side, way, posted: 0 }
    }

    /// Ends the dispatcher like a power cut.
    pub(crate) fn stop_dispatcher(&mut self) {
        self.dispatcher = None;
    }

    pub(crate) async fn start_dispatcher(&mut self, folder: &TempDir) {
        self.dispatcher = Some(self.side.dispatcher(&self.way, folder).await);
    }

    /// Posts at a rate for a time, and returns how long each 200 took.
    pub(crate) async fn post(&mut self, per_second: f64, time: Duration) -> Latencies {
        let count = how_many(per_second, time);
        let from = self.posted;
        self.posted += count;
        let times = Arc::clone(&self.times);
        self.sender.post_at(Schedule { begin: Instant::now(), per_second, from, times }, count).await
    }

    /// How many events were posted, and have not come to the sink.
    pub(crate) fn backlog(&self) -> usize {
        self.posted.saturating_sub(self.sink.delivered())
    }

    /// Waits until everything that was posted has come.
    pub(crate) async fn drain(&self, patience: Duration) {
        testkit::eventually_within(patience, "all come", async || (self.backlog() == 0).then_some(())).await;
    }

    /// Holds a rate for a time, and returns what was seen.
    pub(crate) async fn hold(&mut self, per_second: f64, time: Duration) -> Step {
        self.sink.take_arrivals();
        let before = self.usage().await;
        let delivered = self.sink.delivered();
        let started = Instant::now();
        let answers = self.post(per_second, time).await;
        let elapsed = started.elapsed();
        let delivered = self.sink.delivered() - delivered;
        let used = used(&before, &self.usage().await, delivered);
        let arrivals = self.sink.take_arrivals();
        let is_late = elapsed > time + GROWTH;
        Step {
            is_sustained: !is_late && !is_growing(&arrivals, started, elapsed),
            rate: report::rate(delivered, elapsed),
            ages: arrivals.iter().map(|arrival| arrival.age).collect(),
            answers,
            used,
        }
    }

    async fn usage(&self) -> Vec<Used> {
        let dispatcher = self.dispatcher.as_ref().map(Measured::usage).unwrap_or_default();
        let broker = Usage::of(RabbitMq::shared().await.process_id());
        let redis = Usage::of(Redis::shared().await.process_id());
        let used = |by, is_measured, usage: Usage| Used {
            by,
            is_measured,
            cpu_us: usage.cpu.as_secs_f64() * 1e6,
            megabytes: report::megabytes(usage.resident),
        };
        vec![
            used("ingest", true, self.ingest.usage()),
            used("dispatcher", true, dispatcher),
            used("broker", false, broker),
            used("redis", false, redis),
        ]
    }
}

/// How many are due in a time.
pub(crate) fn how_many(per_second: f64, time: Duration) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of events that fits in memory"
    )]
    let count = (per_second * time.as_secs_f64()) as usize;
    count
}

fn used(before: &[Used], after: &[Used], events: usize) -> Vec<Used> {
    let each = |before: &Used, after: &Used| Used {
        cpu_us: (after.cpu_us - before.cpu_us) / report::count(events.max(1)),
        ..*after
    };
    before.iter().zip(after).map(|(before, after)| each(before, after)).collect()
}

/// Whether what came in the last quarter of a time was older than what came in its second one.
fn is_growing(arrivals: &[Arrival], started: Instant, time: Duration) -> bool {
    let median_in = |quarter: u32| {
        let within = |arrival: &&Arrival| {
            let at = arrival.at.saturating_duration_since(started);
            at >= time * quarter / 4 && at < time * (quarter + 1) / 4
        };
        let mut ages: Latencies = arrivals.iter().filter(within).map(|arrival| arrival.age).collect();
        ages.percentile_ms(50.0)
    };
    median_in(3) > median_in(1) + GROWTH.as_secs_f64() * 1e3
}
