//! `ops erase`: removes what is still here of a contact, a channel or a tenant, and leaves a record without their data.

use ::channels::{ChannelStore, ErasureOrigin, ErasureRequest, new_erasure_code};
use chassis::now;
use clap::Args;
use event::Address;

use crate::channels::parse_address;
use crate::cli::Failed;
use crate::open::StoreAt;

/// Removes what is still here of contacts, channels or tenants: what waits, is retried, or is put aside, and the records of
/// channels with their tokens. What DSK has stays there.
#[derive(Args, Debug)]
pub(crate) struct Erase {
    /// A person's conversation with a channel, as the channel's address, a slash, and the person's id there: such as
    /// `whatsapp:106540352242922/4915550000001`.
    #[arg(long, value_parser = parse_contact)]
    contact: Vec<String>,
    /// A channel, with its record and tokens.
    #[arg(long, value_parser = parse_address)]
    channel: Vec<Address>,
    /// Every channel of a DSK customer.
    #[arg(long)]
    tenant: Option<String>,
    /// Shows how far the erasure with this code is, and erases nothing.
    #[arg(long, conflicts_with_all = ["contact", "channel", "tenant", "yes"])]
    show: Option<String>,
    /// Does it; without it the command only says what it would do.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreAt,
}

impl Erase {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        if let Some(code) = &self.show {
            return self.store.with(async |store| show(&store, code).await).await;
        }
        if self.contact.is_empty() && self.channel.is_empty() && self.tenant.is_none() {
            return Err(Failed::wrong("say what to erase: --contact, --channel or --tenant"));
        }
        self.store.with(async |store| self.erase(&store).await).await
    }

    async fn erase(&self, store: &ChannelStore) -> Result<(), Failed> {
        let channels = self.channels(store).await?;
        let (contacts, count) = (self.contact.len(), channels.len());
        channels.iter().for_each(|address| println!("{address}"));
        if !self.yes {
            println!("Would erase {contacts} contacts and {count} channels. Nothing is done yet: add --yes.");
            return Ok(());
        }
        let code = new_erasure_code();
        let origin = ErasureOrigin::Operator;
        let request = ErasureRequest { code: &code, origin, channels: &channels, lanes: &self.contact };
        store.erase(&request, now()).await?;
        println!("Erased {contacts} contacts and {count} channels: nothing of them is delivered any more.");
        println!(
            "Dispatchers throw away what is among the dead letters within a minute; `ops erase --show {code}` says when."
        );
        println!("Copies in retry queues and in the backlog go when they are next taken.");
        Ok(())
    }

    async fn channels(&self, store: &ChannelStore) -> Result<Vec<Address>, Failed> {
        let mut channels = self.channel.clone();
        if let Some(tenant) = &self.tenant {
            let records = store.list().await?.into_iter();
            channels.extend(records.filter(|record| record.tenant == *tenant).map(|record| record.address));
        }
        channels.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        channels.dedup();
        Ok(channels)
    }
}

async fn show(store: &ChannelStore, code: &str) -> Result<(), Failed> {
    let erasure = store.erasure(code).await?;
    let erasure = erasure.ok_or_else(|| Failed::tried("there is no erasure with this code, or it was a year ago"))?;
    println!("asked for by {} at {}", erasure.origin, erasure.requested_at);
    match erasure.done_at {
        Some(done_at) => println!("done at {done_at}"),
        None => println!("pending: does a dispatcher run? `ops status` shows"),
    }
    Ok(())
}

/// A lane, as a person writes it.
fn parse_contact(text: &str) -> Result<String, String> {
    let wrong = || "write a channel's address, a slash, and the person's id there".to_owned();
    let (address, id) = text.split_once('/').ok_or_else(wrong)?;
    parse_address(address)?;
    if id.is_empty() { Err(wrong()) } else { Ok(text.to_owned()) }
}
