//! `ops erase`: removes what this service still stores about a contact, a channel or a tenant, says what it found, and
//! keeps a record of the erasure without their data.

use std::collections::BTreeMap;

use ::channels::{ChannelStore, ErasureOrigin, ErasureRequest, new_erasure_code};
use chassis::{Shutdown, now};
use clap::Args;
use event::Address;
use queue::Queue;

use crate::contact::Contact;
use crate::dead_letters::Sweep;
use crate::failure::Failure;
use crate::open::SystemsAccess;
use crate::output::{counted, outln};
use crate::subject::{Subject, SubjectChoice};

/// The most dead letters that are removed at once.
const BATCH_MAX: usize = 64;

/// Removes what this service still stores about contacts, channels or tenants: events that wait, are retried or are
/// parked, and the records of channels with their tokens. DSK keeps what it has.
#[derive(Args, Debug)]
pub(crate) struct Erase {
    #[command(flatten)]
    choice: SubjectChoice,
    /// Shows how far the erasure with this code has come, and erases nothing.
    #[arg(long, conflicts_with_all = ["contact", "channel", "tenant", "yes"])]
    show: Option<String>,
    /// Erases; without it the command only says what it would erase.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    systems: SystemsAccess,
}

impl Erase {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if let Some(code) = &self.show {
            return self.systems.with_store(async |store| show(&store, code).await).await;
        }
        if self.choice.is_empty() {
            return Err(Failure::usage("say what to erase: --contact, --channel or --tenant"));
        }
        self.systems.with(async |queue, store, shutdown| self.erase(&queue, &store, &shutdown).await).await
    }

    async fn erase(&self, queue: &Queue, store: &ChannelStore, shutdown: &Shutdown) -> Result<(), Failure> {
        let subject = self.choice.find(queue, store, shutdown).await?;
        for address in &subject.channels {
            outln!("{address}")?;
        }
        if !self.yes {
            show_found(&look_through(Sweep::begin(queue, shutdown).await?, &subject, None).await?)?;
            self.show_subject("Would erase", &subject)?;
            return outln!("Nothing is done yet: add --yes.");
        }
        let code = begin_erasure(&subject, store).await?;
        outln!("From now on, nothing that was received from them until now is delivered.")?;
        outln!("Dispatchers look for what is parked meanwhile; `ops erase --show {code}` says when that is done.")?;
        // Only now: what is parked from here on is marked, and the dispatchers find it.
        show_found(&look_through(Sweep::begin(queue, shutdown).await?, &subject, Some(store)).await?)?;
        self.show_subject("Erased", &subject)
    }

    /// Says what was meant, and what nobody can know.
    fn show_subject(&self, verb: &str, subject: &Subject) -> Result<(), Failure> {
        let contacts = counted(self.choice.contact.len(), "contact");
        let channels = counted(subject.channels.len(), "channel");
        outln!("{verb}: {contacts}, under {}, and {channels}.", counted(subject.contacts.len(), "id"))?;
        outln!(
            "Not known: how much of theirs waits in the other queues, which are looked at only when an event is taken."
        )?;
        outln!("It is discarded then, if it carries one of these ids, also when they wrote it in a group.")?;
        if !self.choice.contact.is_empty() {
            outln!(
                "Nor is it known under which other ids Meta knows them: only a dead letter that carries two ids links"
            )?;
            outln!(
                "them. Give the phone number and the user id, if you know both, and each channel that they wrote to."
            )?;
            outln!("What others wrote about them is not looked for.")?;
        }
        outln!("DSK and Meta keep what they have, and a backup what it had.")
    }
}

/// Marks and removes what is theirs in the store, and returns the code under which that is recorded. What is parked of
/// theirs is looked for afterwards, by the dispatchers and by [`look_through`].
pub(crate) async fn begin_erasure(subject: &Subject, store: &ChannelStore) -> Result<String, Failure> {
    let code = new_erasure_code();
    let origin = ErasureOrigin::Operator;
    let channels: Vec<Address> = subject.channels.iter().cloned().collect();
    let lanes: Vec<String> = subject.contacts.iter().map(Contact::lane).collect();
    let request = ErasureRequest { code: &code, origin, channels: &channels, lanes: &lanes, until: None };
    store.erase(&request, now()).await?;
    Ok(code)
}

/// How many dead letters there are of each type.
pub(crate) type CountByType = BTreeMap<String, usize>;

/// How many dead letters of theirs there are of each type. If the store is given, they are removed, and marked there: Meta
/// may repeat them, and that is no newer event.
pub(crate) async fn look_through(
    mut sweep: Sweep<'_>,
    subject: &Subject,
    removed_in: Option<&ChannelStore>,
) -> Result<CountByType, Failure> {
    let result = count(&mut sweep, subject, removed_in).await;
    sweep.finish().await?;
    result
}

async fn count(
    sweep: &mut Sweep<'_>,
    subject: &Subject,
    removed_in: Option<&ChannelStore>,
) -> Result<CountByType, Failure> {
    let mut found = BTreeMap::new();
    loop {
        let batch = sweep.next_batch(BATCH_MAX, |letter| subject.owns(letter)).await?;
        if batch.is_empty() {
            return Ok(found);
        }
        for letter in &batch {
            *found.entry(letter.envelope.event_type.to_string()).or_default() += 1;
        }
        if let Some(store) = removed_in {
            let ids: Vec<_> = batch.iter().map(|letter| letter.envelope.id.clone()).collect();
            store.mark_delivered(&ids).await?;
            sweep.remove(batch).await?;
        }
    }
}

pub(crate) fn show_found(found: &BTreeMap<String, usize>) -> Result<(), Failure> {
    for (event_type, count) in found {
        outln!("{count:>8}  dead letters of type {event_type}")?;
    }
    if found.is_empty() {
        outln!("No dead letter of theirs was found.")?;
    }
    Ok(())
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
