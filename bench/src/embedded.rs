//! Measures signed notifications until 200, with the embedded queue. The reference is single fsyncs on the same disk.

use std::io::Write as _;
use std::time::Instant;

use crate::accept;
use crate::options::Options;
use crate::report::{Round, line, summary};
use crate::rig;

/// Connections that post at once, unless `--parallel` is given.
const CONNECTIONS: usize = 64;
/// Bytes written before each fsync.
const BLOCK: [u8; 1_024] = [b'x'; 1_024];
/// Fsyncs in a round: enough for a steady figure, few enough for a slow disk.
const FSYNCS: usize = 2_000;

pub(crate) async fn run(options: Options) {
    rig::build();
    let options = Options { parallel: Some(options.parallel.unwrap_or(CONNECTIONS)), ..options };
    // Not in the system's temporary folder, which may be in memory.
    let folder = tempfile::tempdir_in("target").expect("target is there");
    let notifications = accept::notifications(options.events);
    let mut ours = Vec::new();
    let mut reference = Vec::new();
    for number in 0..options.rounds {
        let round = fsyncs(&folder.path().join(format!("fsyncs-{number}")));
        line("reference", round);
        reference.push(round);
        let url = format!("embedded:{}", folder.path().join(format!("queue-{number}")).display());
        let round = accept::accept(&url, &notifications, options, &folder).await;
        line("ours", round);
        ours.push(round);
    }
    summary(&ours, &reference, options);
}

fn fsyncs(path: &std::path::Path) -> Round {
    let mut file = std::fs::File::create(path).expect("the folder is ours");
    let started = Instant::now();
    for _ in 0..FSYNCS {
        file.write_all(&BLOCK).and_then(|()| file.sync_data()).expect("the disk writes");
    }
    Round { events: FSYNCS, elapsed: started.elapsed(), cpu: None }
}
