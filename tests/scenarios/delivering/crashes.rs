//! A worker killed at each step of settling: before the copy or marker is safe, before the acknowledgement has arrived,
//! after it. No event is lost, none is repeated more than once, and nothing is left behind.

use std::time::Duration;

use channels::{Lookup, LookupAnswer};
use event::{Address, Class, EventId, Lane};
use queue::{Place, Tier};
use testkit::eventually;

use crate::support::bodies::{ADDRESS, text};
use crate::support::stack::{DSK_TOKEN, Stack};
use crate::support::two_tenants::{OTHER_NUMBER, message, other_channel};

/// How a process introduces its two connections to the broker.
const PUBLISHING: &str = "meta-integration-service publish";
const TAKING: &str = "meta-integration-service take";
/// Long enough to pull out a cable before DSK has answered.
const ANSWER_DELAY: Duration = Duration::from_secs(4);
/// An event is at DSK, which has not answered yet.
async fn asked(answer: u16) -> Stack {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| (dsk.answer, dsk.delay) = (Some(answer), ANSWER_DELAY));
    assert_eq!(stack.processes.post(text(1)).await, 200);
    eventually("DSK is asked", async || (stack.processes.dsk.under_way() == 1).then_some(())).await;
    stack
}

/// An event of a channel that is not stored, which will send it to the 10 s retry queue at once, is in hand and not
/// looked up yet, because Redis is away.
async fn held_for_its_channel() -> Stack {
    let stack = Stack::start().await;
    stack.redis_link.cut();
    assert_eq!(stack.processes.post(message(OTHER_NUMBER, 0)).await, 200);
    says(&stack, "Holding all events").await;
    stack
}

/// A worker that is handed the next event only after the broker has heard the acknowledgement of the last.
async fn one_at_a_time() -> Stack {
    let mut stack = Stack::start().await;
    assert_eq!(stack.processes.dispatchers.remove(0).stop().await, Some(0));
    stack.processes.extra_settings.push(("MESSAGES_WINDOW", "1".to_owned()));
    stack.processes.add_dispatcher().await;
    stack
}

async fn says(stack: &Stack, what: &str) {
    let worker = &stack.processes.dispatchers[0];
    eventually(&format!("the worker says {what:?}"), async || worker.said().contains(what).then_some(())).await;
}

/// Kills the worker, loses what its cables held, and starts another.
async fn kill_and_start_again(stack: &mut Stack) {
    stack.processes.dispatchers.remove(0).kill().await;
    for link in [&stack.broker_link, &stack.redis_link] {
        link.cut();
        link.mend();
    }
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::ZERO);
    stack.processes.add_dispatcher().await;
}

/// Stops the worker, which gives back whatever it has not settled: there must be nothing.
async fn nothing_is_left(stack: &mut Stack) {
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0));
    for place in [Place::Class(Class::Messages), Place::Retry(Class::Messages, Tier::TenSeconds)] {
        let depth = eventually("the broker answers", async || stack.depth(place).await).await;
        assert_eq!(depth, 0, "{place:?}");
    }
}

/// Ids of the dead letters.
async fn parked(stack: &Stack) -> Vec<EventId> {
    stack.dead_letters().await.into_iter().map(|letter| letter.envelope.id).collect()
}

async fn is_marked(stack: &Stack, id: &EventId) -> bool {
    let lookup = Lookup { id, address: &Address::new(ADDRESS), lane: &Lane::new(ADDRESS) };
    matches!(stack.store().look_up(&[lookup]).await.expect("the store answers")[..], [LookupAnswer::Delivered])
}

