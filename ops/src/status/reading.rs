//! Reads what `ops status` prints and the console shows: queues, dispatchers' reports, channels by state.

use std::collections::BTreeMap;

use ::channels::ChannelStore;
use jiff::Timestamp;
use queue::{Queue, QueueName};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// A queue, and what waits in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitingQueue {
    pub(crate) name: QueueName,
    pub(crate) waiting: u64,
    /// Of a class at a broker: the consumers of the partition that has fewest.
    pub(crate) takers: Option<u32>,
}

/// What a dispatcher reports about itself. An older release leaves some of it out.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) instance: String,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) started_at: String,
    #[serde(default)]
    pub(crate) classes: BTreeMap<String, Load>,
    #[serde(default)]
    pub(crate) paused: Vec<Pause>,
    #[serde(default)]
    pub(crate) answers: Vec<Answers>,
}

/// What it has in flight of a class.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Load {
    pub(crate) in_flight: u64,
    pub(crate) oldest_seconds: u64,
    /// When it last received something from each partition.
    #[serde(default)]
    pub(crate) received_at: Vec<Option<String>>,
}

/// What it has paused.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) reason: String,
    pub(crate) what: String,
    pub(crate) since: Option<String>,
    pub(crate) next_probe_at: Option<String>,
}

/// How its latest attempts at a destination ended: a status, or a word for what came instead, and how often.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answers {
    pub(crate) what: String,
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Report {
    /// Every report that can be read.
    pub(crate) fn all<'v>(reports: impl Iterator<Item = &'v Value>) -> Vec<Self> {
        reports.filter_map(|report| Self::deserialize(report).ok()).collect()
    }
}

/// What waits in each queue.
pub(crate) async fn queues(queue: &Queue) -> Result<Vec<WaitingQueue>, Failure> {
    let takers: BTreeMap<_, _> = queue.takers().await?.into_iter().collect();
    let depths = queue.depths().await?.into_iter();
    Ok(depths
        .map(|(name, waiting)| {
            let takers = if let QueueName::Class(class) = name { takers.get(&class).copied() } else { None };
            WaitingQueue { name, waiting, takers }
        })
        .collect())
}

/// The last report of every dispatcher that runs, as it wrote it.
pub(crate) async fn reports(store: &ChannelStore) -> Result<Vec<Value>, Failure> {
    let reports = store.reports().await?;
    Ok(reports.iter().filter_map(|report| serde_json::from_str(report).ok()).collect())
}

/// How many channels there are in each state.
pub(crate) async fn channels_by_state(store: &ChannelStore) -> Result<BTreeMap<&'static str, usize>, Failure> {
    let mut states = BTreeMap::new();
    for record in store.list().await? {
        *states.entry(record.state.as_str()).or_default() += 1;
    }
    Ok(states)
}

/// Which dispatcher has which partition of a class.
pub(crate) type Owners = BTreeMap<PartitionOf, Owner>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartitionOf {
    pub(crate) class: String,
    pub(crate) number: usize,
}

/// The dispatcher that has last received something from a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    received_at: Timestamp,
    pub(crate) instance: String,
}

pub(crate) fn owners(reports: &[Report]) -> Owners {
    let mut owners = Owners::new();
    for report in reports {
        for (class, load) in &report.classes {
            for (number, at) in load.received_at.iter().enumerate() {
                let Some(received_at) = at.as_deref().and_then(|at| at.parse().ok()) else { continue };
                let owner = Owner { received_at, instance: report.instance.clone() };
                let last = owners.entry(PartitionOf { class: class.clone(), number }).or_insert_with(|| owner.clone());
                *last = owner.max(last.clone());
            }
        }
    }
    owners
}

/// The partitions that a dispatcher has, such as `0-3, 7`; empty if it has none.
pub(crate) fn partitions(instance: &str, class: &str, owners: &Owners) -> String {
    let is_its = |(of, owner): &(&PartitionOf, &Owner)| of.class == class && owner.instance == instance;
    let numbers: Vec<usize> = owners.iter().filter(is_its).map(|(of, _)| of.number).collect();
    let ranges: Vec<String> = numbers
        .chunk_by(|one, next| one + 1 == *next)
        .map(|range| match range {
            [first, .., last] => format!("{first}-{last}"),
            range => range.iter().map(usize::to_string).collect(),
        })
        .collect();
    ranges.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_report_of_an_older_release_is_read_without_what_it_did_not_write() {
        let older = json!({
            "instance": "host-1", "version": "0.0.9", "started_at": "2026-11-29T08:00:00Z",
            "classes": { "messages": { "in_flight": 3, "oldest_seconds": 1 } },
            "paused": [{ "reason": "unavailable", "what": "https://dsk.example" }],
        });

        let reports = Report::all([older, json!("no report")].iter());

        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].classes["messages"].in_flight, 3);
        assert_eq!(reports[0].paused[0].since, None);
        assert!(reports[0].answers.is_empty() && owners(&reports).is_empty());
    }
}
