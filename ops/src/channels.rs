//! `ops channels`: stores, shows, checks and removes channels. A token comes from a file, standard input or a prompt,
//! never from an argument, and is never printed.

mod add;
mod backup;
mod check;
mod record;

use chassis::now;
use clap::{Args, Subcommand};
use event::Address;

use crate::address::parse_address;
use crate::failure::Failure;
use crate::open::StoreAccess;
use crate::output::{counted, outln};
pub(crate) use check::{health_text, is_healthy};
pub(crate) use record::{find as find_record, json as record_json};

/// Stores, shows, checks and removes channels.
#[derive(Debug, Subcommand)]
pub(crate) enum Channels {
    /// Stores a channel, or new tokens for one. What is not given again stays as it is.
    Add(Box<add::AddChannel>),
    /// Shows every channel, without its tokens.
    List(ListChannels),
    /// Shows one channel, without its tokens.
    Show(ShowChannel),
    /// Removes a channel: its token at Meta is erased, and its events are discarded from now on.
    Remove(RemoveChannel),
    /// Asks Meta whether the channels' tokens work and whether it posts their events to us.
    Check(Box<check::CheckChannels>),
    /// Saves every record in a file, with its tokens sealed.
    Export(backup::Export),
    /// Stores the records of such a file that the store lacks.
    Import(backup::Import),
}

/// Shows every channel.
#[derive(Args, Debug)]
pub(crate) struct ListChannels {
    /// Prints one line of JSON for each channel.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreAccess,
}

/// Shows one channel.
#[derive(Args, Debug)]
pub(crate) struct ShowChannel {
    /// The channel.
    #[arg(value_parser = parse_address)]
    address: Address,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreAccess,
}

/// Removes a channel.
#[derive(Args, Debug)]
pub(crate) struct RemoveChannel {
    /// The channel, or a WhatsApp account with all of its channels.
    #[arg(value_parser = parse_address)]
    address: Address,
    /// Removes; without it the command only says what it would remove.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreAccess,
}

impl Channels {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run().await,
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Remove(remove) => remove.run().await,
            Self::Check(check) => check.run().await,
            Self::Export(export) => export.run().await,
            Self::Import(import) => import.run().await,
        }
    }
}

impl ListChannels {
    async fn run(self) -> Result<(), Failure> {
        let records = self.store.with(async |store| Ok(store.list().await?)).await?;
        if self.json {
            return records.iter().try_for_each(|record| outln!("{}", record::json(record)));
        }
        outln!("{:<36} {:<20} {:<17} {:<21} updated", "address", "tenant", "state", "limits")?;
        for record in &records {
            let updated = record.updated_at.as_deref().unwrap_or("-");
            let limits = record::limits(record.limits);
            let state = record.state.as_str();
            outln!("{:<36} {:<20} {state:<17} {limits:<21} {updated}", record.address, record.tenant)?;
        }
        outln!("{}", counted(records.len(), "channel"))
    }
}

impl ShowChannel {
    async fn run(self) -> Result<(), Failure> {
        let record = self.store.with(async |store| record::find(&store, &self.address).await).await?;
        let json = record::json(&record);
        if self.json {
            return outln!("{json}");
        }
        for (name, value) in json.as_object().into_iter().flatten() {
            outln!("{name:<24} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))?;
        }
        Ok(())
    }
}

impl RemoveChannel {
    async fn run(self) -> Result<(), Failure> {
        let address = &self.address;
        self.store
            .with(async |store| {
                let record = record::find(&store, address).await?;
                let others: Vec<&str> = record.channels.iter().map(Address::as_str).collect();
                let along = if others.is_empty() { String::new() } else { format!(" with {}", others.join(", ")) };
                if !self.yes {
                    return outln!("Would remove {address}{along} of tenant {}: give --yes to do it", record.tenant);
                }
                store.remove(address, now()).await?;
                outln!(
                    "Removed {address}{along}: its token at Meta is erased, and its events are discarded from now on"
                )
            })
            .await
    }
}
