//! A business whose events fail costs another one at the same URL nothing.

use std::time::{Duration, Instant};

use testkit::{eventually, eventually_within};

use crate::support::bodies::NUMBER;
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::Stack;
use crate::support::two_tenants::{OTHER_NUMBER, other_channel, post};

/// More than twice as many as may be in flight.
const REFUSED: usize = 400;

/// Posts one message after the other to the first business, and returns the longest time until DSK had one.
async fn longest_delivery(stack: &Stack, serials: std::ops::Range<usize>) -> Duration {
    let mut longest = Duration::ZERO;
    for serial in serials {
        let started = Instant::now();
        post(stack, NUMBER, serial..serial + 1).await;
        stack.processes.delivered(serial + 1).await;
        longest = longest.max(started.elapsed());
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_token_is_refused_delays_no_other_at_the_same_url_and_loses_nothing() {
    let stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    other_channel(&stack, "a-token-that-dsk-refuses", None).await;
    let alone = longest_delivery(&stack, 0..20).await;

    post(&stack, OTHER_NUMBER, 0..REFUSED).await;
    eventually("it is refused", async || dsk.seen().iter().any(|seen| seen.status == 401).then_some(())).await;
    let beside = longest_delivery(&stack, 20..60).await;
    println!("longest delivery: alone {alone:?}, beside {REFUSED} events of a tenant that DSK refuses {beside:?}");
    assert!(beside < Duration::from_secs(5), "{beside:?}");
    let refused = dsk.seen().iter().filter(|seen| seen.status == 401).count();
    assert!(refused < 40, "DSK was asked {refused} times with a token that it refuses");

    other_channel(&stack, DSK_TOKEN, None).await;
    // Deferred events return from the 1 minute retry queue.
    eventually_within(Duration::from_mins(3), "all are delivered", async || {
        (dsk.ids().len() == 60 + REFUSED).then_some(())
    })
    .await;
    assert_eq!(stack.dead_letters().await.len(), 0);
}
