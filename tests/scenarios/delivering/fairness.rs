//! No business's trouble is another's: refused, slow, unreachable or throttled, one costs the others next to nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use channels::NewChannel;
use chassis::{Secret, Shutdown, now};
use event::Address;
use ops::dsk::Dsk;
use testkit::{eventually, eventually_within};
use tokio::time::sleep_until;

use crate::support::bodies::{self, NUMBER};
use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET, start_dsk};
use crate::support::stack::{Stack, key_ring};
use crate::support::two_tenants::{OTHER_NUMBER, message, other_channel, post};

/// The token of a business whose token was changed at DSK and not here.
const WRONG_TOKEN: &str = "a-token-that-dsk-refuses";
/// How long a slow DSK takes for an answer.
const SLOW: Duration = Duration::from_secs(9);
/// Messages in one notification.
const BATCH: usize = 100;
/// What a busy machine may need for what takes milliseconds on a quiet one.
const SOON: Duration = Duration::from_secs(5);
/// More than twice as many as have an attempt under way.
const REFUSED: usize = 400;
/// Events that each business in trouble has waiting, and how long the good one is watched.
const WAITING: usize = if cfg!(feature = "long") { 5_000 } else { 700 };
const WATCHED: usize = if cfg!(feature = "long") { 2_400 } else { 200 };
/// Events that come while what waited at the start is moved out of the way: those of 15 s.
const COLD: usize = if cfg!(feature = "long") { 300 } else { 0 };

/// Stores one more business.
async fn tenant(stack: &Stack, number: &str, token: &str, dsk_url: Option<String>) {
    let ring = key_ring(&[&stack.processes.key()]);
    let address = Address::new(format!("whatsapp:{number}"));
    let mut channel = NewChannel::new(address, format!("tenant-{number}"), ring.seal(&Secret::new(token)));
    channel.dsk_url = dsk_url;
    let store = stack.store();
    eventually("the channel is stored", async || store.add(&channel, now()).await.ok()).await;
}

/// Posts many messages to a number, each from another person.
async fn post_many(stack: &Stack, number: &str, count: usize) {
    for first in (0..count).step_by(BATCH) {
        let body = bodies::many(number, first..count.min(first + BATCH));
        assert_eq!(stack.processes.post(body).await, 200);
    }
}

/// A stack without a dispatcher: what a test posts waits until the test starts one.
async fn cold() -> Stack {
    let mut stack = Stack::start().await;
    stack.processes.dispatchers.remove(0).kill().await;
    stack
}

async fn own_dsk(delay: Duration, shutdown: &Shutdown) -> Dsk {
    let dsk = start_dsk(DSK_TOKEN, SIGNING_SECRET, shutdown).await;
    dsk.behave(|behaviour| behaviour.delay = delay);
    dsk
}

/// Posts this many messages to a number, 20 a second, each from another person; returns how long after its 200 each
/// arrived at this DSK, which gets nothing else.
async fn arrivals(stack: &Stack, number: &str, dsk: &Dsk, delay: Duration, count: usize) -> Vec<Duration> {
    let before = dsk.requests();
    let started = tokio::time::Instant::now();
    let mut accepted = Vec::new();
    let mut arrived: Vec<(Instant, Bytes)> = Vec::new();
    let look = |arrived: &mut Vec<(Instant, Bytes)>| {
        if dsk.requests() > before + arrived.len() {
            let at = Instant::now().checked_sub(delay).expect("the machine runs for longer");
            let new = dsk.seen_after(before + arrived.len());
            arrived.extend(new.into_iter().map(|request| (at, request.body)));
        }
    };
    while accepted.len() < count || arrived.len() < count {
        let due = started + Duration::from_millis(50) * u32::try_from(accepted.len()).expect("they are few");
        if accepted.len() < count && tokio::time::Instant::now() >= due {
            let serial = accepted.len();
            assert_eq!(
                stack.processes.post(bodies::from(number, &format!("4915{serial:07}"), &format!("w{serial}."))).await,
                200
            );
            accepted.push(Instant::now());
        }
        look(&mut arrived);
        assert!(started.elapsed() < Duration::from_mins(15), "{} of {count} arrived", arrived.len());
        sleep_until(tokio::time::Instant::now() + Duration::from_millis(2)).await;
    }
    let mut times = vec![Duration::ZERO; count];
    for (at, body) in &arrived {
        let body = String::from_utf8_lossy(body);
        let (_, rest) = body.split_once("wamid.w").expect("it is one of ours");
        let serial: usize = rest.split('.').next().and_then(|serial| serial.parse().ok()).expect("it is a number");
        times[serial] = at.saturating_duration_since(accepted[serial]);
    }
    times
}

fn percentile(times: &[Duration], hundredths: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() * hundredths / 100).min(times.len() - 1)]
}

