//! `ops export`: shows what this service holds about a contact, a channel or a tenant, and since when, for the person who
//! asks for it.

use std::time::Duration;

use ::channels::{ChannelStore, StoreError};
use chassis::{Shutdown, now};
use clap::Args;
use event::readable_body;
use jiff::Timestamp;
use queue::{DEAD_TTL, DeadLetter, Queue};
use serde_json::{Value, json};

use crate::channels::record_json;
use crate::dead_letters::Sweep;
use crate::failure::Failure;
use crate::open::SystemsAccess;
use crate::output::{counted, outln, remark};
use crate::subject::{Subject, SubjectChoice};

/// Shows all that is stored about contacts, channels or tenants: records of channels (of their tokens only that there are
/// some), and events that are parked, with their contents. It contains personal data: give it to nobody else.
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    choice: SubjectChoice,
    /// Prints one line of JSON for each thing that is held, for another program to read.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    systems: SystemsAccess,
}

/// What is not in an export, and why.
const NOT_HERE: &str = "\
Not in here: events on their way to DSK, which nobody can look at without taking them (they are held for 7 days at most,
and usually for less than a second); what DSK and Meta hold; log lines, which name nobody; what is noted of an
event under its id (8 days): how it ended, so that it is not delivered twice, and which attempts failed, but no personal
data. A contact's events are found under every id that a dead letter links to the given one: give the phone number and
the user id, if you know both.";

impl Export {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if self.choice.is_empty() {
            return Err(Failure::usage("say whose data to show: --contact, --channel or --tenant"));
        }
        self.systems.with(async |queue, store, shutdown| self.show(&queue, &store, &shutdown).await).await
    }

    async fn show(&self, queue: &Queue, store: &ChannelStore, shutdown: &Shutdown) -> Result<(), Failure> {
        let subject = self.choice.find(queue, store, shutdown).await?;
        let now = now();
        let records = self.show_records(&subject, store, now).await?;
        let holds = self.show_holds(&subject, store, now).await?;
        let letters = self.show_letters(&subject, Sweep::begin(queue, shutdown).await?, now).await?;
        let records = counted(records, "record");
        let holds = holds.map_or_else(|| "an unknown number of holds".to_owned(), |count| counted(count, "hold"));
        let summary = format!("{records}, {holds} and {}.", counted(letters, "parked event"));
        if self.json {
            remark(format_args!("{summary}\n{NOT_HERE}"));
            return Ok(());
        }
        outln!("{summary}\n{NOT_HERE}")
    }

    async fn show_records(&self, subject: &Subject, store: &ChannelStore, now: Timestamp) -> Result<usize, Failure> {
        let mut count = 0;
        for address in &subject.channels {
            let Some(record) = store.get(address).await? else { continue };
            let since = record.connected_at.as_deref().or(record.updated_at.as_deref()).unwrap_or_default();
            let held = since.parse().map_or_else(|_| "unknown".to_owned(), |since| age(since, now));
            count += 1;
            let mut held_record = record_json(&record);
            if let Some(name) = &record.name {
                // Lists of channels do not show it: it is a phone number, or a person's name at Instagram.
                held_record["name"] = json!(name);
            }
            self.show_one(&json!({
                "kind": "channel", "address": address.as_str(), "held_for": held, "record": held_record,
            }))?;
        }
        Ok(count)
    }

    /// The holds of these people; `None` if nobody can say without a key ring whether there are any.
    async fn show_holds(
        &self,
        subject: &Subject,
        store: &ChannelStore,
        now: Timestamp,
    ) -> Result<Option<usize>, Failure> {
        let mut count = 0;
        if subject.contacts.is_empty() {
            return Ok(Some(count));
        }
        let held = match store.held(now).await {
            Err(StoreError::ErasureKey(error)) => {
                remark(format_args!("warning: whether they are held is not known: {error}"));
                return Ok(None);
            }
            held => held?,
        };
        for contact in &subject.contacts {
            let Some(until) = held.until(&contact.lane()) else { continue };
            count += 1;
            self.show_one(&json!({
                "kind": "hold", "channel": contact.address.as_str(), "contact": contact.id, "until": until.to_string(),
            }))?;
        }
        Ok(Some(count))
    }

    async fn show_letters(&self, subject: &Subject, mut sweep: Sweep<'_>, now: Timestamp) -> Result<usize, Failure> {
        let mut count = 0;
        let result = async {
            while let Some(letter) = sweep.next(|letter| subject.owns(letter)).await? {
                count += 1;
                self.show_one(&letter_json(&letter, now))?;
            }
            Ok(())
        };
        let result = result.await;
        sweep.finish().await?;
        result.map(|()| count)
    }

    fn show_one(&self, thing: &Value) -> Result<(), Failure> {
        if self.json { outln!("{thing}") } else { outln!("{thing:#}") }
    }
}

fn letter_json(dead: &DeadLetter, now: Timestamp) -> Value {
    let envelope = &dead.envelope;
    let body = readable_body(envelope);
    let text = || Value::from(String::from_utf8_lossy(&body).into_owned());
    json!({
        "kind": "parked event", "id": envelope.id.as_str(), "type": envelope.event_type.as_str(),
        "channel": envelope.address.as_str(), "received_at": envelope.received_at.to_string(),
        "held_for": age(envelope.received_at, now), "parked_at": dead.letter.parked_at.to_string(),
        "parked_because": dead.letter.reason, "answer_of_dsk": dead.letter.answer,
        "kept_until": dead.letter.parked_at.checked_add(DEAD_TTL).map(|until| until.to_string()).ok(),
        "content": serde_json::from_slice(&body).unwrap_or_else(|_| text()),
    })
}

/// How long something has been held, to the minute.
fn age(since: Timestamp, now: Timestamp) -> String {
    const MINUTE: u64 = 60;
    let seconds = Duration::try_from(now.duration_since(since)).unwrap_or_default().as_secs();
    humantime::format_duration(Duration::from_secs(seconds - seconds % MINUTE)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_to_the_minute() {
        let since = Timestamp::UNIX_EPOCH;
        let later = |seconds| since + Duration::from_secs(seconds);

        assert_eq!(age(since, later(90_061)), "1day 1h 1m");
        assert_eq!(age(since, later(59)), "0s");
        assert_eq!(age(later(5), since), "0s", "another machine's clock is ahead");
    }
}
