//! Reads dead letters without removing any.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chassis::{Shutdown, now};
use event::EventId;
use queue::{DeadLetter, Queue, QueueError};
use tokio::time::Instant;

use super::filter::Selection;
use super::sweep::Sweep;
use crate::failure::Failure;

/// How many dead letters there are of each reason.
pub(crate) async fn count_by_reason(queue: &Queue, shutdown: &Shutdown) -> Result<BTreeMap<String, usize>, Failure> {
    let mut sweep = Sweep::begin(queue, shutdown).await?;
    let mut counts = BTreeMap::new();
    while let Some(letter) = sweep.next(|_| true).await? {
        *counts.entry(letter.letter.reason).or_default() += 1;
    }
    sweep.finish().await?;
    Ok(counts)
}

/// Which of the matching dead letters are listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) skip: usize,
    pub(super) limit: usize,
}

/// The dead letters of a page of a selection, without their bodies.
pub(super) async fn matches_on(
    page: Page,
    selection: &Selection,
    queue: &Queue,
    shutdown: &Shutdown,
) -> Result<Vec<DeadLetter>, Failure> {
    let mut sweep = Sweep::begin(queue, shutdown).await?;
    let mut skipped = 0;
    let mut matches = Vec::new();
    while matches.len() < page.limit
        && let Some(mut letter) = sweep.next(|letter| selection.matches(letter, now())).await?
    {
        if skipped < page.skip {
            skipped += 1;
            continue;
        }
        letter.envelope.body.clear();
        matches.push(letter);
    }
    sweep.finish().await?;
    Ok(matches)
}

/// The first dead letter that matches a filter, with its body.
pub(crate) async fn first_match(
    selection: &Selection,
    queue: &Queue,
    shutdown: &Shutdown,
) -> Result<Option<DeadLetter>, Failure> {
    let mut sweep = Sweep::begin(queue, shutdown).await?;
    let letter = sweep.next(|letter| selection.matches(letter, now())).await;
    sweep.finish().await?;
    letter
}

/// What a look for dead letters of some events has found.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Without their bodies.
    pub(crate) found: Vec<DeadLetter>,
    pub(crate) looked_at: usize,
    /// Whether all were looked at.
    pub(crate) is_complete: bool,
    /// Who looks through them instead.
    pub(crate) holder: Option<String>,
}

/// Looks for the dead letters of events, oldest first, until the time is over.
pub(crate) async fn search(
    ids: &BTreeSet<EventId>,
    time: Duration,
    queue: &Queue,
    shutdown: &Shutdown,
) -> Result<Search, Failure> {
    let end = Instant::now() + time;
    let mut sweep = match Sweep::begin(queue, shutdown).await {
        Err(QueueError::ScanLocked { holder }) => return Ok(Search { holder: Some(holder), ..Search::default() }),
        sweep => sweep?,
    };
    let mut search = Search::default();
    let result = search.look_through(&mut sweep, ids, end).await;
    sweep.finish().await?;
    result.map(|()| search)
}

impl Search {
    async fn look_through(
        &mut self,
        sweep: &mut Sweep<'_>,
        ids: &BTreeSet<EventId>,
        end: Instant,
    ) -> Result<(), Failure> {
        loop {
            let looked_at = &mut self.looked_at;
            let wanted = |letter: &DeadLetter| {
                *looked_at += 1;
                ids.contains(&letter.envelope.id) || Instant::now() >= end
            };
            let Some(mut letter) = sweep.next(wanted).await? else {
                self.is_complete = true;
                return Ok(());
            };
            if ids.contains(&letter.envelope.id) {
                letter.envelope.body.clear();
                self.found.push(letter);
            }
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }
}
