//! `ops dead-letters`: what was parked for a person: list it, look at it, send it round again, or throw it away.

mod filter;
mod show;
mod task;

use std::collections::BTreeMap;

use chassis::now;
use clap::{Args, Subcommand};
use queue::{DeadLetter, DeadLetterScan, Queue};

use crate::cli::Failed;
use crate::open::QueueAt;
use filter::Filter;
use task::{Found, Task};

/// Lists, shows, replays and discards what was parked for a person.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Lists dead letters, oldest first. Nothing personal is shown.
    List(List),
    /// Explains one dead letter: why it is there, what to do, and what it consists of.
    Show(Show),
    /// Sends dead letters round again, as if they had just been queued. Shows what it would do, and does it with --yes.
    Replay(Replay),
    /// Throws dead letters away. Shows what it would do, and does it with --yes.
    Discard(Discard),
}

/// Lists dead letters, oldest first.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    filter: Filter,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    queue: QueueAt,
}

/// Explains one dead letter.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Its event id, as the list shows it.
    id: String,
    /// Shows the event itself and DSK's answer too, which may hold names, numbers and texts of people.
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    queue: QueueAt,
}

/// Sends dead letters round again.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    #[command(flatten)]
    filter: Filter,
    /// Events a second. DSK gets them on top of what else comes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    #[command(flatten)]
    act: Act,
}

/// Throws dead letters away.
#[derive(Args, Debug)]
pub(crate) struct Discard {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    act: Act,
}

/// How far a command goes.
#[derive(Args, Debug)]
struct Act {
    /// Does it, instead of showing what it would do.
    #[arg(long)]
    yes: bool,
    /// At most so many, the oldest.
    #[arg(long)]
    limit: Option<usize>,
    #[command(flatten)]
    queue: QueueAt,
}

impl DeadLetters {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Replay(replay) => replay.run().await,
            Self::Discard(discard) => discard.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failed> {
        let found = self.queue.with(async |queue, _| look(&queue, &self.filter, self.limit.saturating_add(1)).await);
        let mut found = found.await?;
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if self.json {
            found.iter().for_each(|letter| println!("{}", show::json(letter)));
            return Ok(());
        }
        println!("{}", show::HEADER);
        found.iter().for_each(|letter| println!("{}", show::line(letter)));
        match (found.len(), has_more) {
            (0, _) => println!("None."),
            (count, true) => println!("{count} shown; there are more: --limit, or a narrower choice."),
            (count, false) => println!("{count} in all. `ops dead-letters show ID` explains one."),
        }
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<(), Failed> {
        let filter = Filter::of_id(&self.id);
        let scan = async |queue: Queue, _| {
            let mut scan = queue.scan_dead_letters().await?;
            let found = next(&mut scan, &filter).await;
            scan.finish().await?;
            found
        };
        let Some(letter) = self.queue.with(scan).await? else {
            let id = &self.id;
            return Err(Failed::tried(format!("no dead letter has the id {id}: `ops dead-letters list` shows them")));
        };
        println!("{}", show::explain(&letter, self.reveal));
        Ok(())
    }
}

impl Replay {
    async fn run(self) -> Result<(), Failed> {
        let replay =
            Task { verb: "replay", done: "Replayed", filter: &self.filter, act: &self.act, rate: Some(self.rate) };
        let count = replay.run().await?;
        if self.act.yes && count > 0 {
            println!("`ops status` shows them on their way; what fails again comes back to `ops dead-letters list`.");
        }
        Ok(())
    }
}

impl Discard {
    async fn run(self) -> Result<(), Failed> {
        let task = Task { verb: "discard", done: "Discarded", filter: &self.filter, act: &self.act, rate: None };
        let count = task.run().await?;
        if self.act.yes && count > 0 {
            println!("They are gone for good.");
        }
        Ok(())
    }
}

/// How many there are of each reason.
pub(crate) async fn count_by_reason(queue: &Queue) -> Result<BTreeMap<String, usize>, Failed> {
    let (mut scan, mut found) = (queue.scan_dead_letters().await?, Found::default());
    while let Some(letter) = scan.next().await? {
        found.count_one(&letter);
    }
    scan.finish().await?;
    Ok(found.by_reason)
}

/// The first ones that a filter finds, without their bodies.
async fn look(queue: &Queue, filter: &Filter, limit: usize) -> Result<Vec<DeadLetter>, Failed> {
    let (mut scan, mut found) = (queue.scan_dead_letters().await?, Vec::new());
    while found.len() < limit
        && let Some(mut letter) = next(&mut scan, filter).await?
    {
        letter.envelope.body.clear();
        found.push(letter);
    }
    scan.finish().await?;
    Ok(found)
}

async fn next(scan: &mut DeadLetterScan, filter: &Filter) -> Result<Option<DeadLetter>, Failed> {
    while let Some(letter) = scan.next().await? {
        if filter.finds(&letter, now()) {
            return Ok(Some(letter));
        }
    }
    Ok(None)
}
