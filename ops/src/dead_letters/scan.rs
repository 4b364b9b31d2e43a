//! Reads dead letters without removing any.

use std::collections::BTreeMap;

use chassis::now;
use queue::{DeadLetter, DeadLetterScan, Queue};

use super::filter::Filter;
use crate::failure::Failure;

/// How many dead letters there are of each reason.
pub(crate) async fn count_by_reason(queue: &Queue) -> Result<BTreeMap<String, usize>, Failure> {
    let mut scan = queue.scan_dead_letters().await?;
    let mut counts = BTreeMap::new();
    while let Some(letter) = scan.next().await? {
        *counts.entry(letter.letter.reason).or_default() += 1;
    }
    scan.finish().await?;
    Ok(counts)
}

/// Which of the matching dead letters are listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) skip: usize,
    pub(super) limit: usize,
}

/// The dead letters of a page that match a filter, without their bodies.
pub(super) async fn matches_on(page: Page, queue: &Queue, filter: &Filter) -> Result<Vec<DeadLetter>, Failure> {
    let mut scan = queue.scan_dead_letters().await?;
    let mut skipped = 0;
    let mut matches = Vec::new();
    while matches.len() < page.limit
        && let Some(mut letter) = next_match(&mut scan, filter).await?
    {
        if skipped < page.skip {
            skipped += 1;
            continue;
        }
        letter.envelope.body.clear();
        matches.push(letter);
    }
    scan.finish().await?;
    Ok(matches)
}

/// The first dead letter that matches a filter, with its body.
pub(super) async fn first_match(queue: &Queue, filter: &Filter) -> Result<Option<DeadLetter>, Failure> {
    let mut scan = queue.scan_dead_letters().await?;
    let letter = next_match(&mut scan, filter).await;
    scan.finish().await?;
    letter
}

/// The next dead letter of a scan that matches a filter.
pub(super) async fn next_match(scan: &mut DeadLetterScan, filter: &Filter) -> Result<Option<DeadLetter>, Failure> {
    while let Some(letter) = scan.next().await? {
        if filter.matches(&letter, now()) {
            return Ok(Some(letter));
        }
    }
    Ok(None)
}
