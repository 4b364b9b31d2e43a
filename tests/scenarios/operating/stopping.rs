//! A stopping process takes nothing new, finishes its attempts, gives back the rest and exits 0.

use std::time::Duration;

use testkit::eventually;

use crate::support::bodies::text;
use crate::support::stack::{Stack, get};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_the_attempts_under_way_finish_and_exits_0() {
    let mut stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_secs(2));
    for serial in 0..10 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    eventually("ten attempts are under way", async || (stack.processes.dsk.under_way() == 10).then_some(())).await;

    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0), "{}", stack.processes.logged());
    assert_eq!(stack.processes.ingest.stop().await, Some(0), "{}", stack.processes.logged());

    assert_eq!(stack.processes.dsk.events(), 10, "an attempt under way was cut short");
    stack.processes.add_dispatcher().await;
    eventually("the queue is empty", async || (stack.waiting(event::Class::Messages).await == Some(0)).then_some(()))
        .await;
    assert_eq!(stack.processes.dsk.seen().len(), 10, "an event that was delivered was not acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_what_is_missing() {
    let mut stack = Stack::start().await;
    let address = stack.processes.dispatchers[0].logs("Admin port listens on ").await;

    assert_eq!(get(&address, "/live").await.0, 200);
    eventually("it is ready", async || (get(&address, "/ready").await.0 == 200).then_some(())).await;

    stack.redis_link.cut();
    let reason = eventually("it is not ready", async || {
        let (status, reason) = get(&address, "/ready").await;
        (status == 503).then_some(reason)
    })
    .await;
    assert!(reason.contains("channel store"), "{reason}");
}
