//! `ops hold`: restricts the processing of a contact's data (GDPR, Art. 18): what concerns them is neither delivered nor
//! erased, but parked.

use std::time::Duration;

use ::channels::{ChannelStore, HELD_TIME, HoldOutcome};
use chassis::{Shutdown, now};
use clap::Args;
use queue::{DEAD_TTL, Queue};

use crate::contact::{Contact, parse_contact};
use crate::dead_letters::Sweep;
use crate::erase::{look_through, show_found};
use crate::failure::Failure;
use crate::open::SystemsAccess;
use crate::output::{counted, outln};
use crate::subject::{Subject, SubjectChoice};

/// Holds contacts for 30 days: their events are neither delivered nor erased, but become dead letters with the reason
/// `held`, which are kept for 14 days. Later events, and those that wait already. Give the command again to hold them longer.
#[derive(Args, Debug)]
pub(crate) struct Hold {
    /// A person on a channel: the channel's address, a slash, and the person's phone number or id there, such as
    /// `whatsapp:106540352242922/+4915550000001`. It may be given several times.
    #[arg(long, required = true, value_parser = parse_contact)]
    contact: Vec<Contact>,
    /// Ends the hold: later events are delivered again. What is parked stays so until it is replayed.
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    systems: SystemsAccess,
}

impl Hold {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.systems.with(async |queue, store, shutdown| self.carry_out(&queue, &store, &shutdown).await).await
    }

    async fn carry_out(&self, queue: &Queue, store: &ChannelStore, shutdown: &Shutdown) -> Result<(), Failure> {
        let choice = SubjectChoice { contact: self.contact.clone(), ..SubjectChoice::default() };
        let subject = choice.find(queue, store, shutdown).await?;
        let lanes: Vec<String> = subject.contacts.iter().map(Contact::lane).collect();
        let sweep = Sweep::begin(queue, shutdown).await?;
        show_found(&look_through(sweep, &subject, None).await?)?;
        let contacts = counted(self.contact.len(), "contact");
        let ids = counted(subject.contacts.len(), "id");
        if self.release {
            return self.show_released(store.release(&lanes, now()).await?, &subject);
        }
        match store.hold(&lanes, now()).await? {
            HoldOutcome::Until(until) => {
                outln!("Held: {contacts}, under {ids}, until {until}. The same command holds them longer.")?;
                show_meaning()
            }
            HoldOutcome::TooMany(most) => Err(Failure::runtime(format!(
                "not held: more than {most} ids would be held at once. Release others with --release"
            ))),
        }
    }

    /// Says what was held, and how to get what is parked delivered.
    fn show_released(&self, held: usize, subject: &Subject) -> Result<(), Failure> {
        if held == 0 {
            return Err(Failure::runtime(format!(
                "nothing was held under {}: `ops export --contact` shows what is",
                counted(subject.contacts.len(), "id")
            )));
        }
        outln!("Released: {}. Events that are taken from now on are delivered.", counted(held, "id"))?;
        outln!("What is parked because of the hold stays so. To deliver it:")?;
        for contact in &self.contact {
            outln!("  ops dead-letters replay --reason held --address {} --yes", contact.address)?;
        }
        outln!("It is looked up again, so what concerns others who are held is parked again.")
    }
}

/// Says what a hold means, and what nobody can know.
fn show_meaning() -> Result<(), Failure> {
    let days = |time: Duration| time.as_secs() / (24 * 3_600);
    outln!(
        "From now on, what dispatchers take of theirs becomes a dead letter with the reason `held`. It is deleted after"
    )?;
    outln!("{} days: export it before (`ops export --contact`), or release them and replay it.", days(DEAD_TTL))?;
    outln!("The hold ends by itself after {} days. An attempt under way is not stopped.", days(HELD_TIME))?;
    outln!(
        "Not known: how much of theirs waits in the other queues, and under which other ids Meta knows them: only a dead"
    )?;
    outln!(
        "letter that carries two ids links them. Give the phone number and the user id, if you know both, and each channel"
    )?;
    outln!("that they wrote to. What others wrote about them is delivered. DSK and Meta keep what they have.")
}
