//! `ops channels`: stores, shows and removes channels. Tokens come from a file, standard input or a prompt, never from
//! an argument, and are never printed.

mod backup;
mod check;

use std::path::{Path, PathBuf};

use channels::{ChannelRecord, ChannelStore, KeyRing, KeyRingSettings, Metrics, NewChannel, Sealed};
use chassis::{Secret, SigningSecret, now};
use clap::{Args, Subcommand};
use dispatcher::{Allowance, Endpoint};
use event::Address;
use prometheus::Registry;
use serde_json::json;

use crate::cli::Failed;
use crate::files;
use crate::open::StoreAt;

/// What an address begins with.
const FAMILIES: [&str; 4] = ["whatsapp", "instagram", "messenger", "whatsapp-account"];

/// Stores, shows and removes channels.
#[derive(Debug, Subcommand)]
pub(crate) enum Channels {
    /// Stores a channel, or new tokens for one. What is not given again stays as it is.
    Add(Box<Add>),
    /// Shows every channel, without its tokens.
    List(List),
    /// Shows one channel, without its tokens.
    Show(Show),
    /// Removes a channel: its tokens are erased, its events are discarded from now on.
    Remove(Remove),
    /// Asks Meta whether channels' tokens work and their events are posted to us.
    Check(Box<check::Check>),
    /// Saves every record in a file, tokens sealed.
    Export(backup::Export),
    /// Stores the records of such a file where they are missing.
    Import(backup::Import),
}

/// Stores a channel.
#[derive(Args, Debug)]
pub(crate) struct Add {
    /// The channel: `whatsapp:<phone number id>`, `instagram:<account id>`, `messenger:<page id>` or
    /// `whatsapp-account:<account id>`.
    #[arg(value_parser = parse_address)]
    address: Address,
    /// The DSK customer it belongs to.
    #[arg(long)]
    tenant: String,
    /// A file that holds the token which authorises us at DSK; `-` is standard input. Asked for when not given.
    #[arg(long)]
    dsk_token_file: Option<PathBuf>,
    /// A file that holds the channel's token at Meta.
    #[arg(long)]
    access_token_file: Option<PathBuf>,
    /// When that token ends, such as 2027-01-31T00:00:00Z. Without it: never.
    #[arg(long, requires = "access_token_file")]
    access_token_expires_at: Option<jiff::Timestamp>,
    /// A file that holds the secret (`whsec_…`) that signs what DSK gets for this channel.
    #[arg(long)]
    signing_secret_file: Option<PathBuf>,
    /// Where this channel's events go, if not to `DSK_URL`.
    #[arg(long)]
    dsk_url: Option<String>,
    /// Allows that to be http to another machine.
    #[arg(long, env)]
    dsk_allow_http: bool,
    /// Allows that to be an address of a private network.
    #[arg(long, env)]
    dsk_allow_private: bool,
    /// The WhatsApp account (WABA) of a number; its events reach the same tenant.
    #[arg(long)]
    account_id: Option<String>,
    /// The id under which Meta's callbacks name the person who connected the channel.
    #[arg(long)]
    app_user_id: Option<String>,
    /// Who connects it: an operator or ticket, not a person's name.
    #[arg(long)]
    connected_by: Option<String>,
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    store: StoreAt,
}

/// Shows every channel.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreAt,
}

/// Shows one channel.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The channel.
    #[arg(value_parser = parse_address)]
    address: Address,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreAt,
}

/// Removes a channel.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// The channel, or a WhatsApp account with all of its channels.
    #[arg(value_parser = parse_address)]
    address: Address,
    /// Does it; without it the command only says what it would do.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreAt,
}

