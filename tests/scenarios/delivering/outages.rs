//! Outages of DSK: what is paused and what is not, and that everything arrives in its order afterwards.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use channels::new_key;
use chassis::{Secret, Shutdown, now};
use event::{Address, Class};
use ops::dsk::DskRequest;
use testkit::eventually;

use crate::support::bodies::{self, ADDRESS, NUMBER};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::{Stack, key_ring};
use crate::support::two_tenants::{OTHER_NUMBER, PEOPLE, other_channel, post, second_dsk};

/// The serials of the delivered messages, in the order of delivery.
fn delivered(seen: &[DskRequest]) -> Vec<usize> {
    let serial = |seen: &DskRequest| {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        let id = body.split("hello ").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
        id.rsplit('.').next().and_then(|serial| serial.parse().ok()).expect("the body is ours")
    };
    seen.iter().filter(|seen| seen.status == 200).map(serial).collect()
}

fn is_in_lane_order(serials: &[usize]) -> bool {
    let mut last: HashMap<usize, usize> = HashMap::new();
    serials.iter().all(|serial| last.insert(serial % PEOPLE, *serial).is_none_or(|before| before < *serial))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_loses_nothing_is_probed_one_event_at_a_time_and_drains_in_lane_order() {
    let stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    post(&stack, NUMBER, 0..300).await;
    stack.processes.delivered(300).await;

    dsk.behave(|dsk| dsk.answer = Some(503));
    post(&stack, NUMBER, 300..600).await;
    eventually("the breaker is open", async || stack.processes.logged().contains("Holding event").then_some(())).await;
    let before = dsk.requests();
    dsk.behave(|dsk| dsk.delay = Duration::from_millis(300));
    eventually("probes are made", async || (dsk.requests() >= before + 4).then_some(())).await;
    assert!(dsk.under_way() <= 1, "one probe at a time");
    dsk.behave(|dsk| {
        dsk.answer = None;
        dsk.delay = Duration::ZERO;
    });
    stack.processes.delivered(600).await;

    let seen = dsk.seen();
    assert!(is_in_lane_order(&delivered(&seen)), "{:?}", delivered(&seen));
    let most = seen.iter().map(|seen| seen.attempt).max().unwrap_or_default();
    assert!(most <= 6, "an event had {most} attempts");
    let tried = seen.iter().filter(|seen| seen.status == 200 && seen.attempt > 3).count();
    assert!(tried <= 20, "{tried} events had more than three attempts, and only probes may");
    assert_eq!(stack.dead_letters().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_does_not_delay_another() {
    let stack = Stack::start().await;
    let playing = Shutdown::default();
    let other = second_dsk(&stack, &playing).await;
    post(&stack, OTHER_NUMBER, 0..1).await;
    eventually("the other destination is healthy", async || (other.events() == 1).then_some(())).await;

    stack.processes.dsk.behave(|dsk| dsk.answer = Some(503));
    // More events than may be in flight go to the destination that is down; then one at a time goes to the other.
    post(&stack, NUMBER, 0..400).await;
    let mut longest = Duration::ZERO;
    for serial in 1..40 {
        let started = Instant::now();
        post(&stack, OTHER_NUMBER, serial..serial + 1).await;
        eventually("the other gets it", async || (other.events() == serial + 1).then_some(())).await;
        longest = longest.max(started.elapsed());
    }

    println!("longest wait beside a destination that is down: {longest:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    playing.request();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_destination_delays_only_its_own_events() {
    let stack = Stack::start().await;
    let playing = Shutdown::default();
    let other = second_dsk(&stack, &playing).await;
    stack.processes.dsk.behave(|dsk| dsk.delay = Duration::from_secs(2));

    post(&stack, NUMBER, 0..PEOPLE).await;
    post(&stack, OTHER_NUMBER, 0..PEOPLE).await;

    eventually("the other has all", async || (other.events() == PEOPLE).then_some(())).await;
    assert_eq!(stack.processes.dsk.events(), 0, "the slow one had not answered yet");
    stack.processes.delivered(PEOPLE).await;
    playing.request();
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_pauses_the_whole_tenant_and_no_other() {
    let stack = Stack::start().await;
    other_channel(&stack, "token-of-the-other", None).await;
    let dsk = &stack.processes.dsk;
    dsk.behave(|dsk| {
        dsk.token = None;
        dsk.retry_after = Some("3".to_owned());
        dsk.throttled_token = Some(Secret::new(DSK_TOKEN));
    });

    post(&stack, NUMBER, 0..PEOPLE).await;
    let started = Instant::now();
    // Attempts that began before the pause are answered first. An id may contain 429, so the whole message is looked for.
    eventually("it is throttled", async || {
        (stack.processes.logged().contains("DSK answered 429") && dsk.under_way() == 0).then_some(())
    })
    .await;
    post(&stack, OTHER_NUMBER, 0..PEOPLE).await;
    eventually("the other tenant has all", async || (dsk.events() == PEOPLE).then_some(())).await;
    assert!(started.elapsed() < Duration::from_secs(3), "the other tenant waited {:?}", started.elapsed());
    // An attempt that was admitted before the first answer may begin after it; none may be a second one.
    let throttled: Vec<String> =
        dsk.seen().into_iter().filter(|request| request.status == 429).map(|request| request.id).collect();
    let events: BTreeSet<&String> = throttled.iter().collect();
    assert_eq!(events.len(), throttled.len(), "the throttled tenant was tried again");

    dsk.behave(|dsk| dsk.throttled_token = None);
    stack.processes.delivered(2 * PEOPLE).await;
    assert!(started.elapsed() >= Duration::from_millis(2_500), "DSK had asked for 3 s: {:?}", started.elapsed());
    assert_eq!(stack.dead_letters().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_with_a_refused_token_wait_and_are_tried_at_once_when_it_is_replaced() {
    let mut stack = Stack::start().await;
    other_channel(&stack, "a-token-that-dsk-refuses", None).await;

    post(&stack, OTHER_NUMBER, 0..PEOPLE).await;
    eventually("it is counted", async || {
        let refused = r#"dispatcher_attempts_total{outcome="misconfigured"}"#;
        (stack.processes.dispatcher_metric(refused).await >= 1.0).then_some(())
    })
    .await;
    eventually("the pause is shown", async || {
        let pauses = r#"dispatcher_pauses{reason="misconfigured"}"#;
        (stack.processes.dispatcher_metric(pauses).await >= 1.0).then_some(())
    })
    .await;
    let refused = stack.processes.dsk.requests();
    post(&stack, NUMBER, 0..PEOPLE).await;
    stack.processes.delivered(PEOPLE).await;
    assert_eq!(stack.processes.dsk.requests(), refused + PEOPLE, "the refused channel was tried again");

    let started = Instant::now();
    other_channel(&stack, DSK_TOKEN, None).await;
    stack.processes.delivered(2 * PEOPLE).await;
    assert!(started.elapsed() < Duration::from_secs(20), "it took {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_always_fail_do_not_slow_the_rest() {
    let stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    let is_failing = |serial: usize| serial % 10 == 3;
    dsk.behave(|dsk| dsk.failing_texts = vec!["491555000".to_owned() + "03", "491555000".to_owned() + "13"]);

    let started = Instant::now();
    post(&stack, NUMBER, 0..2_000).await;
    let good = (0..2_000).filter(|serial| !is_failing(*serial)).count();
    eventually("the rest is delivered", async || (dsk.events() == good).then_some(())).await;
    println!("{good} events beside 200 that fail: {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());

    dsk.behave(|dsk| dsk.failing_texts.clear());
    testkit::eventually_within(Duration::from_mins(3), "all are delivered", async || {
        (dsk.events() == 2_000).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_floods_does_not_starve_the_others() {
    let stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    dsk.behave(|dsk| dsk.delay = Duration::from_millis(50));

    // One person writes a thousand messages: fifty seconds of attempts, one after the other.
    for serial in 0..1_000 {
        let flood = bodies::from(NUMBER, "4915550000", &format!("flood.{serial}"));
        assert_eq!(stack.processes.post(flood).await, 200);
    }
    let started = Instant::now();
    for serial in 0..PEOPLE {
        let other = bodies::from(NUMBER, &format!("491777{serial:05}"), &format!("other.{serial}"));
        assert_eq!(stack.processes.post(other).await, 200);
    }

    eventually("the others are delivered", async || {
        let others =
            dsk.seen().iter().filter(|seen| String::from_utf8_lossy(&seen.body).contains("hello other")).count();
        (others == PEOPLE).then_some(())
    })
    .await;
    println!("others beside a flood of a thousand: {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_restarted_empty_holds_events_until_the_records_are_back() {
    let stack = Stack::start().await;
    post(&stack, NUMBER, 0..1).await;
    stack.processes.delivered(1).await;
    let records = stack.forget_everything().await;

    post(&stack, NUMBER, 1..10).await;
    eventually("they are held", async || stack.processes.logged().contains("Holding all events").then_some(())).await;
    assert_eq!(stack.processes.dsk.events(), 1);

    stack.remember(records).await;
    stack.processes.delivered(10).await;
    assert!(stack.processes.dsk.seen().iter().all(|seen| seen.attempt == 1), "an attempt was used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_events_of_a_channel_that_is_removed_are_not_delivered() {
    let mut stack = Stack::start().await;
    stack.processes.dispatchers[0].stop().await;
    post(&stack, NUMBER, 0..50).await;
    stack.store().remove(&Address::new(ADDRESS), now()).await.expect("the store answers");

    stack.processes.add_dispatcher().await;

    eventually("the queue is empty", async || (stack.waiting(Class::Messages).await == Some(0)).then_some(())).await;
    eventually("all are skipped", async || {
        stack.processes.logged().matches("needs no delivery").count().ge(&50).then_some(())
    })
    .await;
    assert_eq!(stack.processes.dsk.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotated_under_load_cost_no_event_an_attempt() {
    let stack = Stack::start().await;
    let old = stack.processes.key();
    let new = new_key();
    let store = stack.store();

    stack.processes.write_keys(&[&new, &old]);
    let rotate = async {
        let ring = key_ring(&[&new, &old]);
        let uses = eventually("the store answers", async || store.reseal(&ring).await.ok()).await;
        assert_eq!((uses.by_key.as_slice(), uses.unopenable.len()), (&[1, 0][..], 0));
    };
    tokio::join!(post(&stack, NUMBER, 0..300), rotate);
    eventually("both keys are read", async || {
        stack.processes.logged().contains("Read the key ring again keys=2").then_some(())
    })
    .await;
    stack.processes.write_keys(&[&new]);
    post(&stack, NUMBER, 300..400).await;

    stack.processes.delivered(400).await;
    let seen = stack.processes.dsk.seen();
    assert!(seen.iter().all(|seen| seen.attempt == 1 && seen.status == 200), "an attempt failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_shows_each_dispatcher_and_what_it_pauses() {
    let mut stack = Stack::start().await;
    stack.processes.add_dispatcher().await;
    other_channel(&stack, "a-token-that-dsk-refuses", None).await;
    post(&stack, OTHER_NUMBER, 0..PEOPLE).await;

    let status = eventually("both dispatchers report, and one of them reports a pause", async || {
        let status = stack.ops_json(&["status", "--json", "--dead-letters"]).await;
        let dispatchers = status["dispatchers"].as_array()?;
        let has_pause = dispatchers.iter().any(|one| one["paused"][0]["reason"] == "misconfigured");
        (dispatchers.len() == 2 && has_pause).then_some(status)
    })
    .await;
    let messages = status["queues"].as_array().into_iter().flatten().find(|queue| queue["queue"] == "meta.messages.v2");
    // RabbitMQ 3 counts only the active consumer of a partition.
    assert!(messages.is_some_and(|queue| queue["consumers"].as_u64() >= Some(1)), "{status}");
    assert_eq!(status["channels"]["connected"], 2);
    assert_eq!(status["dead_letters"], serde_json::json!({}));

    for mut dispatcher in std::mem::take(&mut stack.processes.dispatchers) {
        dispatcher.stop().await;
    }
    let status = stack.ops_json(&["status", "--json"]).await;
    assert_eq!(status["dispatchers"], serde_json::json!([]), "a dispatcher that has stopped is still listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_held_for_long_are_given_back_and_delivered_in_order() {
    let mut stack = Stack::start().await;
    stack.processes.dispatchers.remove(0).stop().await;
    stack.processes.extra_settings.push(("HOLD_TIME", "2s".to_owned()));
    stack.processes.add_dispatcher().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(503));

    post(&stack, NUMBER, 0..100).await;
    eventually("they are given back twice", async || {
        (stack.processes.dispatcher_metric("dispatcher_given_back_total").await >= 200.0).then_some(())
    })
    .await;
    stack.processes.dsk.behave(|dsk| dsk.answer = None);

    stack.processes.delivered(100).await;
    let seen = stack.processes.dsk.seen();
    assert!(is_in_lane_order(&delivered(&seen)), "{:?}", delivered(&seen));
    assert_eq!(stack.processes.dsk.under_way_most(), 1);
}
