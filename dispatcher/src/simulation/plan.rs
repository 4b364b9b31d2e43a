//! Draws the plan of a simulation: who there is, which events come when, and what goes wrong.

use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use channels::Limits;

use super::chance::{millis, one_in, pick};
use super::faults::{Fault, Misfit, Numbers, Trouble, What};
use crate::room::Space;

/// What a seed decides beforehand. The rest is drawn on the way.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) classes: usize,
    /// Of each class.
    pub(super) partitions: usize,
    /// Places of dispatchers.
    pub(super) places: usize,
    /// Whether the queue hands a partition to the dispatcher that it prefers, as RabbitMQ does since 4.0.
    pub(super) has_preference: bool,
    pub(super) window: u16,
    pub(super) space: Space,
    pub(super) hold_time: Duration,
    /// How often every message was given back before.
    pub(super) deliveries: u32,
    pub(super) customers: Vec<Customer>,
    /// The customer of each channel.
    pub(super) channels: Vec<usize>,
    pub(super) lanes: Vec<LanePlan>,
    /// In the order in which they are published.
    pub(super) events: Vec<EventPlan>,
    /// Meta's repeats of events.
    pub(super) repeats: Vec<Repeat>,
    pub(super) faults: Vec<Fault>,
    /// Nothing goes wrong any more, and nothing new comes.
    pub(super) calm_from: Duration,
}

#[derive(Debug)]
pub(super) struct Customer {
    pub(super) origin: usize,
    pub(super) limits: Limits,
}

#[derive(Debug)]
pub(super) struct LanePlan {
    pub(super) channel: usize,
    pub(super) class: usize,
    pub(super) partition: usize,
}

#[derive(Debug)]
pub(super) struct EventPlan {
    pub(super) at: Duration,
    pub(super) lane: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) struct Repeat {
    pub(super) at: Duration,
    pub(super) event: usize,
}

/// What is special about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// DSK answers 400.
    Rejected,
    /// DSK always answers 500.
    Indigestible,
    /// Its attempt panics.
    Panicking,
    Unrecognized,
    Undecodable,
}

impl Plan {
    pub(super) fn draw() -> Self {
        let classes = fastrand::usize(1..3);
        let partitions = fastrand::usize(1..4);
        let places = pick(&[1, 1, 2, 3]);
        let of_partition = fastrand::usize(4..13);
        let mut plan = Self {
            classes,
            partitions,
            places,
            has_preference: fastrand::bool(),
            window: fastrand::u16(3..17),
            space: Space { of_partition, envelopes: fastrand::usize(of_partition..30), bytes: pick(&[1_200, 100_000]) },
            hold_time: pick(&[Duration::from_secs(45), Duration::from_mins(3), Duration::from_mins(25)]),
            deliveries: if one_in(6) { 945 } else { 0 },
            customers: customers(),
            channels: Vec::new(),
            lanes: Vec::new(),
            events: Vec::new(),
            repeats: Vec::new(),
            faults: Vec::new(),
            calm_from: Duration::ZERO,
        };
        plan.draw_lanes();
        plan.draw_events();
        plan.draw_faults();
        plan.digest_what_would_wait_for_days();
        let faults = plan.faults.iter().map(|fault| fault.until);
        let repeats = plan.repeats.iter().map(|repeat| repeat.at);
        let events = plan.events.iter().map(|event| event.at);
        plan.calm_from = faults.chain(repeats).chain(events).max().unwrap_or_default();
        plan
    }

    fn draw_lanes(&mut self) {
        for customer in 0..self.customers.len() {
            for _ in 0..fastrand::usize(1..3) {
                let channel = self.channels.len();
                self.channels.push(customer);
                for _ in 0..fastrand::usize(1..4) {
                    let class = fastrand::usize(0..self.classes);
                    let partition = fastrand::usize(0..self.partitions);
                    self.lanes.push(LanePlan { channel, class, partition });
                }
            }
        }
    }

    /// Many events are of one customer, and they come in bursts.
    fn draw_events(&mut self) {
        let bursts: Vec<Duration> = (0..fastrand::usize(1..4)).map(|_| millis(0..20_000)).collect();
        let crowd = fastrand::usize(0..self.customers.len());
        let crowded: Vec<usize> =
            (0..self.lanes.len()).filter(|lane| self.channels[self.lanes[*lane].channel] == crowd).collect();
        for _ in 0..fastrand::usize(5..50) {
            let lane = if one_in(2) { pick(&crowded) } else { fastrand::usize(0..self.lanes.len()) };
            let at = pick(&bursts) + millis(0..pick(&[20, 3_000]));
            self.events.push(EventPlan { at, lane, kind: Kind::any() });
        }
        self.events.sort_by_key(|event| event.at);
        for event in 0..self.events.len() {
            if one_in(30) {
                let at = self.events[event].at + millis(1..60_000);
                self.repeats.push(Repeat { at, event });
            }
        }
    }

    fn draw_faults(&mut self) {
        let numbers = Numbers {
            origins: self.customers.iter().map(|customer| customer.origin).max().unwrap_or_default() + 1,
            customers: self.customers.len(),
            channels: self.channels.len(),
            lanes: self.lanes.len(),
            places: self.places,
            classes: self.classes,
        };
        self.faults.extend((0..fastrand::usize(0..4)).map(|_| Fault::of_dsk(numbers)));
        if !one_in(4) {
            self.faults.extend((0..fastrand::usize(0..5)).map(|_| Fault::of_ours(numbers)));
            if self.places > 1 && one_in(2) {
                let place = self.places - 1;
                self.faults.push(Fault {
                    from: Duration::ZERO,
                    until: millis(1..30_000),
                    what: What::Absence { place },
                });
            }
        }
    }

