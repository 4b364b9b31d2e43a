//! Measures whether memory grows under a steady load of an hour.

use std::time::{Duration, Instant};

use crate::options::LoadOptions;
use crate::pair::Pair;
use crate::processes::{Measured, Side};
use crate::report::{count, megabytes};
use crate::results::{Results, Table};
use crate::rig;

/// How often memory is read.
const PERIOD: Duration = Duration::from_mins(1);

pub(crate) async fn run(options: LoadOptions) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rate = f64::from(options.rate);
    let time = options.time();
    let mut results = Results::begin();
    let mut table = Table::by("Memory under a steady load", "minutes");
    let mut pair = Pair::start(Side::Ours, options.parallel, &folder).await;
    let started = Instant::now();
    while started.elapsed() < time {
        pair.post(rate, PERIOD.min(time)).await;
        let minutes = (started.elapsed().as_secs_f64() / 60.0).round();
        let row = table.row("", Some(minutes));
        row.add("ingest, MB", megabytes(pair.ingest.usage().resident));
        let dispatcher = pair.dispatcher.as_ref().map(Measured::usage).unwrap_or_default();
        row.add("dispatcher, MB", megabytes(dispatcher.resident));
        row.add("events under way", count(pair.backlog()));
    }
    results.tables.push(table);
    results.finish("soak");
}
