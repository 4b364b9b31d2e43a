//! From the pages that processes show to a round of figures: what one page says, and what all pages say together. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::exposition::{Sample, samples};
use super::figures::{Definition, FIGURES, Figure, Only, Over};
use super::history::Round;

/// The time over which growth is measured, as the rules and dashboards do.
const WINDOW: Duration = Duration::from_mins(1);
/// Most readings of a process that are kept: a window of them, one every 5 s, and the one before it.
const READINGS_MAX: usize = 14;
/// Metrics by which a process tells which part of the service it is. `ops standalone` is all of them.
const PARTS: [Part; 3] = [
    Part { name: "ingest", metric: "ingest_bytes_in_flight" },
    Part { name: "dispatcher", metric: "dispatcher_unmarked_total" },
    Part { name: "connect", metric: "connect_tokens_expiring" },
];

struct Part {
    name: &'static str,
    metric: &'static str,
}

/// What one page says of each figure.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    raws: Vec<Option<Raw>>,
    /// Which parts of the service the process is.
    pub(super) parts: Vec<&'static str>,
    pub(super) version: Option<String>,
    /// When the process started, in seconds since 1970.
    pub(super) started_at: Option<f64>,
}

/// What one page says of a figure. A process that starts again begins all of its counters anew together.
#[derive(Clone, Debug, PartialEq)]
enum Raw {
    /// The sum of its series, the largest or the smallest of them, or that there are any.
    Number(f64),
    /// How many observations lie at or below each bound.
    Buckets(Vec<Bucket>),
    /// The largest for each value of the label.
    ByLabel(BTreeMap<String, f64>),
}

/// A bucket of a histogram, or how much it has grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    pub(super) bound: f64,
    pub(super) count: f64,
}

/// The latest readings of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    readings: VecDeque<Taken>,
    /// Whether it answered when it was last asked.
    answers: bool,
}

#[derive(Clone, Debug)]
struct Taken {
    at: Timestamp,
    reading: Reading,
}

impl Reading {
    pub(super) fn of(page: &str) -> Self {
        let mut reading = Self { raws: vec![None; FIGURES.len()], ..Self::default() };
        for sample in samples(page) {
            for (raw, definition) in reading.raws.iter_mut().zip(&FIGURES) {
                note(raw, definition, sample);
            }
            reading.parts.extend(PARTS.iter().find(|part| part.metric == sample.name).map(|part| part.name));
            match sample.name {
                "process_build_info" => reading.version = sample.label("version").map(str::to_owned),
                "process_start_time_seconds" => reading.started_at = Some(sample.value),
                _ => {}
            }
        }
        reading
    }

    /// Whether it is a page of ours at all.
    pub(super) fn is_ours(&self) -> bool {
        !self.parts.is_empty()
    }
}

/// Adds a series to what a page says of a figure, if it is one of the figure's.
fn note(raw: &mut Option<Raw>, definition: &Definition, sample: Sample<'_>) {
    let Definition { metric, only, over, .. } = *definition;
    let Some(ending) = sample.name.strip_prefix(metric) else { return };
    let is_of_it = if matches!(over, Over::Quantile(_)) { ending == "_bucket" } else { ending.is_empty() };
    if !is_of_it || !Only::takes(only, |label| sample.label(label)) {
        return;
    }
    let value = sample.value;
    match over {
        Over::Growth | Over::Sum => fold(raw, value, |sum, value| sum + value),
        Over::Count => fold(raw, 1.0, f64::max),
        Over::Largest => fold(raw, value, f64::max),
        Over::Smallest => fold(raw, value, f64::min),
        Over::Quantile(_) => {
            let Some(bound) = sample.label("le").and_then(|bound| bound.parse().ok()) else { return };
            let Raw::Buckets(buckets) = raw.get_or_insert(Raw::Buckets(Vec::new())) else { return };
            add_bucket(buckets, Bucket { bound, count: value });
        }
        Over::SumOfLargest(label) => {
            let name = sample.label(label).unwrap_or_default();
            let Raw::ByLabel(values) = raw.get_or_insert(Raw::ByLabel(BTreeMap::new())) else { return };
            let largest = values.entry(name.to_owned()).or_insert(value);
            *largest = largest.max(value);
        }
    }
}

fn fold(raw: &mut Option<Raw>, value: f64, together: fn(f64, f64) -> f64) {
    let before = raw.as_ref().and_then(Raw::number);
    *raw = Some(Raw::Number(before.map_or(value, |before| together(before, value))));
}

fn add_bucket(buckets: &mut Vec<Bucket>, added: Bucket) {
    // Bounds are copied as they are written, so equal ones are equal to the last bit.
    match buckets.binary_search_by(|bucket| bucket.bound.total_cmp(&added.bound)) {
        Ok(place) => buckets[place].count += added.count,
        Err(place) => buckets.insert(place, added),
    }
}

impl Raw {
    const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Buckets(_) | Self::ByLabel(_) => None,
        }
    }
}

impl Process {
    /// It answered with this.
    pub(super) fn answered(&mut self, reading: Reading, at: Timestamp) {
        self.answers = true;
        self.readings.push_back(Taken { at, reading });
        // The one before the window is kept, because growth is measured from it.
        while self.readings.len() > READINGS_MAX || self.readings.get(1).is_some_and(|second| second.at <= at - WINDOW)
        {
            self.readings.pop_front();
        }
    }

    /// It did not answer.
    pub(super) fn was_silent(&mut self) {
        self.answers = false;
    }

