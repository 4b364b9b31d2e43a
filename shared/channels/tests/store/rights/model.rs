//! What must be true of people's data, told by who had connected what, and who asked for what when.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::sample::Index;

/// Two numbers of one account, and an account at Instagram.
pub(crate) const CHANNELS: [&str; 3] = ["whatsapp:1", "whatsapp:2", "instagram:3"];
/// The numbers' account. Its events have this place beside those of the channels.
pub(crate) const ACCOUNT: usize = CHANNELS.len();
const NUMBERS: [usize; 2] = [0, 1];

/// Something that a business, a person, an operator or Meta does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Without a person it is an operator who connects.
    Connect {
        channel: usize,
        person: Option<usize>,
        tenant: usize,
    },
    Message {
        channel: usize,
        contact: usize,
    },
    AccountNews,
    Disconnect {
        channel: usize,
    },
    Deauthorize {
        person: usize,
        asked: Time,
    },
    Delete {
        person: usize,
        asked: Time,
    },
    EraseChannel {
        channel: usize,
    },
    EraseContact {
        channel: usize,
        contact: usize,
    },
    Hold {
        channel: usize,
        contact: usize,
    },
    Release {
        channel: usize,
        contact: usize,
    },
    AccountRemoved {
        happened: Time,
    },
    Export,
    /// One of the exports.
    Import(Index),
    /// Everything is exported, Redis is lost, and a new one gets all exports, in any order.
    Restore {
        first: usize,
        backwards: bool,
        /// Whether the new one has made a key of its own before, under which erasures are hashed.
        has_key: bool,
    },
    /// One of the events is delivered, if it may be.
    Deliver(Index),
}

/// When something happened that we are told now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Time {
    Now,
    /// Long ago, or not much before: a callback may come late, and an old one may be repeated.
    AtStep(usize),
}

/// From when to when a channel was connected, and by whom.
#[derive(Clone, Debug)]
struct Connection {
    channel: usize,
    person: Option<usize>,
    tenant: usize,
    from: Timestamp,
    to: Option<Timestamp>,
}

impl Connection {
    /// Whether a person's request of this time concerns it.
    fn is_concerned(&self, person: usize, asked_at: Timestamp) -> bool {
        self.person == Some(person) && self.from <= asked_at
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) channel: usize,
    pub(crate) contact: usize,
    pub(crate) received_at: Timestamp,
    pub(crate) is_erased: bool,
    pub(crate) is_delivered: bool,
}

/// What the store has to answer about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Erased,
    Delivered,
    Held,
    Delivery,
    /// It was received before the channel was connected as it is now.
    AnyButUnknown,
    NoDelivery,
    Unknown,
}

/// What has to be stored of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Record,
    Tombstone,
    Nothing,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    connections: Vec<Connection>,
    pub(crate) events: Vec<Event>,
    /// Whether a channel's last connection was erased.
    is_erased: [bool; CHANNELS.len()],
    /// When a number was last connected.
    account_at: Option<Timestamp>,
    /// Whose number that was.
    account_tenant: Option<usize>,
    /// The channels and contacts of the conversations that are held.
    pub(crate) held: BTreeSet<[usize; 2]>,
}

impl Model {
    /// Whether another tenant has the channel or its account.
    pub(crate) fn is_taken(&self, channel: usize, tenant: usize) -> bool {
        let together = if NUMBERS.contains(&channel) { &NUMBERS[..] } else { &[channel] };
        together.iter().filter_map(|channel| self.open(*channel)).any(|open| open.tenant != tenant)
    }

    /// What was received for one tenant is not for the next.
    fn withhold(&mut self, channel: usize, last_tenant: Option<usize>, tenant: usize) {
        if last_tenant.is_some_and(|last| last != tenant) {
            self.events.iter_mut().filter(|event| event.channel == channel).for_each(|event| event.is_erased = true);
        }
    }

    pub(crate) fn connect(&mut self, channel: usize, person: Option<usize>, tenant: usize, now: Timestamp) {
        self.withhold(channel, self.last(channel).map(|last| last.tenant), tenant);
        // An operator who rotates a token takes the channel from nobody.
        let person = person.or_else(|| self.open(channel).and_then(|open| open.person));
        self.end(now, |connection| connection.channel == channel);
        self.connections.push(Connection { channel, person, tenant, from: now, to: None });
        self.is_erased[channel] = false;
        if NUMBERS.contains(&channel) {
            self.withhold(ACCOUNT, self.account_tenant, tenant);
            self.account_at = Some(now);
            self.account_tenant = Some(tenant);
        }
    }

    pub(crate) fn receive(&mut self, channel: usize, contact: usize, now: Timestamp) {
        self.events.push(Event { channel, contact, received_at: now, is_erased: false, is_delivered: false });
    }