    /// What is unavailable or refuses us is probed for days, if the only event to probe it with is one that DSK never takes.
    fn digest_what_would_wait_for_days(&mut self) {
        let indigestible = (0..self.events.len()).filter(|event| self.events[*event].kind == Kind::Indigestible);
        let may_wait = |event: &usize| {
            let channel = self.lanes[self.events[*event].lane].channel;
            let origin = self.customers[self.channels[channel]].origin;
            let is_of_origin = |customer: usize| self.customers[customer].origin == origin;
            self.faults.iter().any(|fault| {
                matches!(fault.what, What::Channel(other, _) if other == channel)
                    || matches!(fault.what, What::Origin(other, trouble) if other == origin && trouble.opens_breaker())
                    || matches!(fault.what, What::Customer(other, trouble) if is_of_origin(other) && trouble.opens_breaker())
            })
        };
        let waiting: Vec<usize> = indigestible.filter(may_wait).collect();
        waiting.into_iter().for_each(|event| self.events[event].kind = Kind::Plain);
    }

    /// The queue of a partition, by its number among those of all classes.
    pub(super) fn queue(&self, class: usize, partition: usize) -> usize {
        class * self.partitions + partition
    }

    /// The queues of a class.
    pub(super) fn queues(&self, class: usize) -> Range<usize> {
        class * self.partitions..(class + 1) * self.partitions
    }

    pub(super) fn customer_of(&self, lane: usize) -> usize {
        self.channels[self.lanes[lane].channel]
    }

    /// What goes wrong at this time.
    pub(super) fn faults_at(&self, time: Duration) -> impl Iterator<Item = What> {
        self.faults.iter().filter(move |fault| fault.from <= time && time < fault.until).map(|fault| fault.what)
    }

    /// Whether the dispatcher in this place can't reach the store.
    pub(super) fn is_store_away(&self, place: usize, time: Duration) -> bool {
        self.faults_at(time)
            .any(|what| matches!(what, What::StoreAway(other) if other.is_none_or(|other| other == place)))
    }

    /// Whether no copy of the dispatcher in this place is confirmed.
    pub(super) fn lacks_confirms(&self, place: usize, time: Duration) -> bool {
        self.faults_at(time)
            .any(|what| matches!(what, What::NoConfirms(other) if other.is_none_or(|other| other == place)))
    }

    /// What is wrong with a channel.
    pub(super) fn misfit(&self, channel: usize, time: Duration) -> Option<Misfit> {
        self.faults_at(time).find_map(|what| {
            if let What::Channel(other, misfit) = what { (other == channel).then_some(misfit) } else { None }
        })
    }

    /// How DSK fails a customer.
    pub(super) fn trouble(&self, customer: usize, time: Duration) -> Option<Trouble> {
        let origin = self.customers[customer].origin;
        self.faults_at(time).find_map(|what| {
            if let What::Origin(other, trouble) = what {
                (other == origin).then_some(trouble)
            } else if let What::Customer(other, trouble) = what {
                (other == customer).then_some(trouble)
            } else {
                None
            }
        })
    }

    /// Whether nothing ever goes wrong for a customer, nor for the service, though it may for other customers.
    pub(super) fn is_untroubled(&self, customer: usize) -> bool {
        let origin = self.customers[customer].origin;
        let is_elsewhere = |what: What| {
            matches!(what, What::Origin(other, _) if other != origin)
                || matches!(what, What::Customer(other, _) if other != customer)
                || matches!(what, What::Channel(channel, _) if self.channels[channel] != customer)
        };
        let is_indigestible =
            |event: &EventPlan| event.kind == Kind::Indigestible && self.customer_of(event.lane) == customer;
        let is_unlimited = self.customers[customer].limits == Limits::default();
        is_unlimited
            && !self.events.iter().any(is_indigestible)
            && self.faults.iter().all(|fault| is_elsewhere(fault.what))
    }

    /// Whether another customer of its origin has trouble.
    pub(super) fn has_troubled_neighbour(&self, customer: usize) -> bool {
        let origin = self.customers[customer].origin;
        let is_neighbour =
            |what: What| matches!(what, What::Customer(other, _) if self.customers[other].origin == origin);
        self.faults.iter().any(|fault| is_neighbour(fault.what))
    }
}

fn customers() -> Vec<Customer> {
    let limit = |bound: u32| one_in(6).then(|| NonZeroU32::MIN.saturating_add(fastrand::u32(0..bound)));
    (0..fastrand::usize(2..5))
        .map(|index| Customer {
            origin: if fastrand::bool() { 0 } else { index },
            limits: Limits { requests_at_once: limit(3), requests_per_second: limit(10) },
        })
        .collect()
}

impl Kind {
    fn any() -> Self {
        match fastrand::u32(0..200) {
            0..=3 => Self::Rejected,
            4 => Self::Indigestible,
            5 => Self::Panicking,
            6 => Self::Unrecognized,
            7 => Self::Undecodable,
            _ => Self::Plain,
        }
    }
}
