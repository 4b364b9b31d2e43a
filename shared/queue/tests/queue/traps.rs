//! Traps in lapin and RabbitMQ, each provoked: none of them may lose an event.

use std::collections::BTreeSet;
use std::sync::Arc;

use event::{Class, Envelope, EventId, Lane};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use queue::{PublishError, QueueError, QueueName, QueueSettings};
use testkit::RabbitMq;

use crate::rig::{Rig, envelope, envelopes, publishing_works_again, take, take_until};

/// lapin attaches a returned message to whichever confirm completes next.
#[tokio::test(flavor = "multi_thread")]
async fn a_return_fails_the_envelope_that_was_returned_and_no_neighbour() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = Arc::new(rig.queue.publisher());
    vhost.delete_queue("meta.updates.v2.3").await;

    let publishes = (0..400).map(|serial| {
        let publisher = Arc::clone(&publisher);
        async move {
            let class = if serial % 2 == 0 { Class::Messages } else { Class::Updates };
            let lane = Lane::new(format!("lane {}", serial % 8));
            let sent = Envelope { class, lane, ..envelope(serial) };
            (sent.id.clone(), class, publisher.publish(QueueName::Class(class), &sent).await.map(drop))
        }
    });
    let answers: Vec<(EventId, Class, Result<(), PublishError>)> = futures_util::future::join_all(publishes).await;

    let refused = answers.iter().filter(|(_, _, answer)| *answer == Err(PublishError::Unroutable)).count();
    assert!(refused > 0, "no return was provoked");
    for (id, class, answer) in &answers {
        assert!(answer.is_ok() || *class == Class::Updates, "{id} has a queue, but: {answer:?}");
    }
    for class in Class::ALL {
        let confirmed: BTreeSet<EventId> = answers
            .iter()
            .filter(|(_, of, answer)| *of == class && answer.is_ok())
            .map(|(id, ..)| id.clone())
            .collect();
        let mut taker = rig.queue.taker(class, 500, "test").unwrap();
        take_until(&mut taker, &confirmed).await;
        taker.finish().await;
    }
    drop(publisher);
    rig.stop().await;
}

/// Clones of one lapin channel can swap confirms. A refused publish would then look confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_under_many_parallel_publishers_is_in_the_queue() {
    let vhost = RabbitMq::shared().await.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();

    let tasks = (0..16_u32).map(|task| {
        let publisher = publisher.clone();
        async move {
            let mut confirmed = BTreeSet::new();
            for serial in task * 100..task * 100 + 100 {
                let sent = Envelope { lane: Lane::new(format!("lane {serial}")), ..envelope(serial) };
                if publisher.publish_all(std::slice::from_ref(&sent)).await.is_ok() {
                    confirmed.insert(sent.id);
                }
            }
            confirmed
        }
    });
    let confirmed: BTreeSet<EventId> = futures_util::future::join_all(tasks).await.into_iter().flatten().collect();

    assert_eq!(confirmed.len(), 1_600);
    let mut taker = rig.taker(500);
    let came = take_until(&mut taker, &confirmed).await;
    assert_eq!(came.len(), 1_600, "some came twice");
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

/// The broker cancels the consumer of a deleted queue, and lapin's stream then simply ends. 3.10 may not even cancel it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_declared_again_and_taken_from() {
    let vhost = RabbitMq::shared().await.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    let mut taker = rig.taker(10);
    let _confirmed = publisher.publish_all(&envelopes(0..1)).await.unwrap();
    take(&mut taker, 1).await.remove(0).acknowledge();

    vhost.delete_queue("meta.messages.v2.11").await;

    publishing_works_again(&publisher, 1).await;
    take(&mut taker, 1).await.remove(0).acknowledge();
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_is_named_in_the_error_and_nothing_starts() {
    let vhost = RabbitMq::shared().await.vhost();
    let connection = Connection::connect(&vhost.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("meta.updates.v2.3".into(), options, FieldTable::default()).await.unwrap();

    let refused = Rig::try_open(&QueueSettings::at(vhost.url())).await.map(drop);

    let Err(error @ QueueError::Mismatch { .. }) = refused else { panic!("{refused:?}") };
    let text = error.to_string();
    assert!(text.contains("meta.updates.v2.3") && text.contains("delete it"), "{text}");
}

/// Another program or a newer version may have published it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_envelope_is_handed_out_with_its_fault() {
    let vhost = RabbitMq::shared().await.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let connection = Connection::connect(&vhost.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default();
    channel.basic_publish("".into(), "meta.messages.v2.11".into(), options, b"hello", properties).await.unwrap();

    let mut taker = rig.taker(10);
    let taken = take(&mut taker, 1).await.remove(0);

    assert!(taken.fault.is_some());
    assert_eq!(&taken.envelope.body[..], b"hello");
    taken.acknowledge();
    taker.finish().await;
    rig.stop().await;
}

/// Other programs' ids need not be unique. One message must not be acknowledged with the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_messages_that_are_no_envelopes_and_share_an_id_are_both_handed_out() {
    let vhost = RabbitMq::shared().await.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let connection = Connection::connect(&vhost.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let named = BasicProperties::default().with_message_id("order-1".into());
    for body in [b"first", b"other"] {
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), "meta.messages.v2.11".into(), options, body, named.clone()).await.unwrap();
    }

    let mut taker = rig.taker(10);
    let taken = take(&mut taker, 2).await;

    assert_eq!([&taken[0], &taken[1]].map(|taken| &taken.envelope.body[..]), [b"first", b"other"]);
    assert!(taken.iter().all(|taken| taken.envelope.id.as_str().starts_with("order-1.")));
    taken.into_iter().for_each(queue::Taken::acknowledge);
    taker.finish().await;
    rig.stop().await;
}

/// Publishing would wait for AMQP channels that it never gets.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_grants_too_few_amqp_channels_is_refused_at_the_start_with_what_to_do() {
    let broker = RabbitMq::start().await;
    let settings = QueueSettings::at(broker.vhost().url());
    let rig = Rig::open(&settings).await;
    rig.stop().await;

    broker.control(&["set_user_limits", "guest", r#"{"max-channels": 8}"#]).await;
    let refused = Rig::try_open(&settings).await.map(drop).map_err(|error| error.to_string());
    assert!(refused.as_ref().is_err_and(|error| error.contains("set_user_limits")), "{refused:?}");
    broker.control(&["clear_user_limits", "guest", "all"]).await;

    broker.limit_channels(8).await;
    let refused = Rig::try_open(&settings).await.map(drop).map_err(|error| error.to_string());
    assert!(refused.as_ref().is_err_and(|error| error.contains("channel_max")), "{refused:?}");
}

/// The broker logs a refusal, and so does lapin, as an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_may_not_declare_is_refused_nothing_at_its_start() {
    const REFUSAL: &str = "access_refused";
    let broker = RabbitMq::start().await;
    let url = broker.vhost().url();
    Rig::open(&QueueSettings::at(&url)).await.stop().await;
    let settings = QueueSettings::at(testkit::as_process(&url, "ingest"));

    let shutdown = chassis::Shutdown::default();
    let metrics = queue::Metrics::register(&prometheus::Registry::new()).unwrap();
    let queue = queue::Queue::open_declared(&settings, metrics, &shutdown).await.unwrap();
    let _confirmed = queue.publisher().publish_all(&envelopes(0..1)).await.unwrap();
    assert!(!broker.is_on_disk(REFUSAL));

    // Whoever tries to declare is refused, and that is seen.
    Rig::open(&settings).await.stop().await;
    testkit::eventually("the broker logs it", async || broker.is_on_disk(REFUSAL).then_some(())).await;
}
