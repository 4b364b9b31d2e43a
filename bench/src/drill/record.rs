//! Keeps one row for each drill, beside those of the drills before it, for `bench report`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::evidence::{Evidence, Place};
use super::options::DrillOptions;
use super::verdict::Verdict;
use crate::report::{count, megabytes};
use crate::results::{Results, Row, Table};

/// The name of the command, and of its results.
const NAME: &str = "drill";
const TITLE: &str = "Drills";

/// Adds the row of a drill. A drill that is repeated replaces its row.
pub(super) fn keep(options: &DrillOptions, evidence: &Evidence, verdict: &Verdict, peak: u64) {
    let mut results = Results::begin();
    let before = Results::load(NAME).and_then(|before| before.tables.into_iter().find(|table| table.title == TITLE));
    let mut table = before.unwrap_or_else(|| Table::new(TITLE));
    let faults: Vec<String> = evidence.happened.iter().map(|happened| happened.fault.to_string()).collect();
    let drill = format!("{} {} ", options.on, options.seed);
    table.rows.retain(|row| !row.name.starts_with(&drill));
    let name = format!("{drill}({} min): {}", options.minutes, faults.join(", "));
    let row = table.row(&name, None);
    add(row, verdict, peak);
    results.tables.push(table);
    results.finish(NAME);
}

/// Writes down who saw which event when, beside the logs.
pub(super) fn write_down(evidence: &Evidence, folder: &Path) {
    let mut lines: Vec<Line> = Vec::new();
    for accepted in &evidence.accepted {
        let Place { conversation, turn } = accepted.place;
        let text = format!(
            "accepted {conversation}.{turn} by ingest {}, posted {:.3}",
            accepted.ingest,
            accepted.posted.as_secs_f64()
        );
        lines.push(Line { at: accepted.at, text });
    }
    for taken in &evidence.taken {
        let Place { conversation, turn } = taken.place;
        lines.push(Line { at: taken.at, text: format!("taken {conversation}.{turn} on attempt {}", taken.attempt) });
    }
    for happened in &evidence.happened {
        lines.push(Line { at: happened.began, text: format!("began: {}", happened.fault) });
        lines.push(Line { at: happened.ended, text: format!("ended: {}", happened.fault) });
    }
    lines.sort_by_key(|line| line.at);
    let mut text = String::new();
    for line in &lines {
        writeln!(text, "{:.3} {}", line.at.as_secs_f64(), line.text).expect("writing to memory cannot fail");
    }
    for parked in &evidence.parked {
        let Place { conversation, turn } = parked.place;
        writeln!(text, "parked {conversation}.{turn}: {}", parked.reason).expect("writing to memory cannot fail");
    }
    crate::rig::write(folder, "events.txt", &text);
}

/// Something that was seen.
struct Line {
    at: Duration,
    text: String,
}

fn add(row: &mut Row, verdict: &Verdict, peak: u64) {
    row.add("events", count(verdict.events));
    row.add("lost", count(verdict.lost.len()));
    row.add("stuck", count(verdict.stuck.len()));
    row.add("dead letters", count(verdict.parked.values().sum()));
    row.add("repeated", count(verdict.repeats()));
    row.add("of these unexplained", count(verdict.unexplained.len()));
    row.add("out of order", count(verdict.disorder.len()));
    row.add("longest pause after a fault, s", verdict.worst_pause().as_secs_f64());
    row.add("longest wait, s", verdict.longest_wait.map(|wait| wait.lasted.as_secs_f64()).unwrap_or_default());
    row.add("peak memory, MB", megabytes(peak));
}
