//! Whom a command about personal data concerns, and which dead letters are theirs.

use std::collections::BTreeSet;

use ::channels::ChannelStore;
use chassis::Shutdown;
use clap::Args;
use event::{Address, PersonIds, UNRECOGNIZED, mentions, persons};
use queue::{DeadLetter, Queue, UNDECODABLE};

use crate::address::parse_address;
use crate::contact::{Contact, parse_contact};
use crate::dead_letters::Sweep;
use crate::failure::Failure;

/// Whom the command concerns.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SubjectChoice {
    /// A person on a channel: the channel's address, a slash, and the person's phone number or id there, such as
    /// `whatsapp:106540352242922/+4915550000001`. It may be given several times.
    #[arg(long, value_parser = parse_contact)]
    pub(crate) contact: Vec<Contact>,
    /// A channel, with its record.
    #[arg(long, value_parser = parse_address)]
    pub(crate) channel: Vec<Address>,
    /// Every channel of a DSK customer.
    #[arg(long)]
    pub(crate) tenant: Option<String>,
}

/// People and channels, as they are known here.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    /// People, under every id that is known of them.
    pub(crate) contacts: BTreeSet<Contact>,
    pub(crate) channels: BTreeSet<Address>,
}

/// What the dead letters say about a subject.
#[derive(Debug, Default)]
struct Hints {
    /// The ids of one person, wherever a dead letter has several: each with the channel.
    links: BTreeSet<(Address, PersonIds)>,
    /// The channels that have dead letters.
    addresses: BTreeSet<Address>,
}

impl SubjectChoice {
    pub(crate) fn is_empty(&self) -> bool {
        self.contact.is_empty() && self.channel.is_empty() && self.tenant.is_none()
    }

    /// Finds the channels, and every other id of the people that a dead letter links to the given one. A channel of which
    /// nothing is known is an error, because then its id is probably mistaken.
    pub(crate) async fn find(
        &self,
        queue: &Queue,
        store: &ChannelStore,
        shutdown: &Shutdown,
    ) -> Result<Subject, Failure> {
        let hints = if self.needs_hints(store).await? {
            read_hints(Sweep::begin(queue, shutdown).await?).await?
        } else {
            Hints::default()
        };
        let mut subject = Subject::default();
        subject.contacts.extend(self.contact.iter().cloned());
        subject.contacts.extend(self.contact.iter().filter_map(Contact::other_spelling));
        subject.channels.extend(self.channel.iter().cloned());
        for address in self.contact.iter().map(|contact| &contact.address).chain(&self.channel) {
            if !hints.addresses.contains(address) && store.get(address).await?.is_none() {
                return Err(Failure::usage(format!(
                    "{address} is not stored and no dead letter is of it: `ops channels list` shows the channels. \
                     Nothing was done"
                )));
            }
        }
        if let Some(tenant) = &self.tenant {
            let records = store.list().await?.into_iter().filter(|record| record.tenant == *tenant);
            let addresses: BTreeSet<Address> = records.map(|record| record.address).collect();
            if addresses.is_empty() {
                return Err(Failure::usage(format!(
                    "no channel is stored for tenant {tenant}: `ops channels list` shows the tenants. Nothing was done"
                )));
            }
            subject.channels.extend(addresses);
        }
        subject.widen(&hints.links);
        Ok(subject)
    }

    /// Whether the store alone does not tell whom it concerns. What the dead letters tell takes a look through all of them.
    async fn needs_hints(&self, store: &ChannelStore) -> Result<bool, Failure> {
        for address in &self.channel {
            if store.get(address).await?.is_none() {
                return Ok(true);
            }
        }
        Ok(!self.contact.is_empty())
    }
}

impl Subject {
    /// Whether the dead letter is theirs. One that is no event is theirs if one of their ids stands in it.
    pub(crate) fn owns(&self, dead: &DeadLetter) -> bool {
        let envelope = &dead.envelope;
        if self.channels.contains(&envelope.address) {
            return true;
        }
        if self.contacts.is_empty() {
            return false;
        }
        if is_no_event(dead) {
            return self.contacts.iter().any(|contact| mentions(envelope, &contact.id));
        }
        let is_theirs = |id: &str| self.contacts.iter().any(|one| one.address == envelope.address && one.id == id);
        let conversation = envelope.lane.as_str().split_once('/').map(|(_, id)| id);
        conversation.is_some_and(is_theirs) || persons(envelope).iter().flatten().any(|id| is_theirs(id))
    }

    /// Adds the ids that belong to the same people, until there are no more.
    fn widen(&mut self, links: &BTreeSet<(Address, PersonIds)>) {
        loop {
            let before = self.contacts.len();
            for (address, ids) in links {
                let one = self.contacts.iter().find(|one| one.address == *address && ids.contains(&one.id)).cloned();
                self.contacts.extend(one.iter().flat_map(|one| ids.iter().map(|id| one.known_as(id.clone()))));
            }
            if self.contacts.len() == before {
                return;
            }
        }
    }
}

/// Whether it is a whole body, or a message of which nothing is known.
fn is_no_event(dead: &DeadLetter) -> bool {
    [UNRECOGNIZED, UNDECODABLE].contains(&dead.envelope.event_type.as_str())
}

async fn read_hints(mut sweep: Sweep<'_>) -> Result<Hints, Failure> {
    let mut hints = Hints::default();
    while let Some(letter) = sweep.next(|_| true).await? {
        let address = letter.envelope.address.clone();
        let linked = persons(&letter.envelope).into_iter().filter(|person| person.len() > 1);
        hints.links.extend(linked.map(|person| (address.clone(), person)));
        hints.addresses.insert(address);
    }
    sweep.finish().await?;
    Ok(hints)
}
