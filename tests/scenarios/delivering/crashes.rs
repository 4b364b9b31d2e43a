//! A dispatcher is killed at each step of settling: before the copy or marker is safe, before the acknowledgement has
//! arrived, and after it. No event is lost, none is repeated more than once, and no queue keeps one.

use std::time::Duration;

use channels::{Lookup, LookupAnswer};
use event::{Address, Class, EventId, Lane};
use queue::{QueueName, Tier};
use testkit::{RabbitMq, Vhost, eventually};

use crate::support::bodies::{ADDRESS, text};
use crate::support::dsk::DSK_TOKEN;
use crate::support::partitions::held_in_all;
use crate::support::stack::Stack;
use crate::support::two_tenants::{OTHER_NUMBER, message, other_channel};

/// The name of the connection on which a process publishes.
const PUBLISHING: &str = "meta-integration-service publish";
/// The name of the connection on which it takes messages.
const TAKING: &str = "meta-integration-service messages";
/// Long enough to cut a cable before DSK has answered.
const ANSWER_DELAY: Duration = Duration::from_secs(4);

/// A stack whose DSK has received an event and will give this answer.
async fn with_an_attempt_under_way(answer: u16) -> Stack {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| {
        dsk.answer = Some(answer);
        dsk.delay = ANSWER_DELAY;
    });
    assert_eq!(stack.processes.post(text(1)).await, 200);
    eventually("the attempt is under way", async || (stack.processes.dsk.under_way() == 1).then_some(())).await;
    stack
}

/// A stack with an event in flight that waits for Redis. Its channel is not stored, so it goes to the 10 s retry queue
/// as soon as Redis answers.
async fn with_an_event_waiting_for_redis() -> Stack {
    let stack = Stack::start().await;
    stack.redis_link.cut();
    assert_eq!(stack.processes.post(message(OTHER_NUMBER, 0)).await, 200);
    logs(&stack, "Holding all events").await;
    stack
}

/// Waits until the broker has every acknowledgement: nothing waits in the queue of messages or is in flight.
async fn all_is_acknowledged(vhost: &Vhost<'_>) {
    eventually("the broker has all acknowledgements", async || {
        (held_in_all(vhost, Class::Messages).await == 0).then_some(())
    })
    .await;
}

/// Waits until the dispatcher logs this.
async fn logs(stack: &Stack, what: &str) {
    let worker = &stack.processes.dispatchers[0];
    eventually(&format!("the dispatcher logs {what:?}"), async || worker.logged().contains(what).then_some(())).await;
}

/// Kills the dispatcher, loses what its cables held, and starts another.
async fn kill_and_start_again(stack: &mut Stack) {
    stack.processes.dispatchers.remove(0).kill().await;
    for link in [&stack.broker_link, &stack.redis_link] {
        link.cut();
        link.mend();
    }
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::ZERO);
    stack.processes.add_dispatcher().await;
}

/// Stops the dispatcher, which gives back what it has not settled, and checks that there is nothing.
async fn nothing_is_unsettled(stack: &mut Stack) {
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0));
    for place in [QueueName::Class(Class::Messages), QueueName::Retry(Class::Messages, Tier::TenSeconds)] {
        let depth = eventually("the broker answers", async || stack.depth(place).await).await;
        assert_eq!(depth, 0, "{place:?}");
    }
}

/// The ids of the dead letters.
async fn parked(stack: &Stack) -> Vec<EventId> {
    stack.dead_letters().await.into_iter().map(|letter| letter.envelope.id).collect()
}

async fn is_marked(stack: &Stack, id: &EventId) -> bool {
    let received_at = chassis::now();
    let lookup =
        Lookup { id, address: &Address::new(ADDRESS), lane: &Lane::new(ADDRESS), is_about_account: false, received_at };
    matches!(stack.store().look_up(&[lookup]).await.expect("the store answers")[..], [LookupAnswer::Delivered])
}

