//! The tables of the page: queues, partitions, dispatchers, pauses, DSK's answers, channels, processes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use maud::{Markup, html};

use super::standing::{ChannelCounts, Standing};
use super::watch::Watched;
use super::words;
use crate::console::times::{ago, when};
use crate::status::reading::{Load, Pause, Report, WaitingQueue, owners, partitions};

/// Everything that queue and store say of themselves.
pub(super) fn standing(standing: &Standing, now: Timestamp) -> Markup {
    let reports = standing.reports.as_deref();
    html! {
        (section("Paused", &known(reports, "The channel store", |reports| paused(reports, now))))
        (section("DSK's answers of the last one or two minutes", &known(reports, "The channel store", answers)))
        (section("Dispatchers", &known(reports, "The channel store", |reports| dispatchers(reports, now))))
        (section("Partitions", &known(reports, "The channel store", owned)))
        (section("Queues", &known(standing.queues.as_deref(), "The queue", queues)))
        (section("Channels", &known(standing.channels.as_ref(), "The channel store", channels)))
    }
}

fn section(title: &str, content: &Markup) -> Markup {
    html! { section { h2 { (title) } (content) } }
}

/// What is known, or why it is not.
fn known<T>(read: Result<T, &String>, who: &str, show: impl FnOnce(T) -> Markup) -> Markup {
    match read {
        Ok(read) => show(read),
        Err(trouble) => html! { p class="note" { (who) " does not answer: " (trouble) } },
    }
}

fn nothing(text: &str) -> Markup {
    html! { p class="quiet" { (text) } }
}

/// A table whose rows are cards on a phone. The first column names the row.
fn table<const N: usize>(columns: [&str; N], rows: &[[Markup; N]]) -> Markup {
    html! {
        table class="fold" {
            thead { tr { @for column in columns { th scope="col" { (column) } } } }
            tbody {
                @for row in rows {
                    tr { @for (column, cell) in columns.iter().zip(row) { td data-name=(column) { (cell) } } }
                }
            }
        }
    }
}

