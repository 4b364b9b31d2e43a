//! Measures the way from a signed notification to DSK: how many a second before events grow old, and at half of that their
//! age, the time until a 200, and what each process uses. The reference is a bare ingest and a bare dispatcher.

use std::time::Duration;

use tempfile::TempDir;

use crate::options::LoadOptions;
use crate::pair::{Pair, Step};
use crate::processes::Side;
use crate::report::RATE;
use crate::results::{Results, Row, Table};
use crate::rig;

/// How much higher each rate is than the one before.
const STEP: f64 = 1.2;
/// The most rates that are tried.
const STEPS: i32 = 14;
/// How often the step between the last rate that was held and the first that was not is halved: to 2 %.
const HALVINGS: usize = 3;
/// How long a backlog may take that a rate has left which was too high.
const DRAIN_TIME: Duration = Duration::from_mins(2);
/// The share of the steady rate that counts as half load.
const HALF: f64 = 0.5;

pub(crate) async fn run(options: LoadOptions) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut rates = Table::new("Through: notifications a second before events grow old");
    let mut ages = Table::by("Through: age of events as the rate rises", "notifications/s");
    let mut half = Table::new("Through: at half of our rate");
    let mut results = Results::begin();
    for _ in 0..options.rounds {
        let mut ours = f64::from(options.rate);
        for side in Side::BOTH {
            let rate = highest_rate(side, options, &folder, &mut ages).await;
            rates.add(side.name(), RATE, rate);
            ours = if side == Side::Ours { rate } else { ours };
        }
        for side in Side::BOTH {
            let mut pair = Pair::start(side, options.parallel, &folder).await;
            // The first seconds open connections and fill caches.
            pair.hold(ours * HALF, options.time() / 2).await;
            let step = pair.hold(ours * HALF, options.time()).await;
            add(half.row(side.name(), None), step);
        }
    }
    results.tables.extend([rates, half, ages]);
    results.finish("through");
}

/// The highest rate at which the age of events does not grow: found step by step, and then by halving the last step.
async fn highest_rate(side: Side, options: LoadOptions, folder: &TempDir, ages: &mut Table) -> f64 {
    let mut pair = Pair::start(side, options.parallel, folder).await;
    let mut best = 0.0;
    let mut rate = f64::from(options.rate);
    let mut step = STEP;
    let mut halvings = 0;
    for _ in 0..STEPS {
        let mut held = pair.hold(rate, options.time()).await;
        let row = ages.row(side.name(), Some(rate.round()));
        row.add("age p50, ms", held.ages.percentile_ms(50.0));
        row.add("age p99, ms", held.ages.percentile_ms(99.0));
        row.add("200 p99, ms", held.answers.percentile_ms(99.0));
        pair.drain(DRAIN_TIME).await;
        if held.is_sustained {
            best = held.rate;
        }
        if !held.is_sustained || halvings > 0 {
            halvings += 1;
            step = step.sqrt();
        }
        if halvings > HALVINGS {
            break;
        }
        rate = if held.is_sustained { rate * step } else { rate / step };
    }
    best
}

fn add(row: &mut Row, mut step: Step) {
    row.add(RATE, step.rate);
    for percent in [50.0, 99.0, 99.9] {
        row.add(&format!("age p{percent}, ms"), step.ages.percentile_ms(percent));
    }
    for percent in [50.0, 99.0] {
        row.add(&format!("200 p{percent}, ms"), step.answers.percentile_ms(percent));
    }
    for used in &step.used {
        row.add(&format!("{}, µs CPU an event", used.by), used.cpu_us);
    }
    for used in step.used.iter().filter(|used| used.is_measured) {
        row.add(&format!("{}, MB", used.by), used.megabytes);
    }
}
