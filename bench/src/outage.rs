//! Measures how long a backlog takes that an outage of DSK has left, against the same backlog that has only waited for a
//! dispatcher.

use std::time::{Duration, Instant};

use crate::options::LoadOptions;
use crate::pair::Pair;
use crate::processes::Side;
use crate::report::count;
use crate::results::{Results, Table};
use crate::rig;

/// How long DSK, or the dispatcher, is away.
const AWAY: Duration = Duration::from_mins(2);
/// How long load goes on afterwards, at the most.
const AFTER: Duration = Duration::from_mins(5);
/// How often is looked whether the backlog is gone.
const STEP: Duration = Duration::from_millis(250);
/// A backlog of less than this many seconds of load is what is under way.
const NONE: f64 = 0.1;

pub(crate) async fn run(options: LoadOptions) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rate = f64::from(options.rate);
    let mut results = Results::begin();
    let mut table = Table::new("Until the backlog of two minutes is gone, under load");
    for _ in 0..options.rounds {
        for is_outage in [false, true] {
            let mut pair = Pair::start(Side::Ours, options.parallel, &folder).await;
            pair.hold(rate, options.time()).await;
            if is_outage {
                pair.sink.be_away(true);
            } else {
                pair.stop_dispatcher();
            }
            pair.post(rate, AWAY).await;
            let backlog = pair.backlog();
            let started = Instant::now();
            if is_outage {
                pair.sink.be_away(false);
            } else {
                pair.start_dispatcher(&folder).await;
            }
            while count(pair.backlog()) > rate * NONE && started.elapsed() < AFTER {
                pair.post(rate, STEP).await;
            }
            let row = table.row(if is_outage { "DSK was away" } else { "the dispatcher was away" }, None);
            row.add("events that waited", count(backlog));
            row.add("seconds until they were gone", started.elapsed().as_secs_f64());
        }
    }
    results.tables.push(table);
    results.finish("outage");
}
