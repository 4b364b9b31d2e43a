//! Selects the dead letters that a command works on.

use std::collections::BTreeSet;
use std::time::Duration;

use ::channels::ChannelStore;
use clap::{Args, Parser};
use dispatcher::Reason;
use jiff::Timestamp;
use queue::{DeadLetter, QUEUE_REASONS};

use crate::failure::Failure;
use crate::open::SystemsAccess;

/// Selects the dead letters that match everything that is given.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Event ids, separated by spaces.
    ids: Vec<String>,
    /// The reason for which they were parked. It may be given several times.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(reasons()))]
    reason: Vec<String>,
    /// The DSK customer whose channels they belong to.
    #[arg(long)]
    tenant: Option<String>,
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
    #[arg(long, conflicts_with_all = ["ids", "reason", "tenant", "event_type", "address", "older_than", "newer_than"])]
    all: bool,
}

/// A filter that knows which channels are its tenant's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    filter: Filter,
    of_tenant: Option<BTreeSet<String>>,
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits<'a> {
    pub(crate) id: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) address: &'a str,
    pub(crate) parked_at: Timestamp,
}

impl<'a> Traits<'a> {
    fn of(dead: &'a DeadLetter) -> Self {
        let envelope = &dead.envelope;
        let letter = &dead.letter;
        Self {
            id: envelope.id.as_str(),
            reason: &letter.reason,
            event_type: envelope.event_type.as_str(),
            address: envelope.address.as_str(),
            parked_at: letter.parked_at,
        }
    }
}

/// Every reason that a filter may name.
pub(crate) fn reasons() -> Vec<&'static str> {
    Reason::ALL.map(Reason::as_str).into_iter().chain(QUEUE_REASONS).collect()
}

/// The arguments of a filter by themselves.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct FilterAlone {
    #[command(flatten)]
    filter: Filter,
}

impl Filter {
    pub(crate) fn of_id(id: &str) -> Self {
        Self { ids: vec![id.to_owned()], ..Self::default() }
    }

    /// The filter that these arguments are on the command line.
    pub(crate) fn of_arguments(arguments: &[String]) -> Result<Self, Failure> {
        let alone = FilterAlone::try_parse_from(arguments).map_err(|error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Failure::usage(line.strip_prefix("error: ").unwrap_or(line))
        })?;
        Ok(alone.filter)
    }

    /// Refuses an empty filter: a command that changes something must be given a selection.
    pub(crate) fn must_choose(&self, verb: &str) -> Result<(), Failure> {
        if *self == Self::default() {
            return Err(Failure::usage(format!(
                "say which dead letters to {verb}: give ids, --reason, --tenant, --type, --address, --older-than, \
                 --newer-than, or --all"
            )));
        }
        Ok(())
    }

    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The selection. The store is opened only if it has to say which channels are the tenant's.
    pub(crate) async fn select(&self, systems: &SystemsAccess) -> Result<Selection, Failure> {
        let Some(tenant) = &self.tenant else { return Ok(self.clone().among(None)) };
        let addresses = systems.with_store(async |store| addresses_of(&store, tenant).await).await?;
        Ok(self.clone().among(Some(addresses)))
    }

    /// The selection, where these are the channels of the tenant that it names.
    pub(crate) fn among(self, of_tenant: Option<BTreeSet<String>>) -> Selection {
        Selection { filter: self, of_tenant }
    }
}

async fn addresses_of(store: &ChannelStore, tenant: &str) -> Result<BTreeSet<String>, Failure> {
    let records = store.list().await?.into_iter().filter(|record| record.tenant == tenant);
    let addresses: BTreeSet<String> = records.map(|record| record.address.as_str().to_owned()).collect();
    if addresses.is_empty() {
        return Err(Failure::usage(format!(
            "no channel is stored for tenant {tenant}: `ops channels list` shows the tenants"
        )));
    }
    Ok(addresses)
}

impl Selection {
    /// Exactly one event.
    pub(crate) fn of_id(id: &str) -> Self {
        Filter::of_id(id).among(None)
    }

    pub(crate) fn matches(&self, dead: &DeadLetter, now: Timestamp) -> bool {
        self.matches_traits(&Traits::of(dead), now)
    }

    pub(crate) fn matches_traits(&self, dead: &Traits<'_>, now: Timestamp) -> bool {
        let filter = &self.filter;
        let age = Duration::try_from(now.duration_since(dead.parked_at)).unwrap_or_default();
        let fits = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|one| one == value);
        fits(&filter.ids, dead.id)
            && fits(&filter.reason, dead.reason)
            && filter.event_type.as_ref().is_none_or(|wanted| wanted == dead.event_type)
            && filter.address.as_ref().is_none_or(|wanted| wanted == dead.address)
            && self.of_tenant.as_ref().is_none_or(|addresses| addresses.contains(dead.address))
            && filter.older_than.is_none_or(|limit| age > limit)
            && filter.newer_than.is_none_or(|limit| age <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(arguments: &[&str]) -> Result<Filter, Failure> {
        Filter::of_arguments(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_tenants_dead_letters_are_those_of_its_channels() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let of = |address: &'static str| Traits {
            id: "evt_1",
            reason: "rejected",
            event_type: "whatsapp.message",
            address,
            parked_at: now,
        };
        let theirs = BTreeSet::from(["whatsapp:1".to_owned()]);
        let selection = filter(&["--tenant", "acme", "--reason", "rejected"]).unwrap().among(Some(theirs));

        assert!(selection.matches_traits(&of("whatsapp:1"), now));
        assert!(!selection.matches_traits(&of("whatsapp:2"), now));
    }

    #[test]
    fn arguments_that_make_no_filter_say_why() {
        let text = |arguments: &[&str]| filter(arguments).unwrap_err().text().unwrap_or_default().to_owned();

        assert!(text(&["--reason", "nonsense"]).contains("nonsense"));
        assert!(text(&["--older-than", "soon"]).contains("soon"));
        assert!(text(&["--all", "--tenant", "acme"]).contains("--all"));
    }
}