    pub(crate) fn disconnect(&mut self, channel: usize, now: Timestamp) {
        self.end(now, |connection| connection.channel == channel);
    }

    pub(crate) fn deauthorize(&mut self, person: usize, asked_at: Timestamp, now: Timestamp) {
        self.end(now, |connection| connection.person == Some(person) && connection.from <= asked_at);
    }

    pub(crate) fn remove_account(&mut self, happened_at: Timestamp, now: Timestamp) {
        self.end(now, |connection| NUMBERS.contains(&connection.channel) && connection.from <= happened_at);
    }

    /// Whether a person has a channel connected that a request of this time concerns.
    pub(crate) fn has_connected(&self, person: usize, asked_at: Timestamp) -> bool {
        self.connections.iter().any(|connection| connection.is_concerned(person, asked_at) && connection.to.is_none())
    }

    /// The events that a request of this time concerns: those that came by then, or until the channel was removed, while the
    /// person had it connected.
    pub(crate) fn events_of(&self, person: usize, asked_at: Timestamp, now: Timestamp) -> Vec<usize> {
        let concerned: Vec<&Connection> =
            self.connections.iter().filter(|connection| connection.is_concerned(person, asked_at)).collect();
        let is_of = |event: &Event, connection: &Connection| {
            let until = connection.to.map_or(now, |to| to.min(asked_at));
            connection.channel == event.channel && (connection.from..=until).contains(&event.received_at)
        };
        let indexes = 0..self.events.len();
        indexes.filter(|index| concerned.iter().any(|connection| is_of(&self.events[*index], connection))).collect()
    }

    pub(crate) fn delete(&mut self, person: usize, asked_at: Timestamp, now: Timestamp) {
        for index in self.events_of(person, asked_at, now) {
            self.events[index].is_erased = true;
        }
        for connection in self.connections.iter().filter(|connection| connection.is_concerned(person, asked_at)) {
            let is_last = self.last(connection.channel).is_some_and(|last| last.from == connection.from);
            self.is_erased[connection.channel] |= is_last;
        }
        self.end(now, |connection| connection.is_concerned(person, asked_at));
    }

    pub(crate) fn has_ever_connected(&self, person: usize) -> bool {
        self.connections.iter().any(|connection| connection.person == Some(person))
    }

    pub(crate) fn erase_channel(&mut self, channel: usize, now: Timestamp) {
        self.events.iter_mut().filter(|event| event.channel == channel).for_each(|event| event.is_erased = true);
        self.end(now, |connection| connection.channel == channel);
        self.is_erased[channel] = true;
    }

    pub(crate) fn erase_contact(&mut self, channel: usize, contact: usize) {
        let events = self.events.iter_mut().filter(|event| event.channel == channel && event.contact == contact);
        events.for_each(|event| event.is_erased = true);
    }

    /// A backup has the records and the tombstones, and no markers of deliveries.
    pub(crate) fn restore(&mut self) {
        self.events.iter_mut().for_each(|event| event.is_delivered = false);
    }

    pub(crate) fn expected(&self, event: &Event) -> Expected {
        let is_held = event.channel != ACCOUNT && self.held.contains(&[event.channel, event.contact]);
        let (connected_at, was_connected) = if event.channel == ACCOUNT {
            let is_open = NUMBERS.iter().any(|number| self.open(*number).is_some());
            (self.account_at.filter(|_| is_open), self.account_at.is_some())
        } else {
            (self.open(event.channel).map(|open| open.from), self.last(event.channel).is_some())
        };
        match connected_at {
            _ if event.is_erased => Expected::Erased,
            Some(from) if from > event.received_at => Expected::AnyButUnknown,
            Some(_) if event.is_delivered => Expected::Delivered,
            Some(_) if is_held => Expected::Held,
            Some(_) => Expected::Delivery,
            None if was_connected => Expected::NoDelivery,
            None => Expected::Unknown,
        }
    }

    pub(crate) fn stored(&self, channel: usize) -> Stored {
        match self.last(channel) {
            Some(last) if last.to.is_none() => Stored::Record,
            Some(_) if !self.is_erased[channel] => Stored::Tombstone,
            Some(_) | None => Stored::Nothing,
        }
    }

    fn last(&self, channel: usize) -> Option<&Connection> {
        self.connections.iter().rev().find(|connection| connection.channel == channel)
    }

    fn open(&self, channel: usize) -> Option<&Connection> {
        self.last(channel).filter(|connection| connection.to.is_none())
    }

    fn end(&mut self, now: Timestamp, is_concerned: impl Fn(&Connection) -> bool) {
        let open = self.connections.iter_mut().filter(|connection| connection.to.is_none());
        open.filter(|connection| is_concerned(connection)).for_each(|connection| connection.to = Some(now));
    }
}
