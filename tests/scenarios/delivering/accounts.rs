//! News about an account itself: DSK gets it in any state, and a removal ends only what was connected before it.

use std::time::Duration;

use bytes::Bytes;
use channels::{ChannelState, ChannelStore, NewChannel};
use chassis::{Secret, now};
use event::Address;
use testkit::eventually;

use crate::support::bodies::{ADDRESS, text};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::{Stack, key_ring};

const ACCOUNT_ID: &str = "200000000000001";

/// What Meta posts about an account, and when it happened.
fn news(event: &str, second: i64) -> Bytes {
    Bytes::from(format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"300000000000001","time":{second},"changes":[{{"field":"account_update","value":{{"event":"{event}","waba_info":{{"waba_id":"{ACCOUNT_ID}","owner_business_id":"9"}}}}}}]}}]}}"#
    ))
}

async fn connect(stack: &Stack) {
    let sealed = key_ring(&[&stack.processes.key()]).seal(&Secret::new(DSK_TOKEN));
    let account_id = Some(ACCOUNT_ID.to_owned());
    let channel = NewChannel { account_id, ..NewChannel::new(Address::new(ADDRESS), "tenant", sealed) };
    stack.store().add(&channel, now()).await.expect("the store takes the channel");
}

async fn states(store: &ChannelStore) -> Vec<ChannelState> {
    store.list().await.unwrap_or_default().iter().map(|record| record.state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_comes_late_does_not_end_a_newer_connection() {
    let stack = Stack::start().await;
    connect(&stack).await;

    let long_ago = now().as_second() - 3_600;
    assert_eq!(stack.processes.post(news("PARTNER_REMOVED", long_ago)).await, 200);
    stack.processes.delivered(1).await;
    eventually("the removal is applied", async || {
        stack.processes.logged().contains("Left as it is: a removed account").then_some(())
    })
    .await;
    assert_eq!(states(&stack.store()).await, [ChannelState::Connected; 2]);
    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_holds_although_metas_clock_is_some_seconds_behind() {
    let stack = Stack::start().await;
    let before = now().as_second();
    connect(&stack).await;

    assert_eq!(stack.processes.post(news("PARTNER_REMOVED", before - 3)).await, 200);

    stack.processes.delivered(1).await;
    eventually("it is disconnected", async || {
        (states(&stack.store()).await == [ChannelState::Disconnected; 2]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_about_an_account_is_delivered_although_it_is_disconnected() {
    let mut stack = Stack::start().await;
    connect(&stack).await;
    stack
        .store()
        .remove(&Address::new(format!("whatsapp-account:{ACCOUNT_ID}")), now())
        .await
        .expect("the store takes the channel");

    assert_eq!(stack.processes.post(text(1)).await, 200);
    for (event, second) in [("PARTNER_ADDED", 1_790_000_000), ("PARTNER_REMOVED", 1_790_000_100)] {
        assert_eq!(stack.processes.post(news(event, second)).await, 200);
    }

    stack.processes.delivered(2).await;
    eventually("the message is skipped", async || {
        let skipped = r#"dispatcher_skipped_total{reason="disconnected"}"#;
        (stack.processes.dispatcher_metric(skipped).await >= 1.0).then_some(())
    })
    .await;
    assert!(stack.processes.dsk.seen().iter().all(|seen| seen.event_type == "whatsapp.account_update"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_the_store_did_not_take_is_repeated_before_it_is_acknowledged() {
    let stack = Stack::start().await;
    connect(&stack).await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_secs(2));
    assert_eq!(stack.processes.post(news("PARTNER_REMOVED", now().as_second())).await, 200);
    eventually("the attempt is under way", async || (stack.processes.dsk.under_way() == 1).then_some(())).await;

    stack.redis_link.cut();
    eventually("the removal fails", async || {
        stack.processes.logged().contains("Could not disconnect the channels").then_some(())
    })
    .await;
    assert_eq!(states(&stack.store()).await, [ChannelState::Connected; 2]);
    stack.redis_link.mend();

    eventually("it is disconnected", async || {
        (states(&stack.store()).await == [ChannelState::Disconnected; 2]).then_some(())
    })
    .await;
    assert_eq!(stack.processes.dsk.events(), 1);
}
