//! Prints a line for each round, the medians, and one line of JSON for programs.

use std::time::Duration;

use serde_json::json;

use crate::options::Options;

/// The result of one round, of ours or of the reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) events: usize,
    pub(crate) elapsed: Duration,
    /// Processor time of the measured process. The reference runs in this process, so it has none of its own.
    pub(crate) cpu: Option<Duration>,
}

impl Round {
    fn rate(&self) -> f64 {
        count(self.events) / self.elapsed.as_secs_f64()
    }

    fn cpu_us(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / count(self.events))
    }
}

/// Prints a round.
pub(crate) fn line(name: &str, round: Round) {
    let cpu = round.cpu_us().map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.0}"));
    println!("{name:<10} {:>9.0} events/s   {cpu:>4} µs CPU an event", round.rate());
}

/// Prints medians and their ratio.
pub(crate) fn summary(ours: &[Round], reference: &[Round], options: Options) {
    let rate = median(ours, Round::rate);
    let reference_rate = median(reference, Round::rate);
    let ratio = rate / reference_rate;
    let cpu = median(ours, |round| round.cpu_us().unwrap_or_default());
    println!("medians: ours {rate:.0}/s, reference {reference_rate:.0}/s, ratio {ratio:.2}, {cpu:.0} µs CPU an event");
    if options.json {
        let shown = json!({
            "ours": rate.round(), "reference": reference_rate.round(), "ratio": (ratio * 100.0).round() / 100.0,
            "cpu_us_per_event": cpu.round(),
        });
        println!("{shown}");
    }
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn count(events: usize) -> f64 {
    f64::from(u32::try_from(events).unwrap_or(u32::MAX))
}
