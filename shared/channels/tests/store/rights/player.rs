//! Plays a sequence against a store, and compares the store with the model after each step.

use std::cell::Cell;
use std::collections::BTreeSet;

use channels::{
    ChannelState, ChannelStore, ErasureOrigin, ErasureRequest, Lookup, LookupAnswer, NewChannel, SavedErasures,
    SavedRecord, StoreError, new_erasure_code,
};
use chassis::Secret;
use event::{Address, EventId, Lane};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::model::{ACCOUNT, CHANNELS, Expected, Model, Step, Stored, Time};
use super::stores::Stores;
use crate::support::{APPS, asks_by, mark_delivered, ring};

const ACCOUNT_ID: &str = "9";
/// The id of both persons: each app has given it to another one.
const PERSON: &str = "7";
/// How many keys of erasures come together in a sequence: a store takes 8 at most.
const KEYS_MAX: usize = 6;
/// How much time passes with each step.
const STEP: SignedDuration = SignedDuration::from_secs(10);

#[derive(Clone, Debug, Default)]
struct Export {
    erasures: SavedErasures,
    records: Vec<SavedRecord>,
    /// Whom the model held then.
    held: BTreeSet<[usize; 2]>,
}

pub(crate) struct Player<'a> {
    stores: Stores<'a>,
    store: ChannelStore,
    model: Model,
    exports: Vec<Export>,
    began: Timestamp,
    now: Timestamp,
    is_initialised: Cell<bool>,
}

fn address(channel: usize) -> Address {
    CHANNELS
        .get(channel)
        .map_or_else(|| Address::new(format!("whatsapp-account:{ACCOUNT_ID}")), |text| Address::new(*text))
}

fn lane(channel: usize, contact: usize) -> String {
    format!("{}/{contact}", address(channel))
}

impl<'a> Player<'a> {
    pub(crate) fn new(mut stores: Stores<'a>, began: Timestamp) -> Self {
        let store = stores.open_empty();
        let model = Model::default();
        Self { stores, store, model, exports: Vec::new(), began, now: began, is_initialised: Cell::new(false) }
    }

