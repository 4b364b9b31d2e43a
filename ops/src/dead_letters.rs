//! `ops dead-letters`: lists, shows, replays and discards the events that were parked for a person.

mod bulk;
mod bulk_command;
mod explain;
mod filter;
mod scan;
mod sweep;

use clap::{Args, Subcommand};
use queue::Queue;

use crate::failure::Failure;
use crate::open::{QueueAccess, SystemsAccess};
use crate::output::outln;
pub(crate) use bulk::{Bulk, BulkMode, BulkStep, Change, Tally, is_undeliverable};
use bulk_command::BulkOptions;
pub(crate) use explain::{Meaning, hidden};
pub(crate) use filter::{Filter, Selection, Traits, reasons};
use scan::Page;
pub(crate) use scan::{count_by_reason, first_match};
pub(crate) use sweep::Sweep;

/// Lists, shows, replays and discards dead letters: events that were parked for a person.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Lists dead letters, oldest first. No personal data is shown.
    List(ListDeadLetters),
    /// Explains one dead letter: why it was parked, what to do, and what it consists of.
    Show(ShowDeadLetter),
    /// Puts dead letters back into the queue as if they were new. Without --yes it only shows what it would do.
    Replay(Replay),
    /// Deletes dead letters. Without --yes it only shows what it would do.
    Discard(Discard),
}

/// Lists dead letters, oldest first.
#[derive(Args, Debug)]
pub(crate) struct ListDeadLetters {
    #[command(flatten)]
    filter: Filter,
    /// The most to list.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How many to leave out first: those that were listed before.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Prints one line of JSON for each dead letter.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    systems: SystemsAccess,
}

/// Explains one dead letter.
#[derive(Args, Debug)]
pub(crate) struct ShowDeadLetter {
    /// Its event id, as the list shows it.
    id: String,
    /// Also shows the event itself and DSK's answer, which may contain people's names, numbers and texts.
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    queue: QueueAccess,
}

/// Puts dead letters back into the queue.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    #[command(flatten)]
    filter: Filter,
    /// Events a second. DSK gets them on top of its usual traffic.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    #[command(flatten)]
    options: BulkOptions,
}

/// Deletes dead letters.
#[derive(Args, Debug)]
pub(crate) struct Discard {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    options: BulkOptions,
}

impl DeadLetters {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Replay(replay) => replay.run().await,
            Self::Discard(discard) => discard.run().await,
        }
    }
}

impl ListDeadLetters {
    async fn run(self) -> Result<(), Failure> {
        let page = Page { skip: self.skip, limit: self.limit.saturating_add(1) };
        let selection = self.filter.select(&self.systems).await?;
        let matches = async |queue: Queue, shutdown| scan::matches_on(page, &selection, &queue, &shutdown).await;
        let mut letters = self.systems.with_queue(matches).await?;
        let has_more = letters.len() > self.limit;
        letters.truncate(self.limit);
        if self.json {
            return letters.iter().try_for_each(|letter| outln!("{}", explain::json(letter)));
        }
        outln!("{}", explain::HEADER)?;
        for letter in &letters {
            outln!("{}", explain::line(letter))?;
        }
        match letters.len() {
            0 => outln!("There are none."),
            count if has_more => {
                let next = self.skip + count;
                outln!("{count} shown, and there are more: give --skip {next}, --limit, or a narrower filter.")
            }
            count if self.skip > 0 => outln!("{count} shown, and there are no more."),
            count => outln!("{count} in all. `ops dead-letters show ID` explains one."),
        }
    }
}

impl ShowDeadLetter {
    async fn run(self) -> Result<(), Failure> {
        let selection = Selection::of_id(&self.id);
        let letter = self.queue.with(async |queue, shutdown| first_match(&selection, &queue, &shutdown).await).await?;
        let Some(letter) = letter else {
            let id = &self.id;
            return Err(Failure::runtime(format!(
                "no dead letter has the id {id}: `ops dead-letters list` shows them"
            )));
        };
        outln!("{}", explain::explain(&letter, self.reveal))
    }
}

impl Replay {
    async fn run(self) -> Result<(), Failure> {
        let change = Change::Replay { rate: self.rate };
        let count = self.options.carry_out(change, &self.filter).await?;
        if self.options.yes && count > 0 {
            outln!("`ops status` shows them on their way. Those that fail again return to `ops dead-letters list`.")?;
        }
        Ok(())
    }
}

impl Discard {
    async fn run(self) -> Result<(), Failure> {
        let count = self.options.carry_out(Change::Discard, &self.filter).await?;
        if self.options.yes && count > 0 {
            outln!("They can't be brought back.")?;
        }
        Ok(())
    }
}
