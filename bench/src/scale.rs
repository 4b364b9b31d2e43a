//! Measures what an event costs as one thing grows: waiting events, channels, conversations, destinations, the size of a
//! batch or of an event, dispatchers. Flat is good, linear in the bytes is what can be expected.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::RabbitMq;

use crate::notifications::{self, Shape, SignedNotification, Source};
use crate::options::Options;
use crate::processes::{Channels, Measured, Side, Way};
use crate::report::{self, CPU, RATE, count};
use crate::results::{Results, Table};
use crate::rig;
use crate::sender::Sender;
use crate::sink::Sink;

/// The longest that a point may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// What a dispatcher has to do.
#[derive(Clone, Copy)]
struct Backlog {
    shape: Shape,
    tenants: usize,
    /// Events that wait in the queue.
    waiting: usize,
    /// How many of them are delivered while it is measured.
    delivered: usize,
    dispatchers: usize,
}

pub(crate) async fn run(options: Options) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut results = Results::begin();
    for _ in 0..options.rounds {
        deliver_more(&mut results, options, &folder).await;
        accept_more(&mut results, options, &folder).await;
    }
    results.finish("scale");
}

async fn deliver_more(results: &mut Results, options: Options, folder: &TempDir) {
    let events = options.events;
    let one = Backlog { shape: Shape::default(), tenants: 1, waiting: events, delivered: events, dispatchers: 1 };
    for waiting in [events, 10 * events, 1_000_000] {
        let backlog = Backlog { waiting: waiting.max(events), ..one };
        deliver(results.table("Dispatcher: events that wait", "events"), waiting, backlog, folder).await;
    }
    for channels in [10, 1_000, 100_000] {
        let backlog = Backlog { shape: Shape { channels, ..one.shape }, ..one };
        deliver(results.table("Dispatcher: channels of one tenant", "channels"), channels, backlog, folder).await;
    }
    for people in [10, 1_000, 100_000] {
        let backlog = Backlog { shape: Shape { people, ..one.shape }, ..one };
        deliver(results.table("Dispatcher: conversations", "conversations"), people, backlog, folder).await;
    }
    for tenants in [1, 100, 1_000] {
        let backlog = Backlog { shape: Shape { channels: tenants, ..one.shape }, tenants, ..one };
        deliver(results.table("Dispatcher: destinations", "destinations"), tenants, backlog, folder).await;
    }
    for kilobytes in [1, 8, 64] {
        let backlog = Backlog { shape: padded(kilobytes), ..one };
        deliver(results.table("Dispatcher: size of an event", "KiB"), kilobytes, backlog, folder).await;
    }
    for dispatchers in [1, 2, 4] {
        let backlog = Backlog { dispatchers, ..one };
        deliver(results.table("Dispatchers", "dispatchers"), dispatchers, backlog, folder).await;
    }
}

async fn deliver(table: &mut Table, at: usize, backlog: Backlog, folder: &TempDir) {
    let vhost = RabbitMq::shared().await.vhost();
    let url = vhost.url();
    rig::fill(&url, backlog.waiting, backlog.shape).await;
    let sink = Sink::start(Duration::ZERO).await;
    let channels = Channels { count: backlog.shape.channels, tenants: backlog.tenants };
    let way = Way::new(&url, report::dsk_url(&sink), channels, folder).await;
    let mut dispatchers: Vec<Measured> = Vec::new();
    for _ in 0..backlog.dispatchers {
        dispatchers.push(Side::Ours.dispatcher(&way, folder).await);
    }
    let started = testkit::eventually("the first comes", async || (sink.delivered() > 0).then(Instant::now)).await;
    let all = async || (sink.delivered() >= backlog.delivered).then(|| sink.delivered());
    let delivered = testkit::eventually_within(PATIENCE, "all come", all).await;
    let elapsed = started.elapsed();
    let cpu = dispatchers.iter().map(|dispatcher| dispatcher.usage().cpu).sum();
    let row = table.row("", Some(count(at)));
    row.add(RATE, report::rate(delivered, elapsed));
    row.add(CPU, report::each_us(cpu, delivered));
    // What was not delivered would go on costing memory.
    drop(dispatchers);
    vhost.delete().await;
}

async fn accept_more(results: &mut Results, options: Options, folder: &TempDir) {
    for batch in [1, 10, 100, 1_000] {
        let posts = (options.events / batch).max(20);
        let body = |_| SignedNotification::new(bench::statuses(batch));
        let table = results.table("Ingest: events in a notification", "events");
        accept(table, batch, (0..posts).map(body).collect(), posts * batch, folder).await;
    }
    for kilobytes in [1, 8, 64] {
        let posts = (options.events / kilobytes).max(1_000);
        let body = |serial| SignedNotification::new(notifications::notification(serial, padded(kilobytes)));
        let table = results.table("Ingest: size of an event", "KiB");
        accept(table, kilobytes, (0..posts).map(body).collect(), posts, folder).await;
    }
}

async fn accept(table: &mut Table, at: usize, posts: Vec<SignedNotification>, events: usize, folder: &TempDir) {
    let url = RabbitMq::shared().await.vhost().url();
    rig::declare(&url).await;
    let ingest = Side::Ours.ingest(&url, folder).await;
    let count_of_posts = posts.len();
    let notifications = Source::Made(Arc::new(posts));
    let sender = Sender { address: ingest.listens(), notifications, connections: 64 };
    let started = Instant::now();
    sender.post_all(count_of_posts).await;
    let elapsed = started.elapsed();
    let row = table.row("", Some(count(at)));
    row.add(RATE, report::rate(events, elapsed));
    row.add(CPU, report::each_us(ingest.usage().cpu, events));
}

fn padded(kilobytes: usize) -> Shape {
    Shape { padding: (kilobytes - 1) << 10, ..Shape::default() }
}
