//! Keeps one row for each drill, beside those of the drills before it, for `bench report`.

use super::options::DrillOptions;
use super::verdict::{Evidence, Verdict};
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

fn add(row: &mut Row, verdict: &Verdict, peak: u64) {
    row.add("events", count(verdict.events));
    row.add("lost", count(verdict.lost.len()));
    row.add("dead letters", count(verdict.parked.values().sum()));
    row.add("repeated", count(verdict.repeats()));
    row.add("of these unexplained", count(verdict.unexplained.len()));
    row.add("out of order", count(verdict.disorder.len()));
    row.add("longest pause after a fault, s", verdict.worst_pause().as_secs_f64());
    row.add("longest wait, s", verdict.longest_wait.map(|wait| wait.lasted.as_secs_f64()).unwrap_or_default());
    row.add("peak memory, MB", megabytes(peak));
}
