//! Slow drills with many events and many kills.

use std::time::{Duration, Instant};

use event::Class;
use testkit::eventually_within;

use crate::support::bodies::{self, NUMBER, statuses, text};
use crate::support::stack::{Stack, program};

/// How long a drill may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(15);
const EVENTS: usize = 100_000;
/// Updates in one notification: as many as Meta puts into one.
const BATCH: usize = 1_000;
const KILLS: usize = 12;
const BETWEEN_KILLS: usize = 250;
/// The time between two kills of a dispatcher under load.
const KILL_PERIOD: Duration = Duration::from_secs(3);
/// Events of each half of a round of the drill about recovery.
const BACKLOG: usize = 1_700;
/// The best of several rounds counts, because the machine may have other work in one of them.
const BACKLOG_ROUNDS: usize = 3;
/// How many people send those events.
const PEOPLE: usize = 1_000;
const POSTS_AT_ONCE: usize = 20;
/// How many envelopes a dispatcher has in flight at most, and so how many can be delivered twice when it dies.
const WINDOWS: usize = 192 + 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_events_arrive_each_once() {
    let mut stack = Stack::start().await;
    stack.processes.add_dispatcher().await;

    for first in (0..EVENTS).step_by(BATCH) {
        stack.processes.post_until_accepted(statuses(first..first + BATCH)).await;
    }

    let dsk = &stack.processes.dsk;
    eventually_within(PATIENCE, "every event arrives", async || (dsk.requests() >= EVENTS).then_some(())).await;
    assert_eq!((dsk.events(), dsk.requests()), (EVENTS, EVENTS), "an event arrived twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_killed_again_and_again_lose_no_event() {
    let mut stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| {
        dsk.delay = Duration::from_millis(30);
        dsk.fail_ratio = 0.05;
    });

    for kill in 0..KILLS {
        for serial in kill * BETWEEN_KILLS..(kill + 1) * BETWEEN_KILLS {
            stack.processes.post_until_accepted(text(serial)).await;
        }
        stack.processes.dispatchers.remove(0).kill().await;
        stack.processes.add_dispatcher().await;
    }

    let sent = KILLS * BETWEEN_KILLS;
    let dsk = &stack.processes.dsk;
    eventually_within(PATIENCE, "every event arrives", async || (dsk.events() == sent).then_some(())).await;
    println!("{sent} events, {} requests, {KILLS} kills", dsk.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_and_kills_deliver_few_events_twice_and_lose_none() {
    let mut stack = Stack::start().await;
    stack.processes.add_dispatcher().await;

    let mut killed_at = Instant::now();
    let mut kills = 0;
    for (serial, first) in (0..EVENTS).step_by(BATCH).enumerate() {
        stack.processes.post_until_accepted(statuses(first..first + BATCH)).await;
        if serial % 10 == 0 {
            // Meta sends a notification again when it believes that the first copy was lost.
            stack.processes.post_until_accepted(statuses(first..first + BATCH)).await;
        }
    }
    eventually_within(PATIENCE, "every event arrives", async || {
        if kills < KILLS && killed_at.elapsed() > KILL_PERIOD {
            stack.processes.dispatchers.remove(0).kill().await;
            stack.processes.add_dispatcher().await;
            killed_at = Instant::now();
            kills += 1;
        }
        (stack.processes.dsk.events() == EVENTS).then_some(())
    })
    .await;

    let twice = stack.processes.dsk.requests() - EVENTS;
    println!("{EVENTS} events, 10 % sent twice, {kills} kills: {twice} reached DSK twice, under the same webhook-id");
    assert!(twice <= kills * WINDOWS, "{twice} repeats");
}

/// The address space of a command that reads all of them; their bodies alone would take a third of it.
const ADDRESS_SPACE_KB: usize = 400_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_dead_letters_are_read_in_bounded_memory() {
    let mut stack = Stack::start().await;
    stack.processes.dispatchers.remove(0).stop().await;
    stack.park(EVENTS).await;

    for command in ["discard --all", "replay --all --yes --rate 100000"] {
        let started = Instant::now();
        let ops = program("ops").display().to_string();
        let bounded = format!("ulimit -v {ADDRESS_SPACE_KB} && exec {ops} dead-letters {command}");
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", &bounded]).env_clear().envs(stack.ops_settings());
        let output = command.output().await.expect("there is a shell");
        let listing = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{listing}{}", String::from_utf8_lossy(&output.stderr));
        assert!(listing.contains(&EVENTS.to_string()), "{listing}");
        println!("{bounded}: {:?}", started.elapsed());
    }

    let replayed = stack.waiting(Class::Messages).await;
    assert_eq!((replayed, stack.dead_letters().await.len()), (u64::try_from(EVENTS).ok(), 0));
}

/// Posts these messages, several at once.
async fn post_backlog(stack: &Stack, serials: std::ops::Range<usize>) {
    for first in serials.clone().step_by(POSTS_AT_ONCE) {
        let posts = (first..serials.end.min(first + POSTS_AT_ONCE)).map(|serial| {
            let person = format!("491777{:05}", serial % PEOPLE);
            stack.processes.post_until_accepted(bodies::from(NUMBER, &person, &format!("backlog.{serial}")))
        });
        futures_util::future::join_all(posts).await;
    }
}

/// The events a second that arrive until DSK has `until` of them. A healthy DSK takes one request for each, and counting
/// requests does not slow it down. Requests are counted before events, or an event that arrives in between would be
/// waited for twice.
async fn rate(stack: &Stack, until: usize) -> f64 {
    let dsk = &stack.processes.dsk;
    let started = Instant::now();
    let requests = dsk.requests();
    let events = until - dsk.events();
    let has_all = async || (dsk.requests() >= requests + events).then(|| started.elapsed());
    let took = eventually_within(PATIENCE, "every event arrives", has_all).await;
    stack.processes.delivered(until).await;
    f64::from(u32::try_from(events).expect("some thousands")) / took.as_secs_f64()
}

/// Queues events while no dispatcher runs, then starts one, and returns its rate.
async fn healthy_rate(stack: &mut Stack, serials: std::ops::Range<usize>) -> f64 {
    assert_eq!(stack.processes.dispatchers.remove(0).stop().await, Some(0));
    post_backlog(stack, serials.clone()).await;
    stack.processes.add_dispatcher().await;
    rate(stack, serials.end).await
}

/// Queues events while DSK is down, then mends it. Returns the rate after its first good answer, and the time until
/// that answer.
async fn recovered_rate(stack: &Stack, serials: std::ops::Range<usize>) -> (f64, Duration) {
    let dsk = &stack.processes.dsk;
    dsk.behave(|dsk| dsk.answer = Some(503));
    post_backlog(stack, serials.clone()).await;
    let mended_at = Instant::now();
    dsk.behave(|dsk| dsk.answer = None);
    let is_noticed = async || (dsk.events() > serials.start).then_some(());
    eventually_within(PATIENCE, "a probe finds DSK healthy", is_noticed).await;
    let noticed_after = mended_at.elapsed();
    (rate(stack, serials.end).await, noticed_after)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backlog_of_an_outage_drains_nearly_as_fast_as_any_other() {
    let mut stack = Stack::start().await;

    let mut healthy = 0.0_f64;
    let mut recovered = 0.0_f64;
    let mut noticed_after = Duration::ZERO;
    for first in (0..BACKLOG_ROUNDS).map(|round| round * 2 * BACKLOG) {
        healthy = healthy.max(healthy_rate(&mut stack, first..first + BACKLOG).await);
        let (rate, noticed) = recovered_rate(&stack, first + BACKLOG..first + 2 * BACKLOG).await;
        recovered = recovered.max(rate);
        noticed_after = noticed_after.max(noticed);
    }

    let ratio = recovered / healthy;
    println!("{BACKLOG} queued events, best of {BACKLOG_ROUNDS} rounds: {healthy:.0}/s without an outage");
    println!("{recovered:.0}/s after one ({ratio:.2}); its end was noticed after at most {noticed_after:?}");
    assert!(ratio > 0.3, "{ratio:.2}");
    assert_eq!(stack.dead_letters().await.len(), 0);
}
