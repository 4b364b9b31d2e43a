//! What was delivered does not stay on the broker's disk.

use std::time::Duration;

use chassis::{Shutdown, now};
use event::{Class, Envelope};
use prometheus::Registry;
use queue::{Publisher, Queue, QueueSettings, Taker};
use testkit::eventually;

use crate::support::bodies::text;
use crate::support::composed_servers::ComposedBroker;

/// The text of a message that is delivered.
const SECRET: &str = "the-text-of-a-message-5d21";
/// The text of the messages after it.
const NEWER: &str = "a newer message of usual length, with its surroundings about a kilobyte of the log ";
/// docs/privacy.md says after how many messages of this size nothing is left.
const MESSAGES_MAX: usize = 15_000;
/// How many are published together.
const BATCH: usize = 250;
/// The broker writes what has left its log to other files before it deletes those.
const TIDY_TIME: Duration = Duration::from_secs(1);

fn envelope(serial: usize, said: &str) -> Envelope {
    let body = String::from_utf8_lossy(&text(serial)).replace("hello", said);
    Envelope::first(event::split(body.as_bytes(), now()).remove(0), now(), None)
}

/// Publishes these, takes them, and acknowledges them.
async fn deliver(publisher: &Publisher, taker: &mut Taker, envelopes: &[Envelope]) {
    let _confirmed = publisher.publish_all(envelopes).await.expect("the broker is well");
    for _ in envelopes {
        taker.take().await.expect("it is there").acknowledge();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_text_is_in_no_file_of_the_broker_after_15000_newer_messages() {
    let broker = ComposedBroker::start().await;
    let url = broker.secrets.read("queue-url-dispatcher");
    let shutdown = Shutdown::default();
    let metrics = queue::Metrics::register(&Registry::new()).expect("metrics register once");
    let queue = Queue::open(&QueueSettings::at(&url), metrics, &shutdown).await.expect("the queue opens");
    let publisher = queue.publisher();
    let mut taker = queue.taker(Class::Messages, 1_000, "test").expect("nobody else takes");
    deliver(&publisher, &mut taker, &[envelope(0, SECRET)]).await;
    assert!(broker.server.is_on_disk(SECRET), "RabbitMQ by itself keeps it");

    let newer = NEWER.repeat(8);
    let mut sent = 1;
    while broker.server.is_on_disk(SECRET) {
        assert!(sent < MESSAGES_MAX, "it is still there after {sent} messages");
        let batch: Vec<Envelope> = (sent..sent + BATCH).map(|serial| envelope(serial, &newer)).collect();
        deliver(&publisher, &mut taker, &batch).await;
        sent += BATCH;
        if sent % 2_000 < BATCH {
            let gone = async || (!broker.server.is_on_disk(SECRET)).then_some(());
            tokio::time::timeout(TIDY_TIME, eventually("it is gone", gone)).await.ok();
        }
    }
    println!("gone after {sent} newer messages");
    taker.finish().await;
}
