//! Measures signed notifications until 200, with the embedded queue. The reference is single fsyncs on the same disk.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::markdown::OURS;
use crate::notifications::{self, Shape, Source};
use crate::options::Options;
use crate::processes::Side;
use crate::report::{self, CPU, RATE};
use crate::results::{Results, Table};
use crate::rig;
use crate::sender::Sender;

/// Connections that post at once, unless `--parallel` is given.
const CONNECTIONS: usize = 64;
/// Bytes written before each fsync.
const BLOCK: [u8; 1_024] = [b'x'; 1_024];
/// Fsyncs in a round: enough for a steady figure, few enough for a slow disk.
const FSYNCS: usize = 2_000;

pub(crate) async fn run(options: Options) {
    rig::build();
    // Not in the system's temporary folder, which may be in memory.
    let folder = tempfile::tempdir_in("target").expect("target is there");
    let notifications = notifications::signed(options.events, Shape::default());
    let mut results = Results::begin();
    let mut table = Table::new("Notifications accepted into files");
    for number in 0..options.rounds {
        let elapsed = fsync(&folder.path().join(format!("fsyncs-{number}")));
        table.add("fsyncs, one after the other", RATE, report::rate(FSYNCS, elapsed));
        let url = format!("embedded:{}", folder.path().join(format!("queue-{number}")).display());
        let ingest = Side::Ours.ingest(&url, &folder).await;
        let connections = options.parallel.unwrap_or(CONNECTIONS);
        let sender =
            Sender { address: ingest.listens(), notifications: Source::Made(Arc::clone(&notifications)), connections };
        let before = ingest.usage();
        let started = Instant::now();
        sender.post_all(options.events).await;
        table.add(OURS, RATE, report::rate(options.events, started.elapsed()));
        table.add(OURS, CPU, report::each_us(ingest.usage().since(before), options.events));
    }
    results.tables.push(table);
    results.finish("embedded");
}

fn fsync(path: &Path) -> Duration {
    let mut file = std::fs::File::create(path).expect("the folder is ours");
    let started = Instant::now();
    for _ in 0..FSYNCS {
        file.write_all(&BLOCK).and_then(|()| file.sync_data()).expect("the disk writes");
    }
    started.elapsed()
}
