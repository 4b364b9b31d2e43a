//! Retry queues hold an event for their time and return it with its count of attempts.

use std::time::{Duration, Instant};

use event::Class;
use queue::{QueueName, Tier};
use testkit::eventually;

use crate::support::bodies::text;
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::Stack;
use crate::support::two_tenants::{OTHER_NUMBER, message, other_channel};

async fn will_retry(stack: &Stack) {
    eventually("the event will be retried", async || {
        stack.processes.logged().contains("Will retry event").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_channel_returns_after_ten_seconds_with_no_attempt_used_up() {
    let stack = Stack::start().await;

    let started = Instant::now();
    assert_eq!(stack.processes.post(message(OTHER_NUMBER, 0)).await, 200);
    will_retry(&stack).await;
    other_channel(&stack, DSK_TOKEN, None).await;
    stack.processes.delivered(1).await;

    let took = started.elapsed();
    println!("delivered through the 10 s retry queue after {took:?}");
    assert!((Duration::from_secs(10)..Duration::from_mins(1)).contains(&took), "{took:?}");
    assert_eq!(stack.processes.dsk.seen()[0].attempt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_channel_stays_unknown_waits_longer_the_second_time() {
    let mut stack = Stack::start().await;

    assert_eq!(stack.processes.post(message(OTHER_NUMBER, 0)).await, 200);

    for tier in ["10s", "1m"] {
        let retries = format!(r#"dispatcher_retries_total{{tier="{tier}"}}"#);
        eventually(&format!("it is retried after {tier}"), async || {
            (stack.processes.dispatcher_metric(&retries).await >= 1.0).then_some(())
        })
        .await;
    }
    let place = QueueName::Retry(Class::Messages, Tier::OneMinute);
    eventually("it waits in the 1 minute retry queue", async || (stack.depth(place).await == Some(1)).then_some(()))
        .await;
    assert_eq!(stack.processes.dsk.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_keeps_failing_returns_from_its_retry_queue_with_its_attempts_counted() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(503));

    assert_eq!(stack.processes.post(text(1)).await, 200);
    will_retry(&stack).await;
    let in_place = stack.processes.dsk.requests();
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    stack.processes.delivered(1).await;

    let attempts: Vec<usize> = stack.processes.dsk.seen().iter().map(|seen| seen.attempt as usize).collect();
    assert!(attempts.len() > in_place);
    assert_eq!(attempts, (1..=attempts.len()).collect::<Vec<_>>(), "an attempt was not counted, or was counted twice");
}
