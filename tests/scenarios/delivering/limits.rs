//! A destination gets no more requests than its operator allows, and what waits for them is not hidden from anybody.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use channels::{Limits, NewChannel};
use chassis::{Secret, now};
use event::Address;
use testkit::eventually;
use tokio::time::{interval, timeout};

use crate::support::bodies::{self, ADDRESS, NUMBER};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::{Stack, key_ring};

/// Stores the business again, with these limits.
async fn limit(stack: &Stack, requests_at_once: Option<u32>, requests_per_second: Option<u32>) {
    let sealed = key_ring(&[&stack.processes.key()]).seal(&Secret::new(DSK_TOKEN));
    let limits = Limits {
        requests_at_once: requests_at_once.and_then(NonZeroU32::new),
        requests_per_second: requests_per_second.and_then(NonZeroU32::new),
    };
    let channel = NewChannel { limits, ..NewChannel::new(Address::new(ADDRESS), "tenant", sealed) };
    eventually("the channel is stored", async || stack.store().add(&channel, now()).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_has_no_more_requests_at_once_than_it_may_have_and_gets_all_of_its_events() {
    let stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    dsk.behave(|dsk| dsk.delay = Duration::from_millis(50));
    limit(&stack, Some(3), None).await;
    assert_eq!(stack.processes.post(bodies::many(NUMBER, 0..120)).await, 200);

    let mut most = 0;
    let watching = async {
        let mut ticks = interval(Duration::from_millis(1));
        loop {
            ticks.tick().await;
            most = most.max(dsk.under_way());
        }
    };
    tokio::select! {
        () = watching => {}
        _ = stack.processes.delivered(120) => {}
    }

    assert_eq!(most, 3, "requests at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_has_no_more_requests_a_second_than_it_may_have_and_gets_all_of_its_events() {
    let stack = Stack::start().await;
    limit(&stack, None, Some(40)).await;
    let started = Instant::now();
    assert_eq!(stack.processes.post(bodies::many(NUMBER, 0..120)).await, 200);

    stack.processes.delivered(120).await;

    let time = started.elapsed();
    println!("120 events at 40 a second took {time:?}");
    assert!(time > Duration::from_millis(2_700), "{time:?}");
    assert!(time < Duration::from_secs(15), "{time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_as_in_flight_while_its_attempt_is_under_way() {
    let mut stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_secs(9));
    assert_eq!(stack.processes.post(bodies::text(1)).await, 200);

    let oldest = "dispatcher_oldest_in_flight_seconds{class=\"messages\"}";
    let shown = timeout(Duration::from_secs(8), async {
        while stack.processes.dispatcher_metric(oldest).await < 3.0 {
            tokio::task::yield_now().await;
        }
    });

    assert!(shown.await.is_ok(), "its age is not shown while it is being attempted");
    stack.processes.delivered(1).await;
}
