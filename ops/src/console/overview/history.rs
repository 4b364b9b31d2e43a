//! The figures of the last hour, a round of them every few seconds. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::figures::{FIGURES, Figure};

/// How long figures are kept.
pub(super) const HOUR: Duration = Duration::from_hours(1);
/// What one point of a plot stands for.
const STEP: Duration = Duration::from_secs(30);
/// Points of a plot.
const STEPS: usize = 120;
/// Most rounds that are kept: an hour of them, one every 5 s. Each takes less than a kilobyte.
const ROUNDS_MAX: usize = 720;
/// Figures that are older say nothing about now.
const FRESH: Duration = Duration::from_mins(1);

const _: () = assert!(STEP.as_secs() * STEPS as u64 == HOUR.as_secs(), "the plots show the hour that is kept");

/// The figures of one moment, in the order of [`FIGURES`]. A figure that nobody shows is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Round {
    pub(super) at: Timestamp,
    values: Vec<Option<f64>>,
}

/// The rounds of the last hour, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    rounds: VecDeque<Round>,
}

impl Round {
    pub(super) fn new(at: Timestamp, figure: impl FnMut(Figure) -> Option<f64>) -> Self {
        let values = FIGURES.iter().map(|definition| definition.figure).map(figure);
        Self { at, values: values.map(|value| value.filter(|value| value.is_finite())).collect() }
    }

    fn value(&self, figure: Figure) -> Option<f64> {
        self.values.get(figure as usize).copied().flatten()
    }
}

impl History {
    /// Adds the next round, and forgets what is older than an hour before it.
    pub(super) fn push(&mut self, round: Round) {
        let oldest = round.at - HOUR;
        self.rounds.push_back(round);
        while self.rounds.len() > ROUNDS_MAX || self.rounds.front().is_some_and(|round| round.at < oldest) {
            self.rounds.pop_front();
        }
    }

    /// When the last round was.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.rounds.back().map(|round| round.at)
    }

    /// Whether the last round still says something about now.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.last_at().is_some_and(|at| at >= now - FRESH)
    }

    /// A figure as it is now.
    pub(super) fn now(&self, figure: Figure, now: Timestamp) -> Option<f64> {
        self.rounds.back().filter(|round| round.at >= now - FRESH)?.value(figure)
    }

    /// The mean of a figure over the last `window`, or over the part of it that is known.
    pub(super) fn mean(&self, figure: Figure, window: Duration, now: Timestamp) -> Option<f64> {
        mean(self.values(figure, window, now))
    }

    /// How much a figure that is counted a second has grown over the last `window`.
    pub(super) fn grown(&self, figure: Figure, window: Duration, now: Timestamp) -> f64 {
        let since = now - window;
        let mut grown = 0.0;
        let mut before = None;
        for round in self.rounds.iter().filter(|round| round.at >= since) {
            if let (Some(before), Some(rate)) = (before, round.value(figure)) {
                grown += rate * round.at.duration_since(before).as_secs_f64();
            }
            before = Some(round.at);
        }
        grown
    }

    /// The largest value of a figure over the last `window`.
    pub(super) fn largest(&self, figure: Figure, window: Duration, now: Timestamp) -> Option<f64> {
        self.values(figure, window, now).reduce(f64::max)
    }

    /// The smallest value of a figure over the last `window`.
    pub(super) fn smallest(&self, figure: Figure, window: Duration, now: Timestamp) -> Option<f64> {
        self.values(figure, window, now).reduce(f64::min)
    }

    /// The last hour of a figure in equal steps; `None` where nothing is known.
    pub(super) fn points(&self, figure: Figure, now: Timestamp) -> Vec<Option<f64>> {
        let mut steps = vec![Vec::new(); STEPS];
        for round in &self.rounds {
            let age = now.duration_since(round.at).as_secs();
            let steps_ago = usize::try_from(age).unwrap_or_default() / usize::try_from(STEP.as_secs()).unwrap_or(1);
            if let (Some(step), Some(value)) = ((STEPS - 1).checked_sub(steps_ago), round.value(figure)) {
                steps[step].push(value);
            }
        }
        steps.into_iter().map(|values| mean(values.into_iter())).collect()
    }

    fn values(&self, figure: Figure, window: Duration, now: Timestamp) -> impl Iterator<Item = f64> {
        let since = now - window;
        self.rounds.iter().filter(move |round| round.at >= since).filter_map(move |round| round.value(figure))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0.0;
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Figure = Figure::AcceptedMessages;
    const MINUTE: Duration = Duration::from_mins(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::constant(1_800_000_000 + seconds, 0)
    }

    /// A round in which every figure has this value.
    fn round(seconds: i64, value: Option<f64>) -> Round {
        Round::new(at(seconds), |_| value)
    }

    #[test]
    fn an_hour_is_kept_and_no_more_rounds_than_that() {
        let mut history = History::default();
        (0..10_000).for_each(|serial| history.push(round(serial, Some(1.0))));

        assert_eq!(history.rounds.len(), ROUNDS_MAX);
        history.push(round(20_000, Some(1.0)));
        assert_eq!(history.rounds.len(), 1, "the others are older than an hour");
    }

    #[test]
    fn a_plot_has_the_mean_of_each_step_and_a_gap_where_nothing_is_known() {
        let mut history = History::default();
        history.push(round(-65, Some(8.0)));
        history.push(round(-32, None));
        history.push(round(-20, Some(1.0)));
        history.push(round(-5, Some(3.0)));

        let points = history.points(RATE, at(0));

        assert_eq!(points.len(), STEPS);
        assert_eq!(points[STEPS - 4..], [None, Some(8.0), None, Some(2.0)]);
    }

    #[test]
    fn growth_counts_each_round_for_the_time_since_the_one_before() {
        let mut history = History::default();
        [0, 5, 10, 20].into_iter().for_each(|seconds| history.push(round(seconds, Some(2.0))));

        assert!((history.grown(RATE, MINUTE, at(20)) - 40.0).abs() < 1e-9);
        assert!((history.grown(RATE, Duration::from_secs(10), at(20)) - 20.0).abs() < 1e-9);
        assert!((history.grown(RATE, MINUTE, at(500))).abs() < 1e-9);
    }

    #[test]
    fn old_figures_say_nothing_about_now_and_what_is_no_number_is_unknown() {
        let mut history = History::default();
        history.push(round(0, Some(7.0)));

        assert_eq!(history.now(RATE, at(60)), Some(7.0));
        assert_eq!(history.now(RATE, at(61)), None);
        assert!(!history.is_fresh(at(61)));
        assert_eq!(history.largest(RATE, MINUTE, at(60)), Some(7.0));
        assert_eq!(history.smallest(RATE, MINUTE, at(60)), Some(7.0));
        assert_eq!(history.mean(RATE, MINUTE, at(61)), None);
        history.push(round(61, Some(f64::NAN)));
        assert_eq!(history.now(RATE, at(61)), None);
    }
}
