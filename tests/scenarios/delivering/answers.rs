//! What happens to an accepted event, whatever DSK answers.

use std::time::{Duration, Instant};

use channels::{NewChannel, new_key};
use chassis::{Secret, now};
use event::{Address, Class};
use queue::{Broker, QueueSettings};
use testkit::eventually;

use crate::support::bodies::{ADDRESS, NUMBER, statuses, text};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::{Stack, key_ring};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_refused_with_503_is_delivered_again() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.script.extend([503, 503]));

    stack.processes.post(text(1)).await;

    stack.processes.delivered(1).await;
    let seen = stack.processes.dsk.seen();
    assert_eq!(seen.iter().map(|seen| (seen.attempt, seen.status)).collect::<Vec<_>>(), [(1, 503), (2, 503), (3, 200)]);
    assert_eq!(stack.dead_letters().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_refused_with_400_becomes_a_dead_letter_with_its_reason() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));

    stack.processes.post(text(1)).await;

    eventually("it is parked", async || (stack.dead_letters().await.len() == 1).then_some(())).await;
    let letters = stack.dead_letters().await;
    assert_eq!((letters[0].letter.reason.as_str(), letters[0].letter.status), ("rejected", Some(400)));
    assert_eq!(stack.processes.dsk.seen().len(), 1, "one attempt is enough to know");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_notification_three_times_is_delivered_once() {
    let mut stack = Stack::start().await;

    stack.processes.post(text(1)).await;
    stack.processes.delivered(1).await;
    for _ in 0..2 {
        assert_eq!(stack.processes.post(text(1)).await, 200);
    }

    // A repeat that arrives while another is in flight shares its outcome.
    let skipped = r#"dispatcher_skipped_total{reason="duplicate"}"#;
    let joined = "queue_joined_total";
    eventually("both repeats are skipped", async || {
        let repeats =
            stack.processes.dispatcher_metric(skipped).await + stack.processes.dispatcher_metric(joined).await;
        (repeats >= 2.0).then_some(())
    })
    .await;
    assert_eq!(stack.processes.dsk.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_delivered_in_its_order() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.script.extend([503]));

    // These messages are from one person.
    for serial in [10, 20, 30, 40] {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }

    stack.processes.delivered(4).await;
    let seen = stack.processes.dsk.seen();
    let delivered = seen.iter().filter(|seen| seen.status == 200);
    let texts: Vec<_> = delivered.map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    for (text, serial) in texts.iter().zip([10, 20, 30, 40]) {
        assert!(text.contains(&format!("hello {serial}")), "{serial} was delivered out of order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_delivered_once_its_channel_is_stored() {
    let stack = Stack::start().await;
    let store = stack.store();
    let ring = key_ring(&[&stack.processes.key()]);
    let body = String::from_utf8(text(1).to_vec()).unwrap().replace(NUMBER, "100000000000777");

    assert_eq!(stack.processes.post(body.into()).await, 200);
    eventually("it waits for its channel", async || {
        stack.processes.logged().contains("no channel is stored").then_some(())
    })
    .await;
    let late = NewChannel::new(Address::new("whatsapp:100000000000777"), "tenant", ring.seal(&Secret::new(DSK_TOKEN)));
    store.add(&late, now()).await.unwrap();

    stack.processes.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_an_older_key_sealed_still_opens() {
    let stack = Stack::start().await;
    let newer = new_key();

    stack.processes.write_keys(&[&newer, &stack.processes.key()]);
    stack.processes.post(text(1)).await;

    stack.processes.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_waits_and_is_counted_until_the_key_of_its_token_is_there() {
    let mut stack = Stack::start().await;
    let store = stack.store();
    let unknown = new_key();
    let sealed = key_ring(&[&unknown]).seal(&Secret::new(DSK_TOKEN));
    store.add(&NewChannel::new(Address::new(ADDRESS), "tenant", sealed), now()).await.unwrap();

    stack.processes.post(text(1)).await;
    eventually("it is counted", async || {
        (stack.processes.dispatcher_metric("channels_unopenable_total").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(stack.processes.dsk.seen().len(), 0);
    assert_eq!(stack.dead_letters().await.len(), 0);

    stack.processes.write_keys(&[&unknown]);
    // The event returns from the retry queue after one minute.
    testkit::eventually_within(Duration::from_secs(150), "it is delivered", async || {
        (stack.processes.dsk.events() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_removed_channel_are_skipped_and_counted() {
    let mut stack = Stack::start().await;
    stack.store().remove(&Address::new(ADDRESS), now()).await.unwrap();

    assert_eq!(stack.processes.post(text(1)).await, 200);

    eventually("it is counted", async || {
        let skipped = r#"dispatcher_skipped_total{reason="disconnected"}"#;
        (stack.processes.dispatcher_metric(skipped).await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(stack.processes.dsk.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_queued_statuses_do_not_delay_a_chat() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_millis(200));
    for batch in 0..100 {
        assert_eq!(stack.processes.post(statuses(batch * 1_000..(batch + 1) * 1_000)).await, 200);
    }
    assert!(
        stack.waiting(Class::Updates).await.is_some_and(|waiting| waiting > 80_000),
        "most of them are still waiting at the broker"
    );

    let mut longest = Duration::ZERO;
    for serial in 0..10 {
        let started = Instant::now();
        assert_eq!(stack.processes.post(text(serial)).await, 200);
        eventually("the chat is delivered", async || {
            let seen = stack.processes.dsk.seen();
            let chats = seen.iter().filter(|seen| seen.event_type == "whatsapp.message").count();
            (chats == serial + 1).then_some(())
        })
        .await;
        longest = longest.max(started.elapsed());
    }
    println!("longest delivery of a chat beside 100,000 statuses: {longest:?}, of which DSK takes 200 ms");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

async fn is_of_version_4(stack: &Stack) -> bool {
    let nodes = Broker::ask(&QueueSettings::at(&stack.direct.queue_url)).await.expect("the address is well formed");
    nodes.into_iter().all(|node| !node.broker.expect("the broker is well").version.starts_with("3."))
}

#[tokio::test(flavor = "multi_thread")]
async fn three_dispatchers_share_the_work_that_one_began_or_stand_by() {
    let mut stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_millis(50));

    for serial in 0..100 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    stack.processes.add_dispatcher().await;
    stack.processes.add_dispatcher().await;
    for serial in 100..300 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }

    stack.processes.delivered(300).await;
    // RabbitMQ 3 gives all partitions to the dispatcher that came first.
    if is_of_version_4(&stack).await {
        for dispatcher in &mut stack.processes.dispatchers {
            dispatcher.logs("Delivered event").await;
        }
    }
    stack.processes.dispatchers.remove(0).stop().await;
    for serial in 300..400 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    stack.processes.delivered(400).await;
    assert_eq!(stack.processes.dsk.seen().len(), 400, "an event was delivered twice");
}