    /// What it said last, if it still answers.
    pub(super) fn latest(&self) -> Option<&Reading> {
        self.readings.back().filter(|_| self.answers).map(|taken| &taken.reading)
    }

    /// What it said when it last answered, and when that was.
    pub(super) fn last_known(&self) -> Option<(&Reading, Timestamp)> {
        self.readings.back().map(|taken| (&taken.reading, taken.at))
    }

    fn raw(&self, figure: usize) -> Option<&Raw> {
        self.latest()?.raws[figure].as_ref()
    }

    /// How much a counter grew a second.
    fn growth(&self, figure: usize) -> Option<f64> {
        self.latest()?;
        let mut grown = None;
        for [before, after] in self.pairs() {
            let after_count = after.reading.raws[figure].as_ref().and_then(Raw::number);
            let before_count = before.reading.raws[figure].as_ref().and_then(Raw::number);
            if let (Some(before_count), Some(after_count)) = (before_count, after_count) {
                *grown.get_or_insert(0.0) += after.growth_since(before, before_count, after_count);
            }
        }
        Some(grown? / self.span()?)
    }

    /// How much the buckets of a histogram grew.
    fn bucket_growth(&self, figure: usize) -> Vec<Bucket> {
        let mut grown = Vec::new();
        for [before, after] in self.pairs() {
            let raws = [&before.reading.raws[figure], &after.reading.raws[figure]];
            let [Some(Raw::Buckets(earlier)), Some(Raw::Buckets(later))] = raws else { continue };
            for (earlier, later) in earlier.iter().zip(later) {
                // A new version may have other bounds.
                if earlier.bound.total_cmp(&later.bound).is_eq() {
                    let count = after.growth_since(before, earlier.count, later.count);
                    add_bucket(&mut grown, Bucket { bound: later.bound, count });
                }
            }
        }
        grown
    }

    fn pairs(&self) -> impl Iterator<Item = [&Taken; 2]> {
        let after = self.readings.iter().skip(1);
        self.readings.iter().zip(after).map(|(before, after)| [before, after])
    }

    /// The seconds between the first and the last reading.
    fn span(&self) -> Option<f64> {
        let span = self.readings.back()?.at.duration_since(self.readings.front()?.at).as_secs_f64();
        (span > 0.0).then_some(span)
    }
}

impl Taken {
    /// How much a counter grew since an earlier reading. A process that has started since began anew. If it has another start,
    /// but had started before, it is another process under the same address, and nothing is known of the growth of either.
    fn growth_since(&self, before: &Self, before_count: f64, count: f64) -> f64 {
        let is_same = match (before.reading.started_at, self.reading.started_at) {
            (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
            _ => true,
        };
        let has_started_since = self.reading.started_at.is_some_and(|at| at >= before.at.as_duration().as_secs_f64());
        if is_same {
            if count < before_count { count } else { count - before_count }
        } else if has_started_since {
            count
        } else {
            0.0
        }
    }
}

/// The figures of all processes together.
pub(super) fn round(processes: &[&Process], at: Timestamp) -> Round {
    Round::new(at, |figure| together(processes, figure))
}

/// A figure of all processes together.
fn together(processes: &[&Process], figure: Figure) -> Option<f64> {
    let number = figure as usize;
    let raws = || processes.iter().filter_map(|process| process.raw(number));
    let numbers = || raws().filter_map(Raw::number);
    match FIGURES[number].over {
        Over::Growth => processes.iter().filter_map(|process| process.growth(number)).reduce(|sum, one| sum + one),
        Over::Count | Over::Sum => numbers().reduce(|sum, one| sum + one),
        Over::Largest => numbers().reduce(f64::max),
        Over::Smallest => numbers().reduce(f64::min),
        Over::Quantile(part) => {
            let mut grown = Vec::new();
            let answering = processes.iter().filter(|process| process.latest().is_some());
            answering
                .flat_map(|process| process.bucket_growth(number))
                .for_each(|bucket| add_bucket(&mut grown, bucket));
            quantile(part, &grown)
        }
        Over::SumOfLargest(_) => sum_of_largest(raws()),
    }
}

fn sum_of_largest<'r>(raws: impl Iterator<Item = &'r Raw>) -> Option<f64> {
    let mut together: BTreeMap<&str, f64> = BTreeMap::new();
    for raw in raws {
        let Raw::ByLabel(values) = raw else { continue };
        for (label, value) in values {
            let largest = together.entry(label).or_insert(*value);
            *largest = largest.max(*value);
        }
    }
    (!together.is_empty()).then(|| together.values().sum())
}

/// The value below which that part of the observations lies, as Prometheus estimates it: evenly spread within a bucket.
pub(super) fn quantile(part: f64, buckets: &[Bucket]) -> Option<f64> {
    let all = buckets.last().filter(|last| last.bound.is_infinite() && last.count > 0.0)?.count;
    let rank = part * all;
    let place = buckets.iter().position(|bucket| bucket.count >= rank)?;
    let below = place.checked_sub(1).map_or(Bucket { bound: 0.0, count: 0.0 }, |place| buckets[place]);
    let Bucket { bound, count } = buckets[place];
    if bound.is_infinite() {
        // There is no end to the last bucket: it is at least this.
        return Some(below.bound);
    }
    let inside = if count > below.count { (rank - below.count) / (count - below.count) } else { 1.0 };
    Some(below.bound + (bound - below.bound) * inside)
}

#[cfg(test)]
mod tests;
