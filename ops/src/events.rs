//! `ops events`: says where an event is and what has become of it.

mod channel;
mod find;
mod show;
mod standing;
mod steps;
mod wanted;

use std::time::Duration;

use clap::{Args, Subcommand};
use event::Address;

use crate::address::parse_address;
use crate::failure::Failure;
use crate::open::SystemsAccess;
use crate::output::{outln, text_as_is};
pub(crate) use find::{FoundEvent, LetterSource, Places, Trail, find};
pub(crate) use show::{of_channel, reasons_why_unknown, sentence};
pub(crate) use standing::{Parked, Standing};
pub(crate) use wanted::Wanted;

/// Says where events are and what has become of them.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Finds an event by its id, or all events about a message by Meta's id of it.
    Find(FindEvents),
}

/// Finds an event: delivered (when, by which attempt, with which answer), waiting in which queue and until when, paused and
/// why, under way and where, a dead letter and why, or erased. Shows no personal data. Exits with 1 if nothing is known, and
/// says what that can mean.
#[derive(Args, Debug)]
pub(crate) struct FindEvents {
    /// The event's id, as log lines, dead letters and DSK's `webhook-id` have it.
    #[arg(required_unless_present = "message", conflicts_with = "message")]
    id: Option<String>,
    /// Meta's id of a message, a comment or a call (`wamid.…`, a `mid`): finds it with its statuses, edits and deletion.
    #[arg(long, requires = "channel")]
    message: Option<String>,
    /// The channel, such as `whatsapp:106540352242922`.
    #[arg(long, value_parser = parse_address)]
    channel: Option<Address>,
    /// How long dead letters are looked through, if the store does not know how the event ended; `0s` looks at none.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    scan_for: Duration,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    systems: SystemsAccess,
}

impl Events {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Find(find) => find.run().await,
        }
    }
}

impl FindEvents {
    async fn run(self) -> Result<(), Failure> {
        let wanted = self.wanted()?;
        let source = LetterSource::Queue(self.scan_for);
        let trail = self
            .systems
            .with(async |queue, store, shutdown| {
                find(&wanted, source, Places { queue: &queue, store: &store, shutdown: &shutdown }).await
            })
            .await?;
        if self.json {
            outln!("{}", show::json(&trail))?;
        } else {
            text_as_is(format_args!("{}", if trail.events.is_empty() { String::new() } else { show::text(&trail) }))?;
        }
        if trail.events.is_empty() {
            return Err(Failure::runtime(show::nothing_known(&wanted, &trail)));
        }
        Ok(())
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        match (&self.id, &self.message, &self.channel) {
            (_, Some(message), Some(channel)) => Wanted::of_message(message, channel.clone()),
            (Some(id), _, channel) => Wanted::of_event(id, channel.clone()),
            (None, _, _) => Err(Failure::usage("give an event's id, or --message and --channel")),
        }
    }
}
