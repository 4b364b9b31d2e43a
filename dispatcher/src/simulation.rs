//! Plays dispatchers under a simulated queue, store and DSK, with a clock of its own: thousands of seeds, each of which decides
//! who there is, what goes wrong when, and how long everything takes.
//!
//! The workers, with their lanes, pauses, limits and policy, are the real ones. Everything around them is played: `broker` and
//! `feed` the queue, `store` the channel store, `dsk` DSK, `effects` the runner's tasks. `ledger` and `checks` say what has to
//! hold. A seed that fails is named together with the command that repeats it alone and prints what happened.

mod agenda;
mod apply;
mod broker;
mod chance;
mod checks;
mod dispatcher;
mod dsk;
mod effects;
mod faults;
mod feed;
mod ledger;
mod life;
mod links;
mod parcel;
mod plan;
mod store;
mod store_news;
mod task;
mod world;

use std::any::Any;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ledger::Ledger;
use plan::Plan;
use world::World;

/// How many seeds are played in every run of the tests: what two cores play in less than a minute without optimisation.
const SEEDS: u64 = 2_000;
/// After this many seeds have failed, no more are played.
const FAILURES_MAX: usize = 3;
/// Plays this seed only, and prints what happens in it.
const SEED: &str = "SIMULATION_SEED";
/// Plays this many seeds.
const SEED_COUNT: &str = "SIMULATION_SEEDS";

/// What was seen in all simulations together.
#[derive(Debug, Default)]
struct Summary {
    arrivals: u64,
    oldest_untroubled: Duration,
    oldest_neighbour: Duration,
    failures: Vec<String>,
}

impl Summary {
    fn add(&mut self, ledger: &Ledger) {
        self.arrivals += ledger.arrivals;
        self.oldest_untroubled = self.oldest_untroubled.max(ledger.oldest_untroubled);
        self.oldest_neighbour = self.oldest_neighbour.max(ledger.oldest_neighbour);
    }
}

fn play(seed: u64, is_traced: bool) -> Ledger {
    fastrand::seed(seed);
    World::new(Plan::draw(), is_traced).play()
}

/// Plays so many seeds on all cores.
fn play_all(seeds: u64) -> Summary {
    let next = AtomicU64::new(0);
    let failed = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::default());
    let play_next = || {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds || failed.load(Ordering::Relaxed) >= FAILURES_MAX {
            return false;
        }
        let played = catch_unwind(|| play(seed, false));
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        match played {
            Ok(ledger) => summary.add(&ledger),
            Err(panic) => {
                failed.fetch_add(1, Ordering::Relaxed);
                summary.failures.push(format!(
                    "seed {seed}: {}\n  {SEED}={seed} cargo test -p dispatcher simulation -- --nocapture",
                    message(&*panic)
                ));
            }
        }
        true
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| while play_next() {});
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var_os(name)?.into_string().expect("it is text");
    Some(value.parse().expect("it is a number"))
}

#[test]
fn whatever_fails_each_event_is_settled_once_and_in_order_no_pause_lasts_and_nobody_waits_for_others() {
    if let Some(seed) = number(SEED) {
        play(seed, true);
        return;
    }
    let seeds = number(SEED_COUNT).unwrap_or(SEEDS);
    let began = Instant::now();

    let Summary { failures, arrivals, oldest_untroubled, oldest_neighbour } = play_all(seeds);

    println!(
        "{seeds} seeds in {:.1?}: DSK got {arrivals} events; the oldest that nothing troubled was {oldest_untroubled:.1?} \
         old, beside trouble at its origin {oldest_neighbour:.1?}",
        began.elapsed()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_seed_plays_the_same_each_time() {
    for seed in 0..50 {
        let first = format!("{:?}", play(seed, false));

        assert_eq!(format!("{:?}", play(seed, false)), first, "seed {seed}");
    }
}