/// The only event that DSK was asked about.
fn only_event(stack: &Stack) -> EventId {
    let seen = stack.processes.dsk.seen();
    assert!(seen.iter().all(|other| other.id == seen[0].id), "{seen:?}");
    EventId::new(seen[0].id.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_its_dead_letter_is_safe_the_event_is_asked_again_and_parked_once() {
    let mut stack = asked(400).await;
    stack.broker_link.stall_sending_of(PUBLISHING);
    says(&stack, "Could not publish a copy").await;
    assert!(parked(&stack).await.is_empty());

    kill_and_start_again(&mut stack).await;

    says(&stack, "Parked event").await;
    nothing_is_left(&mut stack).await;
    assert_eq!(parked(&stack).await, [only_event(&stack)]);
    assert_eq!(stack.processes.dsk.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_dead_letter_and_acknowledgement_the_event_is_repeated_once() {
    let mut stack = asked(400).await;
    stack.broker_link.stall_sending_of(TAKING);
    says(&stack, "Parked event").await;
    assert_eq!(parked(&stack).await, [only_event(&stack)]);

    kill_and_start_again(&mut stack).await;

    says(&stack, "Parked event").await;
    nothing_is_left(&mut stack).await;
    let event = only_event(&stack);
    assert_eq!(parked(&stack).await, [event.clone(), event]);
    assert_eq!(stack.processes.dsk.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_acknowledgement_of_a_dead_letter_it_stays_the_only_one() {
    let mut stack = one_at_a_time().await;
    stack.processes.dsk.behave(|dsk| dsk.script.push_back(400));
    assert_eq!(stack.processes.post(text(1)).await, 200);
    says(&stack, "Parked event").await;
    let event = only_event(&stack);
    assert_eq!(stack.processes.post(text(2)).await, 200);
    stack.processes.delivered(1).await;

    kill_and_start_again(&mut stack).await;

    stack.processes.post_until_accepted(text(3)).await;
    stack.processes.delivered(2).await;
    nothing_is_left(&mut stack).await;
    assert!(!stack.processes.dispatchers[0].said().contains(event.as_str()), "it was taken again");
    assert_eq!(parked(&stack).await, [event]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_marker_is_written_the_event_is_delivered_at_most_twice() {
    let mut stack = asked(200).await;
    stack.redis_link.stall();
    // Without its marker an event is acknowledged all the same, after a time: not in this test.
    stack.broker_link.stall_sending_of(TAKING);
    stack.processes.delivered(1).await;
    assert!(!is_marked(&stack, &only_event(&stack)).await);

    kill_and_start_again(&mut stack).await;

    eventually("DSK is asked again", async || (stack.processes.dsk.requests() == 2).then_some(())).await;
    nothing_is_left(&mut stack).await;
    assert!(is_marked(&stack, &only_event(&stack)).await);
    assert_eq!(stack.processes.dsk.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_marker_and_acknowledgement_the_event_is_not_repeated() {
    let mut stack = asked(200).await;
    stack.broker_link.stall_sending_of(TAKING);
    stack.processes.delivered(1).await;
    let event = only_event(&stack);
    eventually("it is marked", async || is_marked(&stack, &event).await.then_some(())).await;

    kill_and_start_again(&mut stack).await;

    says(&stack, &format!("Event {event} needs no delivery")).await;
    nothing_is_left(&mut stack).await;
    assert_eq!(stack.processes.dsk.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_acknowledgement_of_a_delivery_the_event_is_not_taken_again() {
    let mut stack = one_at_a_time().await;
    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(1).await;
    let event = only_event(&stack);
    assert_eq!(stack.processes.post(text(2)).await, 200);
    stack.processes.delivered(2).await;

    kill_and_start_again(&mut stack).await;

    stack.processes.post_until_accepted(text(3)).await;
    stack.processes.delivered(3).await;
    nothing_is_left(&mut stack).await;
    assert!(!stack.processes.dispatchers[0].said().contains(event.as_str()), "it was taken again");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_its_retry_is_safe_the_event_is_delivered_once() {
    let mut stack = held_for_its_channel().await;
    stack.broker_link.stall_sending_of(PUBLISHING);
    stack.redis_link.mend();
    says(&stack, "Could not publish a copy").await;
    assert_eq!(stack.depth(Place::Retry(Class::Messages, Tier::TenSeconds)).await, Some(0));

    other_channel(&stack, DSK_TOKEN, None).await;
    kill_and_start_again(&mut stack).await;

    stack.processes.delivered(1).await;
    nothing_is_left(&mut stack).await;
    assert_eq!(stack.processes.dsk.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_retry_and_acknowledgement_the_second_copy_is_not_delivered() {
    let mut stack = held_for_its_channel().await;
    stack.broker_link.stall_sending_of(TAKING);
    stack.redis_link.mend();
    says(&stack, "Will retry event").await;

    other_channel(&stack, DSK_TOKEN, None).await;
    kill_and_start_again(&mut stack).await;

    eventually("both copies are taken", async || {
        let taken = r#"queue_taken_total{class="messages"}"#;
        (stack.processes.dispatcher_metric(taken).await >= 2.0).then_some(())
    })
    .await;
    stack.processes.delivered(1).await;
    nothing_is_left(&mut stack).await;
    assert_eq!(stack.processes.dsk.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_acknowledgement_of_a_retry_the_event_comes_back_once() {
    let mut stack = one_at_a_time().await;
    assert_eq!(stack.processes.post(message(OTHER_NUMBER, 0)).await, 200);
    says(&stack, "Will retry event").await;
    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(1).await;
    let other = only_event(&stack);

    other_channel(&stack, DSK_TOKEN, None).await;
    kill_and_start_again(&mut stack).await;

    stack.processes.delivered(2).await;
    nothing_is_left(&mut stack).await;
    let late = stack.processes.dsk.seen().into_iter().filter(|seen| seen.id != other.as_str());
    assert_eq!(late.count(), 1, "the event came back more than once");
}
