//! Units of figures, and `bench report`: writes what was measured last into docs/performance.md and the README.

use std::path::Path;
use std::time::Duration;

use crate::markdown;
use crate::plot;
use crate::results::{Results, Table};
use crate::sink::Sink;

pub(crate) const RATE: &str = "events/s";
pub(crate) const CPU: &str = "µs CPU an event";

/// The commands whose results the document holds.
pub(crate) const COMMANDS: [&str; 8] = ["accept", "deliver", "through", "embedded", "scale", "outage", "soak", "drill"];
const DOCUMENT: &str = "docs/performance.md";
const README: &str = "README.md";
/// Plots, beside the document.
const PLOTS: &str = "docs/performance";

/// Writes the results into the documents: between `<!-- bench NAME -->` and `<!-- end -->`.
pub(crate) fn run() {
    let mut document = read(DOCUMENT);
    let mut readme = read(README);
    std::fs::create_dir_all(PLOTS).expect("docs can be written");
    for name in COMMANDS {
        let Some(results) = Results::load(name) else {
            println!("{name} was not measured on this machine: its part stays as it is");
            continue;
        };
        document = replace(&document, name, &section(name, &results));
        if name == "through" {
            let shown = results.tables.iter().take(1).map(titled).collect::<Vec<_>>().join("\n\n");
            readme = replace(&readme, name, &format!("{shown}\n\n![Age of events]({PLOTS}/through.svg)"));
        }
    }
    write(DOCUMENT, &document);
    write(README, &readme);
}

/// What a command has measured, with its plots.
fn section(name: &str, results: &Results) -> String {
    let mut parts = vec![format!("`{}`, on commit {}, {}.", results.command, results.commit, results.machine)];
    for table in &results.tables {
        parts.push(titled(table));
    }
    if plot::draw(&Path::new(PLOTS).join(name).with_extension("svg"), &results.tables) {
        parts.push(format!("![{name}](performance/{name}.svg)"));
    }
    parts.join("\n\n")
}

fn titled(table: &Table) -> String {
    format!("{}:\n\n{}", table.title, markdown::table(table))
}

/// Replaces what stands between the marks for a name.
fn replace(document: &str, name: &str, section: &str) -> String {
    let begin = format!("<!-- bench {name} -->\n");
    let (before, rest) = document.split_once(&begin).unwrap_or_else(|| panic!("a document lacks {begin}"));
    let (_, after) = rest.split_once("<!-- end -->").expect("each part has an end");
    format!("{before}{begin}\n{section}\n\n<!-- end -->{after}")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error} (run this at the top of the project)"))
}

fn write(path: &str, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
    println!("Wrote {path}");
}

/// Events a second.
pub(crate) fn rate(events: usize, elapsed: Duration) -> f64 {
    count(events) / elapsed.as_secs_f64()
}

/// Microseconds for each event.
pub(crate) fn each_us(time: Duration, events: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count(events.max(1))
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    count(usize::try_from(bytes >> 10).unwrap_or(usize::MAX)) / 1_024.0
}

pub(crate) fn count(events: usize) -> f64 {
    f64::from(u32::try_from(events).unwrap_or(u32::MAX))
}

/// Where a dispatcher posts to.
pub(crate) fn dsk_url(sink: &Sink) -> String {
    format!("http://{}/events", sink.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_takes_the_place_of_the_one_before() {
        let document = "above\n<!-- bench accept -->\n\nold\n\n<!-- end -->\nbelow";

        assert_eq!(replace(document, "accept", "new"), "above\n<!-- bench accept -->\n\nnew\n\n<!-- end -->\nbelow");
    }
}
