//! Reads dead letters without removing any.

use std::collections::BTreeMap;

use chassis::{Shutdown, now};
use queue::{DeadLetter, Queue};

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
