//! Faults: cut cables and killed brokers. They make an event late, but never lose it or hand it out twice at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event::{Envelope, EventId, Lane};
use queue::{PublishError, QueueSettings};
use testkit::{Link, RabbitMq, eventually};

use crate::rig::{Rig, envelope, envelopes, nothing_comes, publishing_works_again, take, take_until, waiting};

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_does_not_hand_out_again_what_is_in_flight() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let link = Link::to(broker.address()).await;
    let rig = Rig::open(&QueueSettings::at(vhost.url_through(&link))).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..20)).await.unwrap();
    let mut taker = rig.taker(50);
    let mut taken = take(&mut taker, 20).await;

    link.cut();
    taken.drain(..10).for_each(queue::Taken::acknowledge);
    link.mend();

    publishing_works_again(&publisher, 20).await;
    let new = take(&mut taker, 1).await.remove(0);
    assert_eq!(new.envelope.id, envelope(20).id, "something in flight was handed out again");
    assert!(nothing_comes(&mut taker).await, "something in flight was handed out again");

    taken.into_iter().chain([new]).for_each(queue::Taken::acknowledge);
    taker.finish().await;
    eventually("the queue is empty", async || (waiting(&rig.queue).await == Some(0)).then_some(())).await;
    drop(publisher);
    rig.stop().await;
}

/// Whoever drops what only waits leaves it to others; what is attempted must not be handed out beside its attempt.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_the_connection_is_lost_can_be_dropped_and_comes_again_and_nothing_else_does() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let link = Link::to(broker.address()).await;
    let rig = Rig::open(&QueueSettings::at(vhost.url_through(&link))).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..30)).await.unwrap();
    let mut taker = rig.taker(30);
    let mut losses = taker.losses();
    let mut attempted = take(&mut taker, 20).await;
    assert!(attempted.iter().all(|taken| !taken.is_lost()));

    link.cut();
    // Each partition notices it for itself.
    while !attempted.iter().all(queue::Taken::is_lost) {
        losses.changed().await.unwrap();
    }
    let dropped: BTreeSet<EventId> = attempted.drain(5..).map(|taken| taken.envelope.id.clone()).collect();
    link.mend();

    // Ten more had been handed out and were not asked for yet.
    let again = take(&mut taker, 25).await;
    let ids: BTreeSet<EventId> = again.iter().map(|taken| taken.envelope.id.clone()).collect();
    assert!(ids.is_superset(&dropped) && ids.len() == 25, "{ids:?}");
    assert!(again.iter().all(|taken| !taken.is_lost()));
    assert!(nothing_comes(&mut taker).await, "what is attempted was handed out again");
    attempted.into_iter().chain(again).for_each(queue::Taken::acknowledge);
    taker.finish().await;
    eventually("the queue is empty", async || (waiting(&rig.queue).await == Some(0)).then_some(())).await;
    drop(publisher);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_fails_at_once_while_the_broker_is_away_and_works_again_after() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let link = Link::to(broker.address()).await;
    let rig = Rig::open(&QueueSettings::at(vhost.url_through(&link))).await;
    let publisher = rig.queue.publisher();

    link.cut();
    eventually("the loss is noticed", async || {
        (publisher.publish_all(&envelopes(0..1)).await.map(drop) == Err(PublishError::Away)).then_some(())
    })
    .await;
    assert!(rig.queue.trouble().is_some());

    link.mend();
    publishing_works_again(&publisher, 1).await;
    drop(publisher);
    rig.stop().await;
}

/// Meta repeats what was refused, but less and less often.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_refused_once_the_connection_is_back() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let link = Link::to(broker.address()).await;
    let rig = Rig::open(&QueueSettings::at(vhost.url_through(&link))).await;
    let publisher = rig.queue.publisher();
    // Of many lanes, so that every publishing task has some.
    let sent: Vec<_> =
        (0..64).map(|serial| Envelope { lane: Lane::new(format!("lane {serial}")), ..envelope(serial) }).collect();
    let _confirmed = publisher.publish_all(&sent).await.unwrap();

    link.cut();
    eventually("the loss is noticed", async || rig.queue.trouble()).await;
    link.mend();
    eventually("the connection is back", async || rig.queue.trouble().is_none().then_some(())).await;

    let again = publisher.publish_all(&sent).await.map(drop);
    assert_eq!(again, Ok(()));
    drop(publisher);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_cable_is_noticed_and_no_confirm_is_made_up() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let link = Link::to(broker.address()).await;
    let rig = Rig::open(&QueueSettings::at(vhost.url_through(&link))).await;
    let publisher = rig.queue.publisher();

    link.stall();
    let answer = publisher.publish_all(&envelopes(0..1)).await.map(drop);
    assert!(matches!(answer, Err(PublishError::TimedOut | PublishError::Away)), "{answer:?}");

    link.mend();
    publishing_works_again(&publisher, 1).await;
    drop(publisher);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_confirmed_before_it_was_killed_is_there_when_it_is_back() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let tasks = (0..8_u32).map(|task| {
        let publisher = rig.queue.publisher();
        let is_over = Arc::clone(&is_over);
        async move {
            let mut confirmed = BTreeSet::<EventId>::new();
            for serial in task * 100_000.. {
                if is_over.load(Ordering::Relaxed) {
                    return confirmed;
                }
                let sent = Envelope { lane: Lane::new(format!("lane {task}")), ..envelope(serial) };
                match publisher.publish_all(std::slice::from_ref(&sent)).await {
                    Ok(_) => drop(confirmed.insert(sent.id)),
                    Err(_) => drop(tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await),
                }
            }
            confirmed
        }
    });
    let crash = async {
        eventually("some hundreds wait", async || (waiting(&rig.queue).await? > 300).then_some(())).await;
        broker.kill();
        broker.start_again().await;
        publishing_works_again(&rig.queue.publisher(), 1).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (confirmed, ()) = tokio::join!(futures_util::future::join_all(tasks), crash);

    let confirmed: BTreeSet<EventId> = confirmed.into_iter().flatten().collect();
    assert!(confirmed.len() > 300);
    let mut taker = rig.taker(500);
    take_until(&mut taker, &confirmed).await;
    taker.finish().await;
    rig.stop().await;
}

/// The broker does later what it was asked over a silent cable. A consumer that nobody reads from must keep nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cable_that_falls_silent_at_any_moment_of_a_start_strands_no_envelope() {
    let broker = RabbitMq::shared().await;
    let starts = (0..12).map(|start| async move {
        let vhost = broker.vhost();
        let link = Link::to(broker.address()).await;
        let rig = Rig::open(&QueueSettings::at(vhost.url_through(&link))).await;
        // Twelve brokers' worth of queues are being declared at once.
        publishing_works_again(&rig.queue.publisher(), 0).await;

        let mut taker = rig.taker(10);
        let moment = Duration::from_micros(500 * start);
        let at_once = tokio::time::timeout(moment, taker.take()).await;
        link.stall();
        let silent = tokio::time::timeout(Duration::from_secs(3), taker.take()).await;
        link.mend();

        match at_once.or(silent) {
            Ok(taken) => taken.expect("the process does not stop").acknowledge(),
            Err(_) => take(&mut taker, 1).await.remove(0).acknowledge(),
        }
        taker.finish().await;
        rig.stop().await;
    });

    futures_util::future::join_all(starts).await;
}
