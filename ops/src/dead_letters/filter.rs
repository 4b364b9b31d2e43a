//! Selects the dead letters that a command works on.

use std::time::Duration;

use clap::Args;
use dispatcher::Reason;
use jiff::Timestamp;
use queue::{DeadLetter, QUEUE_REASONS};

use crate::failure::Failure;

/// Selects the dead letters that match everything that is given.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Event ids, separated by spaces.
    ids: Vec<String>,
    /// The reason for which they were parked. It may be given several times.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(reasons()))]
    reason: Vec<String>,
    /// The type of event, such as `whatsapp.message`.
    #[arg(long = "type")]
    event_type: Option<String>,
    /// The channel, such as `whatsapp:106540352242922`.
    #[arg(long)]
    address: Option<String>,
    /// Those that were parked longer ago than this, such as `2h` or `3days`.
    #[arg(long, value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Those that were parked within this time.
    #[arg(long, value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
    /// All dead letters.
    #[arg(long, conflicts_with_all = ["ids", "reason", "event_type", "address", "older_than", "newer_than"])]
    all: bool,
}

fn reasons() -> Vec<&'static str> {
    Reason::ALL.map(Reason::as_str).into_iter().chain(QUEUE_REASONS).collect()
}

impl Filter {
    pub(crate) fn of_id(id: &str) -> Self {
        Self { ids: vec![id.to_owned()], ..Self::default() }
    }

    /// Refuses an empty filter: a command that changes something must be given a selection.
    pub(crate) fn must_choose(&self, verb: &str) -> Result<(), Failure> {
        if *self == Self::default() {
            return Err(Failure::usage(format!(
                "say which dead letters to {verb}: give ids, --reason, --type, --address, --older-than, --newer-than, or --all"
            )));
        }
        Ok(())
    }

    pub(crate) fn matches(&self, dead: &DeadLetter, now: Timestamp) -> bool {
        let envelope = &dead.envelope;
        let letter = &dead.letter;
        let age = Duration::try_from(now.duration_since(letter.parked_at)).unwrap_or_default();
        let fits = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|one| one == value);
        fits(&self.ids, envelope.id.as_str())
            && fits(&self.reason, &letter.reason)
            && self.event_type.as_ref().is_none_or(|wanted| wanted == envelope.event_type.as_str())
            && self.address.as_ref().is_none_or(|wanted| wanted == envelope.address.as_str())
            && self.older_than.is_none_or(|limit| age > limit)
            && self.newer_than.is_none_or(|limit| age <= limit)
    }
}
