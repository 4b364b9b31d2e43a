//! What is seen during a drill: what was accepted, what DSK took, what was parked, and what happened. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fault::{Fault, TENANTS};

/// One message or status: which conversation it belongs to, and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) conversation: usize,
    pub(crate) turn: usize,
}

impl Place {
    pub(crate) fn tenant(self) -> usize {
        self.conversation % TENANTS
    }

    /// Whether it is a status, of class `updates`.
    pub(crate) fn is_update(self) -> bool {
        (self.conversation / TENANTS).is_multiple_of(3)
    }
}

/// A 200 to Meta. Times count from the start of the drill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    pub(crate) place: Place,
    pub(crate) ingest: usize,
    pub(crate) posted: Duration,
    pub(crate) at: Duration,
}

/// An event that DSK took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) place: Place,
    pub(crate) attempt: u32,
    pub(crate) at: Duration,
}

/// A dead letter.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub(crate) place: Place,
    pub(crate) reason: String,
}

/// A fault that has happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened {
    pub(crate) fault: Fault,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) accepted: Vec<Accepted>,
    /// In the order in which DSK took them.
    pub(crate) taken: Vec<Taken>,
    pub(crate) parked: Vec<Parked>,
    pub(crate) happened: Vec<Happened>,
    /// When Meta ceased to post.
    pub(crate) load_ended: Duration,
    /// When every process was restarted at the end, because something was still missing.
    pub(crate) restarted: Option<Duration>,
}

impl Evidence {
    /// What has a 200 and is nowhere.
    pub(crate) fn missing(&self) -> BTreeSet<Place> {
        let accepted: BTreeSet<Place> = self.accepted.iter().map(|accepted| accepted.place).collect();
        let taken = self.taken.iter().map(|taken| taken.place);
        let found: BTreeSet<Place> = taken.chain(self.parked.iter().map(|parked| parked.place)).collect();
        accepted.difference(&found).copied().collect()
    }

    /// What happened, in groups whose times touch.
    pub(crate) fn groups(&self) -> Vec<Vec<Happened>> {
        let mut sorted = self.happened.clone();
        sorted.sort_by_key(|happened| happened.began);
        let mut groups: Vec<Vec<Happened>> = Vec::new();
        for happened in sorted {
            match groups.last_mut() {
                Some(group) if group.iter().any(|other| other.ended >= happened.began) => group.push(happened),
                _ => groups.push(vec![happened]),
            }
        }
        groups
    }
}