fn report(title: &str, times: &[Duration]) {
    println!(
        "{title}: {} events, p50 {:?}, p99 {:?}, max {:?}",
        times.len(),
        percentile(times, 50),
        percentile(times, 99),
        percentile(times, 100)
    );
}

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
        (dsk.events() == 60 + REFUSED).then_some(())
    })
    .await;
    assert_eq!(stack.dead_letters().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_for_whom_dsk_always_fails_holds_up_no_other_at_the_same_origin() {
    let stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    other_channel(&stack, DSK_TOKEN, None).await;
    dsk.behave(|dsk| dsk.failing_texts = vec![OTHER_NUMBER.to_owned()]);
    post_many(&stack, OTHER_NUMBER, REFUSED).await;
    eventually("an outage has begun", async || stack.processes.logged().contains("Holding event").then_some(())).await;

    let longest = longest_delivery(&stack, 0..10).await;

    println!("longest delivery beside {REFUSED} events for which DSK always fails: {longest:?}");
    assert!(longest < SOON * 3, "one probe of the other may come first, every 5 s: {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_head_of_refused_events_delivers_the_good_ones_behind_it() {
    let mut stack = cold().await;
    other_channel(&stack, WRONG_TOKEN, None).await;
    post_many(&stack, OTHER_NUMBER, 250).await;
    post(&stack, NUMBER, 0..20).await;

    let started = Instant::now();
    stack.processes.add_dispatcher().await;
    stack.processes.delivered(20).await;

    println!("20 good events behind 250 refused ones arrived within {:?} of a cold start", started.elapsed());
    assert!(started.elapsed() < SOON * 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_answers_after_nine_seconds_delays_no_other() {
    let shutdown = Shutdown::default();
    let mut stack = cold().await;
    let slow = own_dsk(SLOW, &shutdown).await;
    other_channel(&stack, DSK_TOKEN, Some(slow.url())).await;
    post_many(&stack, OTHER_NUMBER, 1_000).await;
    stack.processes.add_dispatcher().await;
    eventually("the slow one has many requests", async || (slow.under_way() > 40).then_some(())).await;

    let times = arrivals(&stack, NUMBER, &stack.processes.dsk, Duration::ZERO, 100).await;

    report("beside 1,000 events that take 9 s each", &times);
    assert!(percentile(&times, 99) < SOON);
    shutdown.request();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_held_for_too_long_delay_no_other() {
    let shutdown = Shutdown::default();
    let mut stack = cold().await;
    let slow = own_dsk(SLOW, &shutdown).await;
    tenant(&stack, "100000000000011", WRONG_TOKEN, None).await;
    tenant(&stack, "100000000000012", DSK_TOKEN, Some(slow.url())).await;
    post_many(&stack, "100000000000011", 20).await;
    post_many(&stack, "100000000000012", 200).await;
    stack.processes.extra_settings.push(("HOLD_TIME", "3s".to_owned()));
    stack.processes.add_dispatcher().await;

    let good = own_dsk(Duration::ZERO, &shutdown).await;
    tenant(&stack, "100000000000015", DSK_TOKEN, Some(good.url())).await;
    let times = arrivals(&stack, "100000000000015", &good, Duration::ZERO, 200).await;

    report("while events are held for too long", &times);
    assert!(percentile(&times, 99) < Duration::from_secs(3));
    eventually("what was held for too long is deferred", async || {
        stack.processes.logged().contains("Deferring what was held for too long").then_some(())
    })
    .await;
    shutdown.request();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_fails_while_it_is_alone_keeps_its_order_and_defers_nothing() {
    let mut stack = Stack::start().await;
    let dsk = &stack.processes.dsk;
    dsk.behave(|dsk| {
        dsk.delay = Duration::from_millis(20);
        dsk.script = (0..2_000).map(|turn| [200, 429, 200, 503][turn % 4]).collect();
    });

    for serial in 0..3_000 {
        assert_eq!(stack.processes.post(message(NUMBER, serial)).await, 200);
    }
    stack.processes.delivered(3_000).await;

    let dsk = &stack.processes.dsk;
    let delivered = dsk.seen().into_iter().filter(|request| request.status == 200 && !request.is_repeat);
    let mut last = vec![None; crate::support::two_tenants::PEOPLE];
    for request in delivered {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let (_, rest) = body.split_once(&format!("wamid.{NUMBER}.")).expect("it is one of ours");
        let serial: usize = rest.split('"').next().and_then(|serial| serial.parse().ok()).expect("it is a number");
        let last = &mut last[serial % crate::support::two_tenants::PEOPLE];
        assert!(*last < Some(serial), "{serial} after {last:?} in one conversation");
        *last = Some(serial);
    }
    for tier in ["10s", "1m", "10m", "1h"] {
        let series = format!("dispatcher_deferred_total{{tier=\"{tier}\"}}");
        assert!(stack.processes.dispatcher_metric(&series).await < 0.5, "{series}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_tenants_in_trouble_do_not_hold_up_a_fifth() {
    let shutdown = Shutdown::default();
    let mut stack = cold().await;
    let good = own_dsk(Duration::from_millis(50), &shutdown).await;
    let slow = own_dsk(SLOW, &shutdown).await;
    let throttling = own_dsk(Duration::ZERO, &shutdown).await;
    throttling.behave(|dsk| dsk.answer = Some(429));
    // A port that nothing listens on any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let gone = gone.expect("there is a free port");
    tenant(&stack, "100000000000011", WRONG_TOKEN, None).await;
    tenant(&stack, "100000000000012", DSK_TOKEN, Some(slow.url())).await;
    tenant(&stack, "100000000000013", DSK_TOKEN, Some(format!("http://{gone}/events"))).await;
    tenant(&stack, "100000000000014", DSK_TOKEN, Some(throttling.url())).await;
    tenant(&stack, "100000000000015", DSK_TOKEN, Some(good.url())).await;
    for number in ["100000000000011", "100000000000012", "100000000000013", "100000000000014"] {
        post_many(&stack, number, WAITING).await;
    }
    stack.processes.add_dispatcher().await;
    stack.processes.add_dispatcher().await;

    let times = arrivals(&stack, "100000000000015", &good, Duration::from_millis(50), WATCHED).await;

    report(&format!("beside four tenants in trouble with {WAITING} events each, from a cold start"), &times);
    report("without the first ones", &times[COLD..]);
    assert!(percentile(&times[COLD..], 99) < SOON);
    // The slow one is served meanwhile.
    eventually_within(SLOW * 3, "the slow one gets its events", async || (slow.events() > 40).then_some(())).await;
    shutdown.request();
}
