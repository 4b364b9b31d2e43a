//! Conversations stay in order while three dispatchers join, leave, are killed and stop answering, and DSK is in trouble.

use std::time::{Duration, Instant};

use chassis::Secret;
use hyper::StatusCode;
use ops::webhook::Meta;
use testkit::{eventually, eventually_within};

use crate::support::conversations::{self, disorder};
use crate::support::stack::{APP_SECRET, Stack};

/// How long the drill may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(45);
const PEOPLE: usize = 1_000;
/// Messages of each person. Each is posted after the 200 to the one before.
const TURNS: usize = 200;
/// People whose messages are posted at once.
const SENDERS: usize = 40;
/// The time from one disturbance to the next.
const DISTURBANCE_PERIOD: Duration = Duration::from_secs(5);
/// How many disturbances a dispatcher that is stopped (SIGSTOP) stays so: 40 s.
const STOPPED_FOR: usize = 8;
/// Attempts that are under way in a dispatcher of class `messages` at most, and so how many can be made twice when it dies.
const WINDOW: usize = 192;

/// What DSK does, one after the other: it is slow, fails now and then, is down, is well.
const TROUBLE: [Trouble; 4] = [
    Trouble { delay: Duration::from_millis(20), answer: None, fail_ratio: 0.0 },
    Trouble { delay: Duration::from_millis(5), answer: None, fail_ratio: 0.1 },
    Trouble { delay: Duration::ZERO, answer: Some(503), fail_ratio: 0.0 },
    Trouble { delay: Duration::ZERO, answer: None, fail_ratio: 0.0 },
];

struct Trouble {
    delay: Duration,
    answer: Option<u16>,
    fail_ratio: f64,
}

/// Posts the messages of every person, each after the answer to the one before.
async fn post_all(meta: &Meta) {
    let senders = (0..SENDERS).map(|sender| async move {
        for turn in 0..TURNS {
            for person in (sender..PEOPLE).step_by(SENDERS) {
                let body = conversations::message(person, turn);
                let accepted = async || (meta.post(body.clone()).await.ok()? == StatusCode::OK).then_some(());
                eventually("a message is accepted", accepted).await;
            }
        }
    });
    futures_util::future::join_all(senders).await;
}

/// Disturbs the dispatchers and DSK until everything has been delivered. Returns how many dispatchers were killed or stopped.
async fn disturb(stack: &mut Stack) -> usize {
    let mut disturbances = 0;
    let mut interrupted = 0;
    let mut stopped: Option<usize> = None;
    let mut last = Instant::now();
    eventually_within(PATIENCE, "every message arrives", async || {
        if last.elapsed() < DISTURBANCE_PERIOD {
            return None;
        }
        last = Instant::now();
        if stack.processes.dsk.events() == PEOPLE * TURNS {
            return Some(());
        }
        disturbances += 1;
        let trouble = &TROUBLE[disturbances / 3 % TROUBLE.len()];
        stack.processes.dsk.behave(|dsk| {
            dsk.delay = trouble.delay;
            dsk.answer = trouble.answer;
            dsk.fail_ratio = trouble.fail_ratio;
        });
        if stopped.is_some_and(|since| disturbances >= since + STOPPED_FOR) {
            stack.processes.dispatchers[0].signal("CONT").await;
            stopped = None;
        }
        match disturbances % 6 {
            1 => {
                stack.processes.dispatchers.remove(2).kill().await;
                stack.processes.add_dispatcher().await;
                interrupted += 1;
            }
            3 if stopped.is_none() => {
                stack.processes.dispatchers[0].signal("STOP").await;
                stopped = Some(disturbances);
                interrupted += 1;
            }
            5 => {
                stack.processes.dispatchers.remove(1).stop().await;
                stack.processes.add_dispatcher().await;
            }
            _ => {}
        }
        None
    })
    .await;
    if stopped.is_some() {
        stack.processes.dispatchers[0].signal("CONT").await;
    }
    interrupted
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_messages_arrive_in_the_order_of_their_conversations_whatever_becomes_of_dispatchers() {
    let mut stack = Stack::start().await;
    stack.processes.add_dispatcher().await;
    stack.processes.add_dispatcher().await;
    stack.processes.dsk.behave(|dsk| dsk.keeps_headers = false);
    let started = Instant::now();

    let webhook = format!("http://{}/webhook", stack.processes.ingest_address);
    let meta = Meta::new(webhook.parse().expect("it is an address"), Secret::new(APP_SECRET));
    let (interrupted, ()) = tokio::join!(disturb(&mut stack), post_all(&meta));

    let seen = stack.processes.dsk.seen();
    let disorder = disorder(&seen);
    println!(
        "{} messages of {PEOPLE} people in {:?}: {} requests, {} dispatchers killed or stopped, {} repeats, {} overtaken \
         because DSK failed, {} out of order",
        PEOPLE * TURNS,
        started.elapsed(),
        seen.len(),
        interrupted,
        disorder.repeats,
        disorder.excepted,
        disorder.violations.len()
    );
    assert!(disorder.violations.is_empty(), "{:?}", &disorder.violations[..disorder.violations.len().min(20)]);
    assert!(disorder.repeats <= interrupted * WINDOW, "{} repeats", disorder.repeats);
}
