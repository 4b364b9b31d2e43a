//! A dispatcher that can't recognise erasures delivers nothing, and says so, until it can.

use channels::new_key;
use chassis::now;
use testkit::eventually;

use crate::support::bodies::{ADDRESS, text};
use crate::support::metrics_page::figure;
use crate::support::stack::{Stack, get};

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_whose_key_of_erasures_does_not_open_holds_all_events_until_the_key_is_back() {
    let mut stack = Stack::start().await;
    let key = stack.processes.key();
    stack.store().mark_erased(&format!("{ADDRESS}/nobody"), now()).await.expect("the store answers");
    stack.processes.dispatchers.remove(0).stop().await;
    stack.processes.write_keys(&[&new_key()]);
    stack.processes.add_dispatcher().await;

    stack.processes.post_until_accepted(text(1)).await;
    let address = stack.processes.dispatchers[0].logs("Admin port listens on ").await;
    let unready = eventually("it is not ready", async || {
        let (status, page) = get(&address, "/ready").await;
        (status == 503 && page.contains("erasures")).then_some(page)
    })
    .await;

    assert!(unready.contains("KEY_RING"), "{unready}");
    assert!(stack.processes.logged().contains("Holding all events"), "it is logged");
    let errors: f64 = figure(&get(&address, "/metrics").await.1, r#"channels_errors_total{reason="erasure_key"}"#);
    assert!(errors >= 1.0, "the alert counts it");
    assert_eq!(stack.processes.dsk.seen().len(), 0);

    stack.processes.write_keys(&[&new_key(), &key]);
    stack.processes.delivered(1).await;
    let seen = stack.processes.dsk.seen();
    assert!(seen.iter().all(|seen| seen.attempt == 1), "it was held, and not tried");
    eventually("it is ready again", async || (get(&address, "/ready").await.0 == 200).then_some(())).await;
}
