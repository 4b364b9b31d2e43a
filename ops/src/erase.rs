//! `ops erase`: removes what this service still stores about a contact, a channel or a tenant, and keeps a record of the
//! erasure without their data.

use ::channels::{ChannelStore, ErasureOrigin, ErasureRequest, new_erasure_code};
use chassis::now;
use clap::Args;
use event::Address;

use crate::address::{parse_address, parse_contact};
use crate::failure::Failure;
use crate::open::StoreAccess;
use crate::output::{counted, outln};

/// Removes what this service still stores about contacts, channels or tenants: events that wait, are retried or are
/// parked, and the records of channels with their tokens. DSK keeps what it has.
#[derive(Args, Debug)]
pub(crate) struct Erase {
    /// A person's conversation with a channel: the channel's address, a slash, and the person's id there, such as
    /// `whatsapp:106540352242922/4915550000001`.
    #[arg(long, value_parser = parse_contact)]
    contact: Vec<String>,
    /// A channel, with its record and tokens.
    #[arg(long, value_parser = parse_address)]
    channel: Vec<Address>,
    /// Every channel of a DSK customer.
    #[arg(long)]
    tenant: Option<String>,
    /// Shows how far the erasure with this code has come, and erases nothing.
    #[arg(long, conflicts_with_all = ["contact", "channel", "tenant", "yes"])]
    show: Option<String>,
    /// Erases; without it the command only says what it would erase.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreAccess,
}

impl Erase {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if let Some(code) = &self.show {
            return self.store.with(async |store| show(&store, code).await).await;
        }
        if self.contact.is_empty() && self.channel.is_empty() && self.tenant.is_none() {
            return Err(Failure::usage("say what to erase: --contact, --channel or --tenant"));
        }
        self.store.with(async |store| self.erase(&store).await).await
    }

    async fn erase(&self, store: &ChannelStore) -> Result<(), Failure> {
        let channels = self.channels(store).await?;
        let contact_count = counted(self.contact.len(), "contact");
        let channel_count = counted(channels.len(), "channel");
        for address in &channels {
            outln!("{address}")?;
        }
        if !self.yes {
            return outln!("Would erase {contact_count} and {channel_count}. Nothing is done yet: add --yes.");
        }
        let code = new_erasure_code();
        let origin = ErasureOrigin::Operator;
        let request = ErasureRequest { code: &code, origin, channels: &channels, lanes: &self.contact, until: None };
        store.erase(&request, now()).await?;
        outln!(
            "Erased {contact_count} and {channel_count}: nothing that was received from them until now is delivered."
        )?;
        outln!(
            "Dispatchers discard their dead letters within a minute; `ops erase --show {code}` says when it is done."
        )?;
        outln!("Copies in the retry queues and in the backlog are discarded when they are next taken.")
    }

    async fn channels(&self, store: &ChannelStore) -> Result<Vec<Address>, Failure> {
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

async fn show(store: &ChannelStore, code: &str) -> Result<(), Failure> {
    let erasure = store.erasure(code).await?;
    let unknown = || Failure::runtime("no erasure has this code, or it was more than a year ago");
    let erasure = erasure.ok_or_else(unknown)?;
    outln!("requested by {} at {}", erasure.origin, erasure.requested_at)?;
    match erasure.done_at {
        Some(done_at) => outln!("done at {done_at}"),
        None => outln!("pending: `ops status` shows whether a dispatcher runs"),
    }
}
