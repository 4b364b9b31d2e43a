//! What can go wrong in a simulation, and for how long.

use std::time::Duration;

use super::chance::{millis, one_in, pick};

/// Something that goes wrong.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) from: Duration,
    /// Until when. A dispatcher that ended is replaced then.
    pub(super) until: Duration,
    pub(super) what: What,
}

/// Customers, channels, lanes and the places of dispatchers are given by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Every request to this origin fails.
    Origin(usize, Trouble),
    /// Every request of this customer fails.
    Customer(usize, Trouble),
    /// Every event of this channel fails.
    Channel(usize, Misfit),
    /// The store can't be reached, by the dispatcher in this place or by any.
    StoreAway(Option<usize>),
    StoreSlow,
    /// No copy is confirmed, of the dispatcher in this place or of any.
    NoConfirms(Option<usize>),
    /// Connections to the queue break.
    Loss {
        place: usize,
        class: usize,
    },
    /// A dispatcher dies. The queue notices at once, or only later.
    Kill {
        place: usize,
        is_noticed: bool,
    },
    Stop {
        place: usize,
    },
    /// There is no dispatcher in this place yet.
    Absence {
        place: usize,
    },
    /// The person of this lane is erased.
    Erasure(usize),
    /// The person of this lane is held.
    Restriction(usize),
    Disconnection(usize),
    /// The store loses which events were delivered.
    LostMarkers,
}

/// How DSK fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no connection.
    Refuses,
    /// There is no answer in time.
    Hangs {
        /// DSK stores the event all the same.
        is_stored: bool,
    },
    Unavailable,
    /// It answers 429, with this `Retry-After`.
    Throttles(Option<u64>),
    /// It answers 503, with this `Retry-After`.
    Postpones(u64),
    /// It takes nearly as long as an attempt may take.
    Slow,
    /// It fails half of the time.
    Flaky,
}

/// What is wrong with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// DSK refuses its token, until its record changes.
    Refused,
    /// DSK refuses its token, until DSK changes its mind.
    RefusedForAWhile,
    Unopenable,
    Damaged,
    /// It is not stored yet.
    Unknown,
}

/// How many of everything there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) origins: usize,
    pub(super) customers: usize,
    pub(super) channels: usize,
    pub(super) lanes: usize,
    pub(super) places: usize,
    pub(super) classes: usize,
}

impl Fault {
    /// Something that goes wrong at DSK, whose trouble may concern one customer or an origin.
    pub(super) fn of_dsk(numbers: Numbers) -> Self {
        let what = match fastrand::u32(0..8) {
            0..=2 => What::Origin(fastrand::usize(0..numbers.origins), Trouble::any()),
            3..=5 => What::Customer(fastrand::usize(0..numbers.customers), Trouble::any()),
            _ => What::Channel(fastrand::usize(0..numbers.channels), Misfit::any()),
        };
        Self::lasting(what)
    }

    /// Something that goes wrong between the queue and DSK.
    pub(super) fn of_ours(numbers: Numbers) -> Self {
        let place = fastrand::usize(0..numbers.places);
        let some_place = fastrand::bool().then_some(place);
        let what = match fastrand::u32(0..20) {
            0..=3 => What::StoreAway(some_place),
            4 => What::StoreSlow,
            5..=6 => What::NoConfirms(some_place),
            7..=10 => What::Loss { place, class: fastrand::usize(0..numbers.classes) },
            11..=13 => What::Kill { place, is_noticed: fastrand::bool() },
            14..=15 => What::Stop { place },
            16 => What::Erasure(fastrand::usize(0..numbers.lanes)),
            17 => What::Restriction(fastrand::usize(0..numbers.lanes)),
            18 => What::Disconnection(fastrand::usize(0..numbers.channels)),
            _ => What::LostMarkers,
        };
        Self::lasting(what)
    }

    fn lasting(what: What) -> Self {
        let from = if one_in(4) { Duration::ZERO } else { millis(0..30_000) };
        let time = match fastrand::u32(0..8) {
            0..=2 => millis(100..4_000),
            3..=5 => millis(4_000..60_000),
            6 => millis(60_000..200_000),
            _ if one_in(3) => millis(200_000..700_000),
            _ => millis(100..1_000),
        };
        Self { from, until: from + time, what }
    }
}

impl Trouble {
    pub(super) fn opens_breaker(self) -> bool {
        match self {
            Self::Refuses | Self::Hangs { .. } | Self::Unavailable | Self::Flaky => true,
            Self::Throttles(_) | Self::Postpones(_) | Self::Slow => false,
        }
    }

    fn any() -> Self {
        pick(&[
            Self::Refuses,
            Self::Hangs { is_stored: fastrand::bool() },
            Self::Unavailable,
            Self::Throttles(None),
            Self::Throttles(Some(pick(&[0, 1, 5, 25, 31, 120, 900]))),
            Self::Postpones(pick(&[1, 20, 90])),
            Self::Slow,
            Self::Flaky,
        ])
    }
}

impl Misfit {
    fn any() -> Self {
        pick(&[Self::Refused, Self::RefusedForAWhile, Self::Unopenable, Self::Damaged, Self::Unknown])
    }
}
