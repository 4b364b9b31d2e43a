//! Whatever breaks, each event that got a 200 is delivered, and none has two attempts at the same time.

use std::time::Duration;

use event::Class;
use testkit::{RabbitMq, eventually};

use crate::support::bodies::text;
use crate::support::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn meta_gets_no_200_while_the_broker_is_away() {
    let stack = Stack::start().await;

    stack.broker_link.cut();
    eventually("ingest answers 503", async || (stack.processes.post(text(1)).await == 503).then_some(())).await;

    stack.broker_link.mend();
    stack.processes.post_until_accepted(text(1)).await;
    stack.processes.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_broker_costs_a_503_before_meta_stops_waiting() {
    let stack = Stack::start().await;

    stack.broker_link.stall();
    assert_eq!(stack.processes.post(text(1)).await, 503, "ingest answers in time");

    stack.broker_link.mend();
    stack.processes.post_until_accepted(text(1)).await;
    stack.processes.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_broker_cable_starts_no_second_attempt_at_the_same_time() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_secs(3));
    for serial in 0..10 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    eventually("ten attempts are under way", async || (stack.processes.dsk.under_way() == 10).then_some(())).await;

    stack.broker_link.cut();
    stack.broker_link.mend();
    eventually("the loss is logged", async || stack.processes.logged().contains("Lost the connection").then_some(()))
        .await;

    stack.processes.delivered(10).await;
    eventually("the queue is empty", async || (stack.waiting(Class::Messages).await == Some(0)).then_some(())).await;
    assert_eq!(stack.processes.dsk.under_way_most(), 1, "an event had two attempts at the same time");
    assert_eq!(stack.processes.dsk.seen().len(), 10, "an event was delivered twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_killed_with_a_hundred_attempts_under_way_loses_none() {
    let mut stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_secs(5));
    for serial in 0..100 {
        let body = String::from_utf8(text(serial).to_vec()).unwrap();
        let lane_each = body.replace("491555000", &format!("49155{serial:04}"));
        assert_eq!(stack.processes.post(lane_each.into()).await, 200);
    }
    eventually("a hundred are under way", async || (stack.processes.dsk.under_way() == 100).then_some(())).await;

    stack.processes.dispatchers[0].kill().await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::ZERO);
    stack.processes.add_dispatcher().await;

    stack.processes.delivered(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_every_event_waits_and_no_attempt_is_used_up() {
    let stack = Stack::start().await;

    stack.redis_link.cut();
    eventually("the loss is logged", async || {
        stack.processes.logged().contains("The channel store failed").then_some(())
    })
    .await;
    for serial in 0..20 {
        assert_eq!(stack.processes.post(text(serial)).await, 200, "ingest needs no Redis");
    }
    eventually("they are held", async || stack.processes.logged().contains("Holding all events").then_some(())).await;
    assert_eq!(stack.processes.dsk.seen().len(), 0);

    stack.redis_link.mend();
    stack.processes.delivered(20).await;
    assert!(stack.processes.dsk.seen().iter().all(|seen| seen.attempt == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_got_a_200_survives_a_killed_broker() {
    let broker = RabbitMq::start().await;
    let stack = Stack::on(&broker, broker.vhost().url()).await;
    let serials = std::sync::atomic::AtomicUsize::new(0);
    let is_over = std::sync::atomic::AtomicBool::new(false);

    let post = async || {
        let mut accepted = 0;
        while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
            let serial = serials.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            // Meta sends again what was not accepted, so every event must arrive in the end.
            stack.processes.post_until_accepted(text(serial)).await;
            accepted += 1;
        }
        accepted
    };
    let crash = async {
        eventually("some are delivered", async || (stack.processes.dsk.events() > 100).then_some(())).await;
        broker.kill();
        broker.start_again().await;
        stack.processes.post_until_accepted(text(1_000_000)).await;
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (first, second, third, fourth, ()) = tokio::join!(post(), post(), post(), post(), crash);

    stack.processes.delivered(first + second + third + fourth + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_costs_a_503_until_its_alarm_ends() {
    let broker = RabbitMq::start().await;
    let stack = Stack::on(&broker, broker.vhost().url()).await;
    assert_eq!(stack.processes.post(text(1)).await, 200);

    broker.raise_memory_alarm().await;
    eventually("ingest answers 503", async || (stack.processes.post(text(2)).await == 503).then_some(())).await;

    broker.clear_memory_alarm().await;
    stack.processes.post_until_accepted(text(2)).await;
    stack.processes.delivered(2).await;
}
