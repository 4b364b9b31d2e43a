//! The slow ones: many events, many kills.

use std::time::Duration;

use testkit::eventually_within;

use crate::bodies::{statuses, text};
use crate::stack::Stack;

/// A drill may take this long on a busy machine.
const PATIENCE: Duration = Duration::from_mins(15);
const EVENTS: usize = 100_000;
/// Updates in one notification, as many as Meta batches.
const BATCH: usize = 1_000;
const KILLS: usize = 12;
const BETWEEN_KILLS: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_events_arrive_each_once() {
    let mut stack = Stack::start().await;
    stack.processes.add_dispatcher().await;

    for first in (0..EVENTS).step_by(BATCH) {
        stack.processes.post_until_accepted(statuses(first..first + BATCH)).await;
    }

    let dsk = &stack.processes.dsk;
    eventually_within(PATIENCE, "every event arrives", async || (dsk.requests() >= EVENTS).then_some(())).await;
    assert_eq!((dsk.ids().len(), dsk.requests()), (EVENTS, EVENTS), "some came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_killed_again_and_again_lose_no_event() {
    let mut stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| (dsk.delay, dsk.fail_ratio) = (Duration::from_millis(30), 0.05));

    for kill in 0..KILLS {
        for serial in kill * BETWEEN_KILLS..(kill + 1) * BETWEEN_KILLS {
            stack.processes.post_until_accepted(text(serial)).await;
        }
        stack.processes.dispatchers.remove(0).kill().await;
        stack.processes.add_dispatcher().await;
    }

    let (sent, dsk) = (KILLS * BETWEEN_KILLS, &stack.processes.dsk);
    eventually_within(PATIENCE, "every event arrives", async || (dsk.ids().len() == sent).then_some(())).await;
    println!("{sent} events, {} requests, {KILLS} kills", dsk.requests());
}
