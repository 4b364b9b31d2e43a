//! Measures deliveries from a full queue to a local sink. The reference is a bare dispatcher, which consumes, signs, posts
//! and acknowledges, and does nothing else.

use std::time::{Duration, Instant};

use testkit::RabbitMq;

use crate::notifications::Shape;
use crate::options::Options;
use crate::processes::{Channels, Measured, Side, Way};
use crate::report::{self, CPU, RATE};
use crate::results::{Results, Table};
use crate::rig;
use crate::sink::Sink;

pub(crate) async fn run(options: Options) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = RabbitMq::shared().await;
    let mut results = Results::begin();
    let mut table = Table::new("Events delivered from a full queue");
    for _ in 0..options.rounds {
        for side in Side::BOTH {
            let url = broker.vhost().url();
            rig::fill(&url, options.events, Shape::default()).await;
            let sink = Sink::start(Duration::from_millis(options.answer_ms)).await;
            let way = Way::new(&url, report::dsk_url(&sink), Channels::ONE, &folder).await.with_window(options.window);
            let started = Instant::now();
            let mut dispatchers = Vec::new();
            for _ in 0..options.parallel.unwrap_or(1) {
                dispatchers.push(side.dispatcher(&way, &folder).await);
            }
            let elapsed = drain(&sink, options.events, started).await;
            let cpu = dispatchers.iter().map(|dispatcher: &Measured| dispatcher.usage().cpu).sum();
            table.add(side.name(), RATE, report::rate(options.events, elapsed));
            table.add(side.name(), CPU, report::each_us(cpu, options.events));
        }
    }
    results.tables.push(table);
    results.finish("deliver");
}

/// Waits for all events. The time counts from the first to the last event, so that it does not include the start-up.
pub(crate) async fn drain(sink: &Sink, events: usize, started: Instant) -> Duration {
    let began = testkit::eventually("the first event comes", async || (sink.delivered() > 0).then(Instant::now)).await;
    let patience = Duration::from_mins(10);
    testkit::eventually_within(patience, "all come", async || (sink.delivered() >= events).then_some(())).await;
    let elapsed = began.elapsed();
    assert!(elapsed < started.elapsed());
    elapsed
}