    pub(crate) async fn play(&mut self, step: Step) -> Result<(), TestCaseError> {
        self.now += STEP;
        self.carry_out(step).await?;
        if self.is_initialised.get() {
            self.check_events().await?;
            self.check_records().await?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now = self.now;
        match step {
            Step::Connect { channel, person, tenant } => {
                let connected = self.connect(channel, person, tenant).await;
                if self.model.is_taken(channel, tenant) {
                    prop_assert!(matches!(connected, Err(StoreError::OtherTenant { .. })), "{connected:?}");
                } else {
                    prop_assert_eq!(connected, Ok(()));
                    self.model.connect(channel, person, tenant, now);
                }
            }
            Step::Message { channel, contact } => self.model.receive(channel, contact, now),
            Step::AccountNews => self.model.receive(ACCOUNT, 0, now),
            Step::Disconnect { channel } => {
                self.store.remove(&address(channel), now).await.unwrap();
                self.model.disconnect(channel, now);
            }
            Step::Deauthorize { person, asked } => {
                let asked_at = self.time(asked);
                self.store.withdraw(asks_by(person, PERSON, asked_at), now).await.unwrap();
                self.model.deauthorize(person, asked_at, now);
            }
            Step::Delete { person, asked } => self.delete(person, self.time(asked)).await?,
            Step::EraseChannel { channel } => {
                self.erase(&[address(channel)], &[]).await;
                self.model.erase_channel(channel, now);
            }
            Step::EraseContact { channel, contact } => {
                self.erase(&[], &[lane(channel, contact)]).await;
                self.model.erase_contact(channel, contact);
            }
            Step::Hold { channel, contact } => self.hold(channel, contact).await,
            Step::Release { channel, contact } => self.release(channel, contact).await?,
            Step::AccountRemoved { happened } => {
                let happened_at = self.time(happened);
                self.store.remove_until(&address(ACCOUNT), happened_at, now).await.unwrap();
                self.model.remove_account(happened_at, now);
            }
            Step::Export => self.export().await,
            Step::Import(index) if !self.exports.is_empty() => {
                let export = &self.exports[index.index(self.exports.len())];
                self.import(export).await;
                self.model.held.extend(&export.held);
            }
            Step::Import(_) => {}
            Step::Restore { first, backwards, has_key } => self.restore(first, backwards, has_key).await,
            Step::Deliver(index) if self.is_initialised.get() && !self.model.events.is_empty() => {
                let index = index.index(self.model.events.len());
                if matches!(self.look_up().await[index], LookupAnswer::Channel(_)) {
                    mark_delivered(&self.store, &[id(index)]).await.unwrap();
                    self.model.events[index].is_delivered = true;
                }
            }
            Step::Deliver(_) => {}
        }
        Ok(())
    }

    fn time(&self, time: Time) -> Timestamp {
        match time {
            Time::Now => self.now,
            Time::AtStep(step) => (self.began + STEP * i32::try_from(step).unwrap()).min(self.now),
        }
    }

    async fn connect(&self, channel: usize, person: Option<usize>, tenant: usize) -> Result<(), StoreError> {
        let tenant = format!("tenant-{tenant}");
        let mut new = NewChannel::new(address(channel), tenant, ring().seal(&Secret::new("dsk-token")));
        new.account_id = CHANNELS[channel].starts_with("whatsapp").then(|| ACCOUNT_ID.to_owned());
        new.app_user_id = person.map(|_| PERSON.to_owned());
        new.app_id = person.map(|app| APPS[app].id.clone());
        new.access_token = Some(ring().seal(&Secret::new("access-token")));
        self.store.add(&new, self.now).await?;
        self.is_initialised.set(true);
        Ok(())
    }

    async fn delete(&mut self, person: usize, asked_at: Timestamp) -> Result<(), TestCaseError> {
        let is_left = self.model.has_connected(person, asked_at) || self.is_any_left_of(person, asked_at).await;
        let request = asks_by(person, PERSON, asked_at);
        let code = self.store.delete_person(request, &new_erasure_code(), self.now).await.unwrap();
        let erasure = self.store.erasure(&code).await.unwrap().unwrap();
        self.model.delete(person, asked_at, self.now);
        if is_left {
            prop_assert!(!erasure.found_nothing, "there was something to delete");
            let pending = self.store.pending_erasures().await.unwrap();
            prop_assert!(pending.iter().any(|pending| pending.code == code), "the dead letters are not looked through");
        }
        if !self.model.has_ever_connected(person) {
            prop_assert!(erasure.found_nothing, "there was nothing to delete");
        }
        Ok(())
    }

    /// Whether the store does not discard all of the events that a deletion concerns. It may discard more than it has to: all
    /// that came for a channel that nobody has any more.
    async fn is_any_left_of(&self, person: usize, asked_at: Timestamp) -> bool {
        let own = self.model.events_of(person, asked_at, self.now);
        if own.is_empty() || !self.is_initialised.get() {
            return false;
        }
        let answers = self.look_up().await;
        own.into_iter().any(|index| !matches!(answers[index], LookupAnswer::Erased))
    }

    async fn hold(&mut self, channel: usize, contact: usize) {
        self.store.hold(&[lane(channel, contact)], self.now).await.unwrap();
        self.model.held.insert([channel, contact]);
    }

    async fn release(&mut self, channel: usize, contact: usize) -> Result<(), TestCaseError> {
        let held = self.store.release(&[lane(channel, contact)], self.now).await.unwrap();
        prop_assert_eq!(held == 1, self.model.held.remove(&[channel, contact]));
        Ok(())
    }

    async fn erase(&self, channels: &[Address], lanes: &[String]) {
        let code = new_erasure_code();
        let request = ErasureRequest { code: &code, origin: ErasureOrigin::Operator, channels, lanes, until: None };
        self.store.erase(&request, self.now).await.unwrap();
    }

    async fn export(&mut self) {
        let records = self.store.export().await.unwrap();
        let erasures = self.store.export_erasures().await.unwrap();
        self.exports.push(Export { erasures, records, held: self.model.held.clone() });
    }

    async fn import(&self, export: &Export) {
        self.store.import_erasures(&export.erasures, &new_erasure_code(), self.now).await.unwrap();
        assert_eq!(self.store.import_holds(&export.erasures.holds, self.now).await, Ok(0));
        for record in &export.records {
            self.store.import(record, self.now).await.unwrap();
        }
    }

    async fn restore(&mut self, first: usize, backwards: bool, has_key: bool) {
        self.export().await;
        self.store = self.stores.open_empty();
        let keys = self.exports.last().map_or(0, |export| export.erasures.keys.len());
        if has_key && keys < KEYS_MAX {
            self.store.mark_erased("a channel of nobody", self.now).await.unwrap();
        }
        let mut order: Vec<&Export> = self.exports.iter().collect();
        order.rotate_left(first % self.exports.len());
        if backwards {
            order.reverse();
        }
        for export in order {
            self.import(export).await;
        }
        self.is_initialised.set(self.store.is_initialised().await.unwrap());
        self.model.restore();
        self.model.held.extend(self.exports.iter().flat_map(|export| &export.held));
    }

    async fn look_up(&self) -> Vec<LookupAnswer> {
        let events = self.model.events.iter().enumerate();
        let keys = events.map(|(index, event)| {
            let lane = if event.channel == ACCOUNT {
                address(ACCOUNT).to_string()
            } else {
                lane(event.channel, event.contact)
            };
            (id(index), address(event.channel), Lane::new(lane))
        });
        let keys: Vec<(EventId, Address, Lane)> = keys.collect();
        let lookups = keys.iter().zip(&self.model.events).map(|((id, address, lane), event)| Lookup {
            id,
            address,
            lane,
            is_about_account: false,
            received_at: event.received_at,
        });
        self.store.look_up(&lookups.collect::<Vec<_>>()).await.unwrap()
    }

    async fn check_events(&self) -> Result<(), TestCaseError> {
        for (event, answer) in self.model.events.iter().zip(self.look_up().await) {
            let expected = self.model.expected(event);
            prop_assert!(is_as_expected(expected, &answer), "{expected:?} and not {answer:?} for {event:?}");
        }
        Ok(())
    }

    async fn check_records(&self) -> Result<(), TestCaseError> {
        let listed = self.store.list().await.unwrap();
        for (channel, name) in CHANNELS.iter().enumerate() {
            let record = self.store.get(&address(channel)).await.unwrap();
            let stored = match &record {
                None => Stored::Nothing,
                Some(record) if record.state == ChannelState::Disconnected => Stored::Tombstone,
                Some(_) => Stored::Record,
            };
            prop_assert_eq!(stored, self.model.stored(channel), "{}", name);
            let has_token =
                record.as_ref().is_some_and(|record| record.dsk_token.is_some() || record.access_token.is_some());
            prop_assert_eq!(has_token, stored == Stored::Record, "tokens of {}", name);
            let is_listed = listed.iter().any(|listed| listed.address.as_str() == *name);
            prop_assert_eq!(is_listed, stored != Stored::Nothing, "{} in the list", name);
        }
        Ok(())
    }
}

fn id(index: usize) -> EventId {
    EventId::new(format!("evt_{index}"))
}

fn is_as_expected(expected: Expected, answer: &LookupAnswer) -> bool {
    match expected {
        Expected::Erased => matches!(answer, LookupAnswer::Erased),
        Expected::Delivered => matches!(answer, LookupAnswer::Delivered),
        Expected::Held => matches!(answer, LookupAnswer::Held),
        Expected::Delivery => matches!(answer, LookupAnswer::Channel(_)),
        Expected::AnyButUnknown => !matches!(answer, LookupAnswer::Unknown),
        Expected::NoDelivery => !matches!(answer, LookupAnswer::Channel(_) | LookupAnswer::Unknown),
        Expected::Unknown => {
            !matches!(answer, LookupAnswer::Channel(_) | LookupAnswer::Delivered | LookupAnswer::Damaged(_))
        }
    }
}
