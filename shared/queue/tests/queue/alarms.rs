//! Alarms and slow confirms: whoever waits for an answer gets one in time, and nothing is queued twice because of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event::{Class, Envelope};
use queue::{Held, PublishError, QueueName, QueueSettings};
use testkit::{RabbitMq, eventually};
use tokio::time::timeout;

use crate::rig::{Rig, dead_letters, envelope, envelopes, ids, publishing_works_again, take, waiting};

/// Shorter than any time-out of ours.
const AT_ONCE: Duration = Duration::from_secs(1);

/// In alarm the broker reads nothing from a connection that publishes, not even acknowledgements.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_refuses_every_publish_at_once_and_still_gets_acknowledgements() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..3)).await.expect("the broker is well");
    let mut taker = rig.taker(10);
    let taken = take(&mut taker, 3).await;

    broker.raise_memory_alarm().await;
    let started = Instant::now();
    let publishes = (3..203).map(|serial| {
        let publisher = publisher.clone();
        async move { publisher.publish_all(&envelopes(serial..serial + 1)).await.map(drop) }
    });
    let refused = futures_util::future::join_all(publishes).await;
    assert_eq!(refused, vec![Err(PublishError::Blocked); 200]);
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    assert_eq!(rig.queue.trouble(), Some("the broker is blocked by an alarm"));
    taken.into_iter().for_each(queue::Taken::acknowledge);
    let depths = timeout(AT_ONCE, rig.queue.depths()).await.expect("depths are read on another connection");
    assert!(depths.is_ok(), "{depths:?}");

    broker.clear_memory_alarm().await;
    publishing_works_again(&publisher, 1_000).await;
    taker.finish().await;
    let depth = eventually("the depth can be read", async || waiting(&rig.queue).await).await;
    assert!(depth <= 201, "{depth} wait, but the three acknowledged ones must be gone");
    drop(publisher);
    rig.stop().await;
}

/// lapin keeps the bodies until the broker reads again, whether their callers wait or not.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_publish_holds_is_given_back_when_the_queue_has_let_go_of_it_and_not_before() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    let held: Held = Arc::new(());

    broker.raise_memory_alarm().await;
    let refused = publisher.publish_all_holding(&envelopes(0..1), Arc::clone(&held)).await.map(drop);
    let refused_at_once = publisher.publish_all_holding(&envelopes(1..2), Arc::clone(&held)).await.map(drop);
    assert_eq!([refused, refused_at_once], [Err(PublishError::Blocked); 2]);
    // The first is in lapin's buffer, the second nowhere.
    eventually("the second is given back", async || (Arc::strong_count(&held) == 2).then_some(())).await;
    let refused = publisher.publish_all(&envelopes(2..3)).await.map(drop);
    assert_eq!((refused, Arc::strong_count(&held)), (Err(PublishError::Blocked), 2), "the alarm goes on");

    broker.clear_memory_alarm().await;
    eventually("it is given back", async || (Arc::strong_count(&held) == 1).then_some(())).await;
    drop(publisher);
    rig.stop().await;
}

/// The copy of an envelope, whose original stays in flight, must not be queued twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_that_is_late_settles_its_own_publish_and_holds_up_no_other_queue() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    vhost.pause_queue("meta.dead.v1").await;

    let parked = envelope(0);
    let mut late = Box::pin(publisher.publish(QueueName::Dead, &parked));
    let far_too_late = timeout(Duration::from_secs(7), &mut late).await;
    assert!(far_too_late.is_err(), "it is awaited: {far_too_late:?}");
    let others = Envelope { class: Class::Updates, ..envelope(1) };
    let at_once = timeout(AT_ONCE, publisher.publish_all(std::slice::from_ref(&others))).await;
    assert!(matches!(at_once, Ok(Ok(_))), "{at_once:?}");
    vhost.resume_queue("meta.dead.v1").await;

    let confirmed = timeout(Duration::from_secs(5), late).await;
    assert!(matches!(confirmed, Ok(Ok(_))), "{confirmed:?}");
    assert_eq!(ids(&dead_letters(&rig.queue).await.expect("nobody else scans")), [parked.id]);
    drop(publisher);
    rig.stop().await;
}

/// ingest has answered 503 by then, and Meta sends it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_waits_too_long_is_refused_in_time_and_not_sent_once_its_caller_is_gone() {
    let broker = RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let publisher = rig.queue.publisher();
    vhost.pause_queue("meta.messages.v2.11").await;

    let started = Instant::now();
    let sent = envelopes(0..1);
    let mut first = Box::pin(publisher.publish_all(&sent));
    let under_way = timeout(Duration::from_millis(500), &mut first).await;
    assert!(under_way.is_err(), "{under_way:?}");
    let abandoned = timeout(Duration::from_millis(100), publisher.publish_all(&envelopes(1..2))).await;
    assert!(abandoned.is_err(), "{abandoned:?}");
    assert_eq!(first.await.map(drop), Err(PublishError::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(4), "Meta waits 5 s, and ingest 4 s");
    vhost.resume_queue("meta.messages.v2.11").await;

    publishing_works_again(&publisher, 2).await;
    let mut taker = rig.taker(10);
    let mut came: Vec<_> = take(&mut taker, 2).await.iter().map(|taken| taken.envelope.id.clone()).collect();
    came.sort();
    assert_eq!(came, [envelope(0).id, envelope(2).id]);
    drop(publisher);
    taker.finish().await;
    rig.stop().await;
}