impl Channels {
    pub(crate) async fn run(self) -> Result<(), Failed> {
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

impl Add {
    async fn run(self) -> Result<(), Failed> {
        let key_ring = KeyRing::load(&self.key_ring, &Metrics::register(&Registry::new())?).map_err(Failed::wrong)?;
        let channel = self.channel(&key_ring)?;
        let address = &self.address;
        if address.as_str().bytes().all(|byte| !byte.is_ascii_digit()) {
            eprintln!("warning: ids at Meta are numbers; {address} looks like a placeholder");
        }
        self.store.with(async |store| Ok(store.add(&channel, now()).await?)).await?;
        println!("Stored {address} for tenant {}; see `ops channels show {address}`", self.tenant);
        Ok(())
    }

    fn channel(&self, key_ring: &KeyRing) -> Result<NewChannel, Failed> {
        if self.tenant.trim().is_empty() {
            return Err(Failed::wrong("--tenant is empty: name the DSK customer"));
        }
        if let Some(url) = &self.dsk_url {
            let allowance = Allowance { http: self.dsk_allow_http, private: self.dsk_allow_private };
            Endpoint::of_channel(url, allowance).map_err(Failed::wrong)?;
        }
        let token = match &self.dsk_token_file {
            Some(file) => files::read_secret(file)?,
            None => prompt(&format!("DSK token for {}: ", self.address))?,
        };
        let mut channel = NewChannel::new(self.address.clone(), self.tenant.clone(), key_ring.seal(&token));
        if let Some(file) = &self.signing_secret_file {
            let secret = files::read_secret(file)?;
            SigningSecret::parse(&secret).map_err(Failed::wrong)?;
            channel.signing_secret = Some(key_ring.seal(&secret));
        }
        channel.access_token = self.access_token_file.as_deref().map(|file| sealed(file, key_ring)).transpose()?;
        channel.access_token_expires_at = self.access_token_expires_at;
        channel.dsk_url.clone_from(&self.dsk_url);
        channel.account_id.clone_from(&self.account_id);
        channel.app_user_id.clone_from(&self.app_user_id);
        channel.connected_by.clone_from(&self.connected_by);
        Ok(channel)
    }
}

impl List {
    async fn run(self) -> Result<(), Failed> {
        let records = self.store.with(async |store| Ok(store.list().await?)).await?;
        if self.json {
            records.iter().for_each(|record| println!("{}", as_json(record)));
            return Ok(());
        }
        println!("{:<36} {:<20} {:<17} updated", "address", "tenant", "state");
        for record in &records {
            let updated = record.updated_at.as_deref().unwrap_or("-");
            println!("{:<36} {:<20} {:<17} {updated}", record.address, record.tenant, record.state.as_str());
        }
        println!("{} channels", records.len());
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<(), Failed> {
        let record = self.store.with(async |store| find(&store, &self.address).await).await?;
        if self.json {
            println!("{}", as_json(&record));
            return Ok(());
        }
        let shown = as_json(&record);
        for (name, value) in shown.as_object().into_iter().flatten() {
            println!("{name:<24} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        Ok(())
    }
}

impl Remove {
    async fn run(self) -> Result<(), Failed> {
        let address = &self.address;
        self.store
            .with(async |store| {
                let record = find(&store, address).await?;
                let others: Vec<&str> = record.channels.iter().map(Address::as_str).collect();
                let along = if others.is_empty() { String::new() } else { format!(" with {}", others.join(", ")) };
                if !self.yes {
                    println!("Would remove {address}{along} of tenant {}: give --yes to do it", record.tenant);
                    return Ok(());
                }
                store.remove(address, now()).await?;
                println!("Removed {address}{along}: its tokens are erased, its events are discarded from now on");
                Ok(())
            })
            .await
    }
}

async fn find(store: &ChannelStore, address: &Address) -> Result<ChannelRecord, Failed> {
    let record = store.get(address).await?;
    record.ok_or_else(|| Failed::tried(format!("{address} is not stored: `ops channels list` shows what is")))
}

fn sealed(file: &Path, key_ring: &KeyRing) -> Result<Sealed, Failed> {
    Ok(key_ring.seal(&files::read_secret(file)?))
}

fn prompt(question: &str) -> Result<Secret, Failed> {
    let answer = rpassword::prompt_password(question)
        .map_err(|error| Failed::wrong(format!("there is nobody to ask ({error}): give --dsk-token-file")))?;
    match answer.trim() {
        "" => Err(Failed::wrong("no token was given")),
        token => Ok(Secret::new(token)),
    }
}

/// A record as shown: tokens only as being there.
fn as_json(record: &ChannelRecord) -> serde_json::Value {
    let sealed = |token: &Option<Sealed>| token.as_ref().map(|_| "sealed");
    let mut shown = json!({
        "address": record.address.as_str(),
        "tenant": record.tenant,
        "state": record.state.as_str(),
        "dsk_url": record.dsk_url,
        "dsk_token": sealed(&record.dsk_token),
        "signing_secret": sealed(&record.signing_secret),
        "access_token": sealed(&record.access_token),
        "access_token_expires_at": record.access_token_expires_at,
        "account_id": record.account_id,
        "app_user_id": record.app_user_id,
        "connected_by": record.connected_by,
        "connected_at": record.connected_at,
        "updated_at": record.updated_at,
        "checked_at": record.checked_at,
    });
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        if !record.channels.is_empty() {
            let channels = record.channels.iter().map(Address::as_str).collect();
            fields.insert("channels".to_owned(), channels);
        }
    }
    shown
}

/// An address as a person writes it.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    let (family, id) = text.split_once(':').unwrap_or((text, ""));
    if !FAMILIES.contains(&family) || id.is_empty() {
        return Err(format!("write one of {} and an id, such as whatsapp:106540352242922", FAMILIES.join(", ")));
    }
    if id.chars().any(char::is_control) || id.contains(',') {
        return Err("an id holds no commas and no control characters".to_owned());
    }
    Ok(Address::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_family_and_an_id() {
        for wrong in ["", "whatsapp", "whatsapp:", "telegram:1", "instagram:1,2", "messenger:1\n"] {
            assert!(parse_address(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse_address("whatsapp:1").unwrap().as_str(), "whatsapp:1");
    }
}
