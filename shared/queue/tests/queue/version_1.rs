//! What version 1 left in its queues is taken, in its order, once no dispatcher of version 1 takes from them.

use std::time::Duration;

use event::{Envelope, Field};
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use queue::QueueSettings;
use testkit::RabbitMq;

use crate::rig::{Rig, envelope, nothing_comes, take};

const QUEUE: &str = "meta.messages.v1";

/// Declares the queue as version 1 did.
async fn declare(channel: &Channel) {
    let mut arguments = FieldTable::default();
    let texts = [
        ("x-queue-type", "quorum"),
        ("x-overflow", "reject-publish"),
        ("x-dead-letter-exchange", ""),
        ("x-dead-letter-routing-key", "meta.dead.v1"),
        ("x-dead-letter-strategy", "at-least-once"),
    ];
    for (name, text) in texts {
        arguments.insert(name.into(), AMQPValue::LongString(text.into()));
    }
    for (name, number) in [("x-message-ttl", 604_800_000), ("x-delivery-limit", 200)] {
        arguments.insert(name.into(), AMQPValue::LongLongInt(number));
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, arguments).await.expect("it is declared");
}

/// Publishes as the ingest of version 1 did.
async fn publish(channel: &Channel, envelope: &Envelope) {
    let wire = envelope.encode();
    let mut headers = FieldTable::default();
    for (name, field) in wire.headers {
        let value = match field {
            Field::Word(word) => AMQPValue::LongString(word.into()),
            Field::Text(text) => AMQPValue::LongString(text.as_bytes().into()),
            Field::Number(number) => AMQPValue::LongLongInt(number),
        };
        headers.insert(name.into(), value);
    }
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(wire.message_id.as_str().into())
        .with_headers(headers);
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), QUEUE.into(), options, &wire.body, properties).await.expect("it is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_version_1_left_is_taken_in_order_once_its_last_dispatcher_is_gone() {
    let vhost = RabbitMq::shared().await.vhost();
    let old = Connection::connect(&vhost.url(), ConnectionProperties::default()).await.expect("it connects");
    let channel = old.create_channel().await.expect("it opens");
    declare(&channel).await;
    for serial in 0..500 {
        publish(&channel, &envelope(serial)).await;
    }
    let no_envelope = BasicProperties::default().with_message_id("evt_foreign".into());
    channel
        .basic_publish("".into(), QUEUE.into(), BasicPublishOptions::default(), b"hello", no_envelope)
        .await
        .unwrap();
    // A dispatcher of version 1 has delivered two and has ten more in flight.
    let taking = old.create_channel().await.expect("it opens");
    taking.basic_qos(12, BasicQosOptions::default()).await.expect("it has a window");
    let options = BasicConsumeOptions::default();
    let consumer = taking.basic_consume(QUEUE.into(), "dispatcher".into(), options, FieldTable::default());
    let mut consumer = consumer.await.expect("it consumes");
    for _ in 0..2 {
        let delivery = consumer.next().await.expect("it comes").expect("it comes");
        delivery.ack(BasicAckOptions::default()).await.expect("it is acknowledged");
    }

    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let mut taker = rig.taker(600);
    assert!(nothing_comes(&mut taker).await, "it was moved while somebody else takes it");
    taking.close(200, "done".into()).await.expect("it closes");

    let mut taken = take(&mut taker, 499).await;
    let foreign = taken.iter().position(|taken| taken.fault.is_some()).map(|place| taken.remove(place));
    let foreign = foreign.expect("it comes from another partition, in its own time");
    assert_eq!(&foreign.envelope.body[..], b"hello");
    foreign.acknowledge();
    let expected: Vec<Envelope> = (2..500).map(|serial| Envelope { copies: 1, ..envelope(serial) }).collect();
    assert!(taken.iter().map(|taken| &taken.envelope).eq(&expected), "it came in another order");
    taken.into_iter().for_each(queue::Taken::acknowledge);

    // An ingest of version 1 still runs.
    publish(&channel, &envelope(1_000)).await;
    let late = tokio::time::timeout(Duration::from_secs(20), taker.take()).await.expect("it is moved at once");
    late.expect("the process does not stop").acknowledge();
    taker.finish().await;
    rig.stop().await;
    old.close(200, "done".into()).await.expect("it closes");
}
