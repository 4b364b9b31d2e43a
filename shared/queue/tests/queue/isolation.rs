//! One queue in trouble is no trouble of the other class: neither for what it has in flight nor for what is published.

use std::time::Duration;

use event::{Class, Envelope, Lane};
use queue::{PublishError, QueueSettings};
use testkit::{RabbitMq, as_process, eventually, eventually_within};

use crate::rig::{Rig, envelope, envelopes, nothing_comes, publishing_works_again, take};

/// The queue's Raft server is stopped: the broker knows the queue, and answers nothing about it.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_in_trouble_costs_the_other_class_no_redelivery_and_makes_the_process_not_ready() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    let mut taker = rig.taker(200);
    let updates = rig.queue.taker(Class::Updates, 10, "test").expect("nobody else takes");
    eventually("both classes are taken", async || rig.queue.trouble().is_none().then_some(())).await;
    let _confirmed = publisher.publish_all(&envelopes(0..100)).await.expect("the broker is well");
    let in_flight = take(&mut taker, 100).await;

    vhost.stop_queue("meta.updates.v2.3").await;
    eventually_within(Duration::from_mins(1), "the trouble is noticed", async || {
        rig.queue.trouble().filter(|trouble| trouble.contains("updates"))
    })
    .await;
    for serial in 100..115 {
        let sent = [envelope(serial)];
        let again = eventually("messages are accepted", async || publisher.publish_all(&sent).await.ok()).await;
        drop(again);
        take(&mut taker, 1).await.remove(0).acknowledge();
        assert!(nothing_comes(&mut taker).await, "something in flight was handed out again");
    }

    assert!(rig.shows("queue_redelivered_total 0"), "{}", rig.metrics());
    in_flight.into_iter().for_each(queue::Taken::acknowledge);
    drop(publisher);
    drop(updates);
    taker.finish().await;
    rig.stop().await;
}

/// Meta gets 503 for what the broken queue does not confirm, and for nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_confirmed_at_once_while_the_queue_of_updates_confirms_nothing() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    vhost.pause_queue("meta.updates.v2.3").await;

    let stuck = async {
        let updates = (0..40).map(|serial| {
            let lane = Lane::new(format!("lane {serial}"));
            Envelope { class: Class::Updates, lane, ..envelope(serial) }
        });
        publisher.publish_all(&updates.collect::<Vec<_>>()).await.map(drop)
    };
    let others = async {
        let mut slow = Vec::new();
        for serial in 100..300 {
            let sent = [Envelope { lane: Lane::new(format!("lane {serial}")), ..envelope(serial) }];
            let answer = tokio::time::timeout(Duration::from_secs(1), publisher.publish_all(&sent)).await;
            if !matches!(answer, Ok(Ok(_))) {
                slow.push((serial, answer.map(|answer| answer.map(drop))));
            }
        }
        slow
    };
    let answers = tokio::join!(stuck, others);

    assert_eq!(answers, (Err(PublishError::TimedOut), Vec::new()));
    vhost.resume_queue("meta.updates.v2.3").await;
    drop(publisher);
    rig.stop().await;
}

/// A start in bad company: the broker answers nothing about one of the queues.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_while_a_queue_is_in_trouble_works_on_the_others() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let first = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = first.queue.publisher();
    publishing_works_again(&publisher, 0).await;
    drop(publisher);
    first.stop().await;
    vhost.stop_queue("meta.updates.v2.3").await;

    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    let mut taker = rig.taker(10);
    let updates = rig.queue.taker(Class::Updates, 10, "test").expect("nobody else takes");

    publishing_works_again(&publisher, 1).await;
    let taken = take(&mut taker, 2).await;
    assert_eq!(
        taken.iter().map(|taken| taken.envelope.id.clone()).collect::<Vec<_>>(),
        [0, 1].map(|serial| envelope(serial).id)
    );
    taken.into_iter().for_each(queue::Taken::acknowledge);
    eventually("the trouble is shown", async || rig.queue.trouble().filter(|trouble| trouble.contains("updates")))
        .await;
    drop(publisher);
    drop(updates);
    taker.finish().await;
    rig.stop().await;
}

/// Ingest's user may do nothing but publish. It needs no other right, once somebody else has declared the queues.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_may_not_declare_uses_the_queues_that_others_have_declared() {
    let vhost = RabbitMq::shared().await.vhost();
    let ingest = Rig::open(&QueueSettings::at(as_process(&vhost.url(), "ingest"))).await;
    let publisher = ingest.queue.publisher();
    assert!(publisher.publish_all(&[envelope(1)]).await.is_err(), "there is no queue yet");

    let dispatcher = Rig::open(&QueueSettings::at(as_process(&vhost.url(), "dispatcher"))).await;
    publishing_works_again(&publisher, 2).await;

    let mut taker = dispatcher.taker(1);
    let taken = take(&mut taker, 1).await.remove(0);
    assert_eq!(taken.envelope.id, envelope(2).id);
    taken.acknowledge();
    taker.finish().await;
    // A connection that is made again finds the queues.
    drop(publisher);
    ingest.stop().await;
    let ingest = Rig::open(&QueueSettings::at(as_process(&vhost.url(), "ingest"))).await;
    publishing_works_again(&ingest.queue.publisher(), 3).await;
    dispatcher.stop().await;
    ingest.stop().await;
}
