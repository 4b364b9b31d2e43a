//! An operator asks where an event is, and is told: delivered and how, a dead letter and why, paused and why, or unknown.

use serde_json::{Value, json};
use testkit::eventually;

use crate::support::bodies::{ADDRESS, text};
use crate::support::stack::Stack;
use crate::support::two_tenants::{OTHER_NUMBER, message};

/// The arguments that find everything about the message of this serial.
fn about(serial: usize) -> [String; 4] {
    ["--message".to_owned(), format!("wamid.{serial}"), "--channel".to_owned(), ADDRESS.to_owned()]
}

/// Waits until the one event that is known of a message stands as it shall.
async fn found(stack: &Stack, arguments: &[String], is_so: impl Fn(&Value) -> bool) -> Value {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    eventually("the event stands so", async || {
        let found = stack.found(&arguments).await;
        let events = found["events"].as_array().expect("events are a list");
        assert!(events.len() <= 1, "{found}");
        events.first().filter(|event| is_so(event)).cloned()
    })
    .await
}

fn steps(event: &Value) -> Vec<&str> {
    event["steps"].as_array().expect("steps are a list").iter().filter_map(|step| step["text"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_its_third_attempt_delivered_is_found_with_its_trail_and_without_a_persons_data() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.script = [503, 503].into());
    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(1).await;

    let event = found(&stack, &about(1), |event| steps(event).len() == 3).await;
    assert_eq!(json!([event["state"], event["attempt"], event["status"]]), json!(["delivered", 3, 200]));
    assert_eq!(
        steps(&event),
        [
            "attempt 1 failed: unavailable, DSK answered 503",
            "attempt 2 failed: unavailable, DSK answered 503",
            "delivered by attempt 3, DSK answered 200",
        ]
    );

    let id = event["id"].as_str().expect("an event has an id");
    let told = stack.ops(&["events", "find", id]).await;
    assert!(told.contains("delivered at ") && told.contains("by attempt 3"), "{told}");
    for personal in ["Ada Sample", "4915550000001", "hello 1", "wamid"] {
        assert!(!told.contains(personal), "{personal:?} in\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_a_delivered_event_is_found_as_a_duplicate() {
    let stack = Stack::start().await;
    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(1).await;
    found(&stack, &about(1), |event| event["state"] == "delivered").await;

    assert_eq!(stack.processes.post(text(1)).await, 200);

    let event = found(&stack, &about(1), |event| steps(event).len() == 2).await;
    assert_eq!(json!([event["state"], event["attempt"]]), json!(["delivered", 1]));
    assert_eq!(steps(&event)[1], "came again (once), and was discarded as a duplicate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_with_its_reason_until_it_is_discarded() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));
    assert_eq!(stack.processes.post(text(1)).await, 200);

    let event = found(&stack, &about(1), |event| event["is_there"] == true && steps(event).len() == 2).await;
    assert_eq!(json!([event["state"], event["reason"], event["status"]]), json!(["dead_letter", "rejected", 400]));
    let id = event["id"].as_str().expect("an event has an id");
    let told = stack.ops(&["events", "find", id]).await;
    assert!(told.contains("dead letter since") && told.contains("attempt 1 failed: rejected"), "{told}");
    let unscanned = stack.ops(&["events", "find", id, "--scan-for", "0s"]).await;
    assert!(unscanned.contains("not all dead letters were looked at"), "{unscanned}");

    stack.ops(&["dead-letters", "discard", id, "--yes"]).await;
    let gone = stack.ops(&["events", "find", id]).await;
    assert!(gone.contains("not among the dead letters any more"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_event_says_which_dispatcher_holds_it_and_why() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(401));
    assert_eq!(stack.processes.post(text(1)).await, 200);

    // A dispatcher reports its pauses every few seconds.
    let event = found(&stack, &about(1), |event| event["paused"][0]["what"] == ADDRESS).await;

    assert_eq!(json!([event["state"], event["outcome"], event["is_living"]]), json!(["paused", "misconfigured", true]));
    let told = stack.ops(&["events", "find", event["id"].as_str().expect("an id")]).await;
    assert!(told.contains("paused (misconfigured) since"), "{told}");
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waits_for_its_next_attempt_says_in_which_queue_and_until_when() {
    let stack = Stack::start().await;
    assert_eq!(stack.processes.post(message(OTHER_NUMBER, 0)).await, 200);

    let body = message(OTHER_NUMBER, 0);
    let id = event::split(&body, chassis::now()).remove(0).id.to_string();
    let event = found(&stack, &[id], |event| event["state"] == "retrying").await;

    assert_eq!(event["queue"], "meta.messages.retry.10s.v2");
    assert_eq!(steps(&event)[0], "it could not be attempted: unknown_channel");
    assert!(event["until"].as_str().is_some_and(|until| until.parse::<jiff::Timestamp>().is_ok()), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_event_is_found_as_erased_and_keeps_no_trail() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(401));
    assert_eq!(stack.processes.post(text(1)).await, 200);
    found(&stack, &about(1), |event| event["state"] == "paused").await;

    stack.ops(&["erase", "--contact", &format!("{ADDRESS}/+4915550000001"), "--yes"]).await;

    let event = found(&stack, &about(1), |event| event["state"] == "erased").await;
    assert_eq!(steps(&event), ["discarded, because it was erased"]);
    assert_eq!(stack.processes.dsk.events(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_unknown_event_nothing_is_found_and_the_command_says_what_that_can_mean() {
    let stack = Stack::start().await;
    let unknown = "evt_aaaaaaaaaaaaaaaaaaaaaaaaaa";

    let told = stack.ops_fails(1, &["events", "find", unknown]).await;
    for part in ["nothing is known of evt_", "never came here", "0 events in the queues", "give --channel"] {
        assert!(told.contains(part), "no {part:?} in\n{told}");
    }
    let found = stack.found(&[unknown, "--channel", "whatsapp:999"]).await;
    assert_eq!(found["events"].as_array().map(Vec::len), Some(0));
    assert_eq!(found["channel"]["state"], "unknown");

    let wrong = stack.ops_fails(2, &["events", "find", "wamid.1"]).await;
    assert!(wrong.contains("--message"), "{wrong}");
}

#[cfg(feature = "long")]
#[tokio::test(flavor = "multi_thread")]
async fn among_200_000_dead_letters_the_command_ends_in_its_time_and_says_how_many_it_has_seen() {
    const COUNT: usize = 200_000;
    let stack = Stack::start().await;
    stack.park(COUNT).await;
    let [message, id, channel, address] = about(COUNT - 1);
    let last = [&*message, &*id, &*channel, &*address];

    let started = std::time::Instant::now();
    let found = stack.found(&[&last[..], &["--scan-for", "1s"]].concat()).await;
    let in_a_second = started.elapsed();
    let seen = found["dead_letters"]["looked_at"].as_u64().expect("a number");
    assert!(found["dead_letters"]["is_complete"] == false && seen > 0, "{found}");

    let started = std::time::Instant::now();
    let found = stack.found(&[&last[..], &["--scan-for", "5min"]].concat()).await;
    println!("{seen} of {COUNT} dead letters in {in_a_second:?}, all in {:?}", started.elapsed());
    assert!(in_a_second < std::time::Duration::from_secs(10), "{in_a_second:?}");
    assert_eq!(json!([found["events"][0]["state"], found["events"][0]["reason"]]), json!(["dead_letter", "rejected"]));
}
