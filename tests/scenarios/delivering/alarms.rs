//! While the broker takes no publishes, what is in flight does not stand still.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chassis::Shutdown;
use testkit::{RabbitMq, eventually, eventually_within};

use crate::support::bodies::NUMBER;
use crate::support::stack::Stack;
use crate::support::two_tenants::{OTHER_NUMBER, post, second_dsk};

/// Events of each of the two businesses.
const EACH: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_with_events_that_are_held_too_long_stops_neither_delivery_nor_the_process() {
    let shutdown = Shutdown::default();
    let broker = RabbitMq::start().await;
    let mut stack = Stack::on(&broker, broker.vhost().url()).await;
    stack.processes.dispatchers.remove(0).kill().await;
    let refusing = second_dsk(&stack, &shutdown).await;
    refusing.behave(|dsk| dsk.answer = Some(422));
    for serial in 0..EACH {
        post(&stack, OTHER_NUMBER, serial..serial + 1).await;
        post(&stack, NUMBER, serial..serial + 1).await;
    }
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_millis(400));

    // What DSK refuses has to be copied to the dead letters, which an alarm prevents.
    broker.raise_memory_alarm().await;
    stack.processes.extra_settings.push(("HOLD_TIME", "4s".to_owned()));
    stack.processes.add_dispatcher().await;
    stack.processes.delivered(EACH).await;

    let dispatcher = stack.processes.dispatchers.last_mut().expect("it is there");
    let stopping = Instant::now();
    assert_eq!(dispatcher.stop().await, Some(0));
    assert!(stopping.elapsed() < Duration::from_secs(15), "the stop took {:?}", stopping.elapsed());

    broker.clear_memory_alarm().await;
    stack.processes.add_dispatcher().await;
    eventually_within(Duration::from_mins(2), "the refused ones are parked", async || {
        // A copy that was on its way when the process stopped may be there twice.
        let letters = stack.dead_letters().await;
        let ids: BTreeSet<&str> = letters.iter().map(|letter| letter.envelope.id.as_str()).collect();
        (ids.len() == EACH).then_some(())
    })
    .await;
    eventually("nothing is left", async || (stack.waiting(event::Class::Messages).await == Some(0)).then_some(()))
        .await;
    shutdown.request();
}