fn cell(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

/// A time that is given as text, and how long ago it was.
fn at(text: Option<&str>, now: Timestamp) -> Markup {
    let Some(text) = text else { return cell("–") };
    match text.parse() {
        Ok(at) => when(at, now),
        Err(_) => cell(text),
    }
}

fn queues(queues: &[WaitingQueue]) -> Markup {
    let consumers = |queue: &WaitingQueue| queue.takers.map_or_else(|| "–".to_owned(), |count| count.to_string());
    let row =
        |queue: &WaitingQueue| [cell(queue.name.as_str()), cell(words::counted(queue.waiting)), cell(consumers(queue))];
    let rows: Vec<_> = queues.iter().map(row).collect();
    table(["Queue", "Waiting", "Consumers of a partition, at least"], &rows)
}

fn dispatchers(reports: &[Report], now: Timestamp) -> Markup {
    if reports.is_empty() {
        return nothing("No dispatcher has reported in the last 30 seconds.");
    }
    let load = |load: Option<&Load>| match load {
        None => cell("–"),
        Some(load) if load.in_flight == 0 => cell("0"),
        Some(load) => {
            let oldest = u32::try_from(load.oldest_seconds).unwrap_or(u32::MAX);
            html! { (words::counted(load.in_flight)) ", the oldest " (words::seconds(oldest.into())) }
        }
    };
    let row = |report: &Report| {
        let classes = &report.classes;
        [
            cell(&report.instance),
            cell(&report.version),
            at(Some(&report.started_at), now),
            load(classes.get("messages")),
            load(classes.get("updates")),
        ]
    };
    let rows: Vec<_> = reports.iter().map(row).collect();
    table(["Dispatcher", "Version", "Since", "Messages in flight", "Updates in flight"], &rows)
}

/// Who has which partition: whoever received something from it last.
fn owned(reports: &[Report]) -> Markup {
    let owners = owners(reports);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (class, load) in reports.iter().flat_map(|report| &report.classes) {
        let count = counts.entry(class).or_default();
        *count = load.received_at.len().max(*count);
    }
    if counts.values().all(|count| *count == 0) {
        return nothing("The queue has no partitions, or no dispatcher has reported any.");
    }
    let mut rows = Vec::new();
    for (class, count) in counts {
        for report in reports {
            let partitions = partitions(&report.instance, class, &owners);
            if !partitions.is_empty() {
                rows.push([cell(class), cell(partitions), cell(&report.instance)]);
            }
        }
        let is_owned = |number: usize| owners.keys().any(|of| of.class == class && of.number == number);
        let idle: Vec<String> =
            (0..count).filter(|number| !is_owned(*number)).map(|number| number.to_string()).collect();
        if !idle.is_empty() {
            rows.push([cell(class), cell(idle.join(", ")), cell("nothing came from there yet")]);
        }
    }
    table(["Class", "Partitions", "Dispatcher that has them"], &rows)
}

fn paused(reports: &[Report], now: Timestamp) -> Markup {
    // Several dispatchers pause the same: since when the first of them does, and when the next one probes it.
    let mut pauses: BTreeMap<[&str; 2], Pause> = BTreeMap::new();
    for pause in reports.iter().flat_map(|report| &report.paused) {
        let known = pauses.entry([&pause.reason, &pause.what]).or_insert_with(|| pause.clone());
        known.since = earlier(known.since.as_ref(), pause.since.as_ref());
        known.next_probe_at = earlier(known.next_probe_at.as_ref(), pause.next_probe_at.as_ref());
    }
    if pauses.is_empty() {
        return nothing("Nothing is paused.");
    }
    let row = |pause: &Pause| {
        let probe = pause.next_probe_at.as_deref().and_then(|at| at.parse().ok());
        [
            cell(&pause.what),
            html! { span class="state bad" { (pause.reason) } },
            at(pause.since.as_deref(), now),
            probe.map_or_else(|| cell("–"), |at| cell(ago(at, now))),
        ]
    };
    let rows: Vec<_> = pauses.values().map(row).collect();
    table(["What", "Reason", "Since", "Next probe"], &rows)
}

/// The earlier of two times. They are written in the same form, so that their texts have their order.
fn earlier(one: Option<&String>, other: Option<&String>) -> Option<String> {
    one.into_iter().chain(other).min().cloned()
}

fn answers(reports: &[Report]) -> Markup {
    let mut together: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for answers in reports.iter().flat_map(|report| &report.answers) {
        let sums = together.entry(&answers.what).or_default();
        for (answer, count) in &answers.counts {
            *sums.entry(answer).or_default() += count;
        }
    }
    if together.is_empty() {
        return nothing("No dispatcher has reported an attempt.");
    }
    let mut sorted: Vec<_> = together.into_iter().collect();
    sorted.sort_by_key(|(_, sums)| {
        std::cmp::Reverse(sums.iter().filter(|(answer, _)| !is_delivery(answer)).map(|(_, count)| *count).sum::<u64>())
    });
    let sums = |sums: &BTreeMap<&str, u64>| {
        let one = |(answer, count): (&&str, &u64)| format!("{} × {}", words::counted(*count), answer.replace('_', " "));
        cell(sums.iter().map(one).collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<_> = sorted.iter().map(|(what, counts)| [cell(what), sums(counts)]).collect();
    table(["Destination", "Answers"], &rows)
}

/// 409 means that DSK has it already.
fn is_delivery(answer: &str) -> bool {
    answer.starts_with('2') || answer == "409"
}

fn channels(counts: &ChannelCounts) -> Markup {
    if counts.is_empty() {
        return nothing("There are no channels.");
    }
    let rows: Vec<_> = counts
        .iter()
        .map(|(state, count)| [cell(state.replace('_', " ")), cell(words::counted(*count as u64))])
        .collect();
    table(["State", "Channels"], &rows)
}

/// The processes whose metrics are read, and whether they answer.
pub(super) fn processes(watched: &[Watched], now: Timestamp) -> Markup {
    let row = |watched: &Watched| {
        let known = watched.process.last_known();
        let parts: BTreeSet<&str> = known.iter().flat_map(|(reading, _)| &reading.parts).copied().collect();
        let version = known.and_then(|(reading, _)| reading.version.clone());
        #[expect(clippy::cast_possible_truncation, reason = "a time in seconds is far below 2^63")]
        let started_at = known.and_then(|(reading, _)| reading.started_at).map(|seconds| seconds as i64);
        let started_at = started_at.and_then(|second| Timestamp::from_second(second).ok());
        [
            cell(&watched.target.name),
            cell(watched.target.place()),
            answers_or_not(watched, now),
            cell(if parts.is_empty() { "–".to_owned() } else { parts.into_iter().collect::<Vec<_>>().join(", ") }),
            cell(version.as_deref().unwrap_or("–")),
            started_at.map_or_else(|| cell("–"), |at| cell(ago(at, now))),
        ]
    };
    let rows: Vec<_> = watched.iter().map(row).collect();
    section("Processes", &table(["Process", "Admin port", "Answers", "Runs", "Version", "Started"], &rows))
}

fn answers_or_not(watched: &Watched, now: Timestamp) -> Markup {
    match (&watched.trouble, watched.process.last_known()) {
        (None, None) => cell("not asked yet"),
        (None, Some(_)) => html! { span class="state" { "yes" } },
        (Some(trouble), None) => html! { span class="state idle" { "no" } " " (trouble) },
        (Some(trouble), Some((_, at))) => {
            html! { span class="state bad" { "no" } " (the last time " (ago(at, now)) "): " (trouble) }
        }
    }
}
