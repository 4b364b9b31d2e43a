//! Measures signed notifications until 200, as many as are accepted. The reference is a bare ingest under the same sender;
//! a bare lapin publisher in this process, which speaks no HTTP, shows what the broker can do.

use std::sync::Arc;
use std::time::Instant;

use event::Class;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use queue::BrokerQueue;
use testkit::RabbitMq;

use crate::notifications::{self, Shape, SignedNotification, Source};
use crate::options::Options;
use crate::processes::Side;
use crate::report::{self, CPU, RATE};
use crate::results::{Results, Table};
use crate::rig;
use crate::sender::Sender;

/// Connections that post at once, unless `--parallel` is given.
const CONNECTIONS: usize = 256;
/// AMQP channels of the lapin publisher.
const CHANNELS: usize = 4;
/// Most confirms that each of them awaits at once.
const IN_FLIGHT: usize = 256;

pub(crate) async fn run(options: Options) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = RabbitMq::shared().await;
    let notifications = notifications::signed(options.events, Shape::default());
    let mut results = Results::begin();
    let mut table = Table::new("Notifications accepted");
    for _ in 0..options.rounds {
        let elapsed = publish(&broker.vhost().url(), &notifications).await;
        table.add("bare lapin, no HTTP", RATE, report::rate(options.events, elapsed));
        for side in Side::BOTH {
            let url = broker.vhost().url();
            rig::declare(&url).await;
            let ingest = side.ingest(&url, &folder).await;
            let sender = Sender {
                address: ingest.listens(),
                notifications: Source::Made(Arc::clone(&notifications)),
                connections: options.parallel.unwrap_or(CONNECTIONS),
            };
            let before = ingest.usage();
            let started = Instant::now();
            let mut latencies = sender.post_all(options.events).await;
            table.add(side.name(), RATE, report::rate(options.events, started.elapsed()));
            table.add(side.name(), CPU, report::each_us(ingest.usage().since(before), options.events));
            table.add(side.name(), "p99 of a 200, ms", latencies.percentile_ms(99.0));
        }
    }
    results.tables.push(table);
    results.finish("accept");
}

async fn publish(url: &str, notifications: &[SignedNotification]) -> std::time::Duration {
    rig::declare(url).await;
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker is up");
    let started = Instant::now();
    let share = notifications.len().div_ceil(CHANNELS);
    join_all(notifications.chunks(share.max(1)).map(|share| publish_share(&connection, share))).await;
    started.elapsed()
}

async fn publish_share(connection: &Connection, notifications: &[SignedNotification]) {
    let channel = connection.create_channel().await.expect("an AMQP channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let properties = BasicProperties::default().with_delivery_mode(2);
    let mut confirms = FuturesUnordered::new();
    let mut queues = BrokerQueue::of_class(Class::Messages).collect::<Vec<_>>().into_iter().cycle();
    for notification in notifications {
        if confirms.len() == IN_FLIGHT {
            assert_confirmed(confirms.next().await);
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let queue = queues.next().expect("there are partitions").as_str().into();
        let sent = channel.basic_publish("".into(), queue, options, &notification.body, properties.clone());
        confirms.push(sent.await.expect("the message is sent"));
    }
    while !confirms.is_empty() {
        assert_confirmed(confirms.next().await);
    }
}

fn assert_confirmed(confirm: Option<lapin::Result<Confirmation>>) {
    assert!(matches!(confirm, Some(Ok(Confirmation::Ack(None)))), "{confirm:?}");
}
