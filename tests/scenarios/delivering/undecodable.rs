//! A message that is no envelope, from another program or a later version, is parked with its body and delays no event.

use event::Class;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use queue::{BrokerQueue, QueueName};
use testkit::eventually;

use crate::support::bodies::text;
use crate::support::stack::Stack;

/// Messages that are no envelopes: without any of our properties, with an id only, with a header of another type, and
/// with a class that we never write.
fn poisons() -> Vec<(&'static [u8], BasicProperties)> {
    let nothing = BasicProperties::default();
    let named = BasicProperties::default().with_message_id("order-1".into());
    let headers = |class: AMQPValue| {
        let mut headers = FieldTable::default();
        for (name, text) in [("type", "whatsapp.message"), ("address", "whatsapp:1"), ("lane", "whatsapp:1/2")] {
            headers.insert(name.into(), AMQPValue::LongString(text.into()));
        }
        headers.insert("class".into(), class);
        BasicProperties::default().with_message_id("evt_00000000000000000000000001".into()).with_headers(headers)
    };
    vec![
        (b"hello", nothing.clone()),
        (b"\xff\xfe\x00", nothing.clone()),
        (b"", nothing),
        (b"first of two", named.clone()),
        (b"second of two", named),
        (b"a number", headers(AMQPValue::LongLongInt(1))),
        (b"a later class", headers(AMQPValue::LongString("whispers".into()))),
    ]
}

async fn channel(stack: &Stack) -> (Connection, Channel) {
    let connection =
        Connection::connect(&stack.direct.queue_url, ConnectionProperties::default()).await.expect("it connects");
    let channel = connection.create_channel().await.expect("it opens");
    (connection, channel)
}

async fn put(channel: &Channel, body: &[u8], properties: BasicProperties) {
    let queue = BrokerQueue::of_class(Class::Messages).next().expect("there are partitions").as_str();
    channel
        .basic_publish("".into(), queue.into(), BasicPublishOptions::default(), body, properties)
        .await
        .expect("it is sent");
}

/// The bodies of `count` dead letters, in alphabetical order. They return to the queue when the AMQP channel is closed.
async fn parked(channel: &Channel, count: usize) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    eventually("the dead letters are read", async || {
        while let Some(letter) = channel
            .basic_get(QueueName::Dead.as_str().into(), BasicGetOptions::default())
            .await
            .expect("it can be read")
        {
            bodies.push(letter.delivery.data);
        }
        (bodies.len() >= count).then_some(())
    })
    .await;
    bodies.sort();
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_envelope_is_parked_with_its_body_and_delays_no_event() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.processes.dispatchers.remove(0).stop().await, Some(0));
    let (connection, channel) = channel(&stack).await;

    let poisons = poisons();
    for (serial, (body, properties)) in poisons.iter().enumerate() {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
        put(&channel, body, properties.clone()).await;
    }
    stack.processes.add_dispatcher().await;

    stack.processes.delivered(poisons.len()).await;
    let letters = eventually("all are parked", async || {
        let letters = stack.dead_letters().await;
        (letters.len() >= poisons.len()).then_some(letters)
    })
    .await;
    assert!(letters.iter().all(|letter| letter.letter.reason == "undecodable"), "{letters:?}");
    let mut expected: Vec<&[u8]> = poisons.iter().map(|(body, _)| *body).collect();
    expected.sort_unstable();
    assert_eq!(parked(&channel, poisons.len()).await, expected);
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0), "the worker stops cleanly");
    assert_eq!(stack.waiting(Class::Messages).await, Some(0));
    connection.close(200, "done".into()).await.unwrap();
}
