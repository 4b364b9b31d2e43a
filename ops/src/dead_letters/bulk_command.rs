//! The commands that replay or discard dead letters: what they do is done in `bulk.rs`, and shown here.

use clap::Args;

use super::bulk::{Bulk, BulkMode, Change, Tally};
use super::filter::Filter;
use crate::failure::Failure;
use crate::open::SystemsAccess;
use crate::output::outln;

/// The options of a command that changes dead letters, beside its filter.
#[derive(Args, Debug)]
pub(crate) struct BulkOptions {
    /// Does it, instead of showing what it would do.
    #[arg(long)]
    pub(super) yes: bool,
    /// The most dead letters to work on, beginning with the oldest.
    #[arg(long)]
    limit: Option<usize>,
    #[command(flatten)]
    systems: SystemsAccess,
}

impl BulkOptions {
    /// Changes what the filter chooses, if that is said, and shows what was changed. Returns how many.
    pub(super) async fn carry_out(&self, change: Change, filter: &Filter) -> Result<usize, Failure> {
        filter.must_choose(change.verb())?;
        let selection = filter.select(&self.systems).await?;
        let mode = if self.yes { BulkMode::CarryOut } else { BulkMode::Preview };
        let bulk = Bulk { change, selection: &selection, mode, limit: self.limit.unwrap_or(usize::MAX) };
        let mut tally = Tally::default();
        let work = async |queue, shutdown| bulk.run(&queue, &shutdown, &mut |step| tally.add(step)).await;
        let result = self.systems.with_queue(work).await;
        let show_result = self.show(change, &tally);
        result.and(show_result).map(|()| tally.count())
    }

    fn show(&self, change: Change, tally: &Tally) -> Result<(), Failure> {
        for (reason, count) in &tally.by_reason {
            outln!("{count:>8}  {reason}")?;
        }
        if tally.undeliverable > 0 {
            outln!(
                "{:>8}  left out: not an envelope or not a notification, so nobody can deliver them (`ops dead-letters \
                 show ID` explains one)",
                tally.undeliverable
            )?;
        }
        let count = tally.count();
        if self.yes {
            outln!("{} {count}.", change.past())
        } else {
            outln!("Would {} {count}. Nothing is done yet: add --yes.", change.verb())
        }
    }
}