/// The only event that DSK received.
fn only_event(stack: &Stack) -> EventId {
    let seen = stack.processes.dsk.seen();
    assert!(seen.iter().all(|other| other.id == seen[0].id), "{seen:?}");
    EventId::new(seen[0].id.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_dead_letter_is_safe_the_event_is_attempted_again_and_parked_once() {
    let mut stack = with_an_attempt_under_way(400).await;
    stack.broker_link.stall_sending_of(PUBLISHING);
    logs(&stack, "Could not publish a copy").await;
    assert!(parked(&stack).await.is_empty());

    kill_and_start_again(&mut stack).await;

    logs(&stack, "Parked event").await;
    nothing_is_unsettled(&mut stack).await;
    assert_eq!(parked(&stack).await, [only_event(&stack)]);
    assert_eq!(stack.processes.dsk.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_dead_letter_and_acknowledgement_the_event_is_repeated_once() {
    let mut stack = with_an_attempt_under_way(400).await;
    stack.broker_link.stall_sending_of(TAKING);
    logs(&stack, "Parked event").await;
    assert_eq!(parked(&stack).await, [only_event(&stack)]);

    kill_and_start_again(&mut stack).await;

    logs(&stack, "Parked event").await;
    nothing_is_unsettled(&mut stack).await;
    let event = only_event(&stack);
    assert_eq!(parked(&stack).await, [event.clone(), event]);
    assert_eq!(stack.processes.dsk.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_acknowledgement_of_a_dead_letter_there_is_only_that_one() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let mut stack = Stack::on(broker, vhost.url()).await;
    stack.processes.dsk.behave(|dsk| dsk.script.push_back(400));
    assert_eq!(stack.processes.post(text(1)).await, 200);
    logs(&stack, "Parked event").await;
    let event = only_event(&stack);
    all_is_acknowledged(&vhost).await;

    kill_and_start_again(&mut stack).await;

    stack.processes.post_until_accepted(text(2)).await;
    stack.processes.delivered(1).await;
    nothing_is_unsettled(&mut stack).await;
    assert!(!stack.processes.dispatchers[0].logged().contains(event.as_str()), "it was taken again");
    assert_eq!(parked(&stack).await, [event]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_marker_is_written_the_event_is_delivered_at_most_twice() {
    let mut stack = with_an_attempt_under_way(200).await;
    stack.redis_link.stall();
    // An event is acknowledged after some time even without its marker; the cut cable prevents that here.
    stack.broker_link.stall_sending_of(TAKING);
    stack.processes.delivered(1).await;
    assert!(!is_marked(&stack, &only_event(&stack)).await);

    kill_and_start_again(&mut stack).await;

    eventually("the event is attempted again", async || (stack.processes.dsk.requests() == 2).then_some(())).await;
    nothing_is_unsettled(&mut stack).await;
    assert!(is_marked(&stack, &only_event(&stack)).await);
    assert_eq!(stack.processes.dsk.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_marker_and_acknowledgement_the_event_is_not_repeated() {
    let mut stack = with_an_attempt_under_way(200).await;
    stack.broker_link.stall_sending_of(TAKING);
    stack.processes.delivered(1).await;
    let event = only_event(&stack);
    eventually("it is marked", async || is_marked(&stack, &event).await.then_some(())).await;

    kill_and_start_again(&mut stack).await;

    logs(&stack, &format!("Event {event} needs no delivery")).await;
    nothing_is_unsettled(&mut stack).await;
    assert_eq!(stack.processes.dsk.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_acknowledgement_of_a_delivery_the_event_is_not_taken_again() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let mut stack = Stack::on(broker, vhost.url()).await;
    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(1).await;
    let event = only_event(&stack);
    all_is_acknowledged(&vhost).await;

    kill_and_start_again(&mut stack).await;

    stack.processes.post_until_accepted(text(2)).await;
    stack.processes.delivered(2).await;
    nothing_is_unsettled(&mut stack).await;
    assert!(!stack.processes.dispatchers[0].logged().contains(event.as_str()), "it was taken again");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_retry_is_safe_the_event_is_delivered_once() {
    let mut stack = with_an_event_waiting_for_redis().await;
    stack.broker_link.stall_sending_of(PUBLISHING);
    stack.redis_link.mend();
    logs(&stack, "Could not publish a copy").await;
    assert_eq!(stack.depth(QueueName::Retry(Class::Messages, Tier::TenSeconds)).await, Some(0));

    other_channel(&stack, DSK_TOKEN, None).await;
    kill_and_start_again(&mut stack).await;

    stack.processes.delivered(1).await;
    nothing_is_unsettled(&mut stack).await;
    assert_eq!(stack.processes.dsk.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_retry_and_acknowledgement_the_second_copy_is_not_delivered() {
    let mut stack = with_an_event_waiting_for_redis().await;
    stack.broker_link.stall_sending_of(TAKING);
    stack.redis_link.mend();
    logs(&stack, "Will retry event").await;

    other_channel(&stack, DSK_TOKEN, None).await;
    kill_and_start_again(&mut stack).await;

    eventually("both copies are taken", async || {
        let taken = r#"queue_taken_total{class="messages"}"#;
        (stack.processes.dispatcher_metric(taken).await >= 2.0).then_some(())
    })
    .await;
    stack.processes.delivered(1).await;
    nothing_is_unsettled(&mut stack).await;
    assert_eq!(stack.processes.dsk.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_acknowledgement_of_a_retry_the_event_returns_once() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let mut stack = Stack::on(broker, vhost.url()).await;
    assert_eq!(stack.processes.post(message(OTHER_NUMBER, 0)).await, 200);
    logs(&stack, "Will retry event").await;
    all_is_acknowledged(&vhost).await;

    other_channel(&stack, DSK_TOKEN, None).await;
    kill_and_start_again(&mut stack).await;

    stack.processes.delivered(1).await;
    nothing_is_unsettled(&mut stack).await;
    assert_eq!(stack.processes.dsk.requests(), 1, "the event returned more than once");
}
