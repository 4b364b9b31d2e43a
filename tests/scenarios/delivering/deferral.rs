//! What is deferred so that others need not wait arrives, once and in the order of its conversation.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::{eventually, eventually_within};

use crate::support::bodies::{self, NUMBER};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::Stack;
use crate::support::two_tenants::{OTHER_NUMBER, other_channel, post};

/// More than a dispatcher has in flight.
const REFUSED: usize = 5_000;
/// Messages in one notification.
const BATCH: usize = 100;
/// How many people send the refused messages in turn.
const PEOPLE: usize = 400;

/// A series that grows while events are deferred.
const DEFERRED: &str = r#"dispatcher_deferred_total{tier="10s"}"#;

/// A stack without a dispatcher, in which more events of a business that DSK refuses wait than may be in flight.
async fn with_refused_events() -> Stack {
    let mut stack = Stack::start().await;
    stack.processes.dispatchers.remove(0).kill().await;
    other_channel(&stack, "a-token-that-dsk-refuses", None).await;
    for first in (0..REFUSED).step_by(BATCH) {
        let body = bodies::many_from(OTHER_NUMBER, first..first + BATCH, PEOPLE);
        assert_eq!(stack.processes.post(body).await, 200);
    }
    stack
}

/// Waits until the first dispatcher defers.
async fn some_are_deferred(stack: &mut Stack) {
    eventually("some are deferred", async || (stack.processes.dispatcher_metric(DEFERRED).await > 0.5).then_some(()))
        .await;
}

#[cfg(feature = "long")]
#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_killed_while_they_defer_lose_nothing() {
    let mut stack = with_refused_events().await;
    for _ in 0..5 {
        stack.processes.add_dispatcher().await;
        some_are_deferred(&mut stack).await;
        stack.processes.dispatchers.remove(0).kill().await;
    }
    other_channel(&stack, DSK_TOKEN, None).await;
    stack.processes.add_dispatcher().await;

    eventually_within(Duration::from_mins(15), "all arrive", async || {
        (stack.processes.dsk.events() == REFUSED).then_some(())
    })
    .await;
    println!("{REFUSED} events, 5 kills, {} requests", stack.processes.dsk.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn deferred_events_arrive_once_and_in_the_order_of_their_conversations() {
    let mut stack = with_refused_events().await;
    stack.processes.add_dispatcher().await;

    some_are_deferred(&mut stack).await;
    post(&stack, NUMBER, 0..20).await;
    eventually("the good ones arrive", async || (stack.processes.dsk.events() >= 20).then_some(())).await;
    other_channel(&stack, DSK_TOKEN, None).await;
    eventually_within(Duration::from_mins(12), "all arrive", async || {
        (stack.processes.dsk.events() == REFUSED + 20).then_some(())
    })
    .await;

    let repeats = check_order(&stack);
    assert_eq!(repeats, 0, "some arrived twice");
    println!("deferred {} times", stack.processes.dispatcher_metric(DEFERRED).await);
}

/// The next dispatcher gets back what the killed one has deferred, and finds later events of the same conversations first.
#[tokio::test(flavor = "multi_thread")]
async fn deferred_events_arrive_in_the_order_of_their_conversations_though_their_dispatcher_was_killed() {
    let mut stack = with_refused_events().await;
    for _ in 0..2 {
        stack.processes.add_dispatcher().await;
        some_are_deferred(&mut stack).await;
        stack.processes.dispatchers.remove(0).kill().await;
    }
    other_channel(&stack, DSK_TOKEN, None).await;
    stack.processes.add_dispatcher().await;

    eventually_within(Duration::from_mins(12), "all arrive", async || {
        (stack.processes.dsk.events() == REFUSED).then_some(())
    })
    .await;
    let repeats = check_order(&stack);
    println!("2 kills, {repeats} repeats");
}

/// Checks that each conversation of the business that was refused first arrived in its order. Returns how many arrived again.
fn check_order(stack: &Stack) -> usize {
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    let mut repeats = 0;
    for request in stack.processes.dsk.seen().into_iter().filter(|request| request.status == 200) {
        if request.is_repeat {
            repeats += 1;
            continue;
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let Some((_, rest)) = body.split_once(&format!("wamid.{OTHER_NUMBER}.")) else { continue };
        let serial = rest.split('"').next().and_then(|serial| serial.parse().ok()).expect("it is a number");
        let before = last.insert(serial % PEOPLE, serial);
        assert!(before < Some(serial), "{serial} after {before:?} in one conversation");
    }
    repeats
}
