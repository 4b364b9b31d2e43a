//! What is paused, and who may probe it: the breaker of an origin, a destination that asked for a pause, a channel that
//! is misconfigured. Pure: time and chance are arguments.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use channels::Route;
use chassis::Backoff;
use event::{Address, EventId};
use queue::Tier;
use tokio::time::Instant;

use crate::{Cause, Destination, Remedy};

/// Different events in a row that found an origin unavailable before its breaker opens. A few events that DSK can't
/// digest are not an outage.
const RUN_EVENTS: usize = 5;
/// How long such a run must last: a hiccup is met by the retries in place.
const RUN_TIME: Duration = Duration::from_millis(300);
/// Delays between two probes of an origin.
const PROBES: Backoff = Backoff { base: Duration::from_millis(500), ceiling: Duration::from_secs(5) };
/// Pauses of a destination that throttles without saying for how long.
const THROTTLES: Backoff = Backoff { base: Duration::from_secs(1), ceiling: Duration::from_secs(30) };
/// Between two probes of a channel that is misconfigured.
const MISCONFIGURED: Duration = Duration::from_mins(1);
/// How often the record of such a channel is read: a change is tried at once. What needs no request to be known (a
/// token that opens with no key) is tried as often.
const RECORD_PERIOD: Duration = Duration::from_secs(1);
/// Looks at a pause that somebody else is probing, should its end be missed.
const PROBED_PERIOD: Duration = Duration::from_secs(1);
/// The longest pause waited out in hand; for a longer one there are the retry queues.
pub(crate) const IN_HAND_MAX: Duration = Duration::from_secs(30);
/// The longest pause that DSK can ask for.
pub(crate) const PAUSE_MAX: Duration = Duration::from_hours(1);
/// How long a pause is kept that nobody probes. Those who made room come back within 10 minutes.
const UNASKED_FOR: Duration = Duration::from_mins(15);
/// How long a good answer is remembered.
const WELL_FOR: Duration = Duration::from_hours(1);

/// A DSK customer at an address: what asks for pauses as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    /// The DSK customer.
    pub tenant: Arc<str>,
    /// Where its events go.
    pub url: Arc<str>,
}

/// Whom an attempt concerns, and with what.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it goes; its origin (scheme, host and port) has the breaker.
    pub destination: Destination,
    /// Tenant and URL.
    pub party: Party,
    /// The channel.
    pub address: Address,
    /// Its record as it was read for this attempt.
    pub route: Arc<Route>,
}

/// What is paused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// An origin is unavailable: its breaker is open.
    Origin(Arc<str>),
    /// A destination asked for a pause.
    Destination(Party),
    /// A channel's credentials or address are wrong.
    Channel(Address),
}

impl Scope {
    /// Every label that [`Self::reason`] gives.
    pub const REASONS: [&str; 3] = ["unavailable", "throttled", "misconfigured"];

    /// As a metric label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Origin(_) => "unavailable",
            Self::Destination(_) => "throttled",
            Self::Channel(_) => "misconfigured",
        }
    }
}

/// Whether an attempt may be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes; its outcome must be told to [`Pauses::ended`].
    Go {
        /// It is the one that finds out whether a pause is over.
        is_probe: bool,
    },
    /// No; ask again then, or as soon as something has changed.
    Wait(Instant),
    /// No, and not for so long that it should not be waited for in hand.
    Park(Tier),
}

#[derive(Clone, Debug)]
struct Pause {
    probe_at: Instant,
    is_probed: bool,
    failures: u32,
    /// Of a channel: the record that did not work.
    route: Option<Arc<Route>>,
}

/// Events in a row that found an origin unavailable.
#[derive(Clone, Debug)]
struct Run {
    since: Instant,
    events: HashSet<EventId>,
}

/// All that is paused. Only what fails takes memory, and what is well again is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    paused: HashMap<Scope, Pause>,
    /// Origins that may be unavailable.
    runs: HashMap<Scope, Run>,
    well: HashMap<Party, Instant>,
}

impl Pauses {
    /// Asks for an attempt. A record that has changed since its channel was paused ends that pause.
    pub fn admit(&mut self, target: &Target, now: Instant) -> Admission {
        if self.paused.is_empty() {
            return Admission::Go { is_probe: false };
        }
        let channel = Scope::Channel(target.address.clone());
        if self.paused.get(&channel).is_some_and(|pause| pause.route.as_ref() != Some(&target.route)) {
            self.paused.remove(&channel);
        }
        let scopes = scopes(target);
        let waits = scopes.iter().filter_map(|scope| self.paused.get(scope)?.wait(scope, now));
        if let Some(until) = waits.max() {
            let pause = until.saturating_duration_since(now);
            return if pause > IN_HAND_MAX {
                Admission::Park(Tier::not_shorter_than(pause))
            } else {
                Admission::Wait(until)
            };
        }
        let mut is_probe = false;
        for scope in &scopes {
            if let Some(pause) = self.paused.get_mut(scope) {
                (pause.is_probed, is_probe) = (true, true);
            }
        }
        Admission::Go { is_probe }
    }

    /// Takes note of how an attempt ended. `true` when somebody who waits should ask again.
    pub fn ended(
        &mut self,
        (target, is_probe): (&Target, bool),
        (id, cause): (&EventId, &Cause),
        (now, dice): (Instant, f64),
    ) -> bool {
        let [origin, destination, channel] = scopes(target);
        let remedy = cause.remedy();
        if remedy == Remedy::Delivered {
            self.well.insert(target.party.clone(), now);
        } else {
            self.well.remove(&target.party);
        }
        if remedy != Remedy::Retry && cause.is_attempt() {
            self.runs.remove(&origin);
        }
        match remedy {
            Remedy::Delivered | Remedy::DeadLetter(_) => self.reopen([&origin, &destination, &channel]),
            Remedy::Retry => {
                self.unavailable(origin, (id, is_probe), (now, dice));
                is_probe && self.unprobe([&destination, &channel])
            }
            Remedy::Wait(pause) => {
                let failures = self.paused.get(&destination).map_or(0, |pause| pause.failures) + 1;
                let pause = pause.filter(|pause| !pause.is_zero()).unwrap_or_else(|| THROTTLES.delay(failures, dice));
                self.paused.insert(destination, Pause { failures, ..Pause::until(now + pause.min(PAUSE_MAX)) });
                self.reopen([&origin]) | (is_probe && self.unprobe([&channel]))
            }
            Remedy::Mend | Remedy::Await => {
                let wait = if cause.is_attempt() { MISCONFIGURED } else { RECORD_PERIOD };
                let route = Some(target.route.clone());
                self.paused.insert(channel, Pause { route, ..Pause::until(now + wait) });
                if cause.is_attempt() {
                    return self.reopen([&origin, &destination]);
                }
                is_probe && self.unprobe([&origin, &destination])
            }
        }
    }

    /// An admitted attempt told nothing: it was interrupted.
    pub fn abandoned(&mut self, target: &Target) -> bool {
        let [origin, destination, channel] = scopes(target);
        self.unprobe([&origin, &destination, &channel])
    }

    /// Whether anything that this attempt needs is paused.
    pub fn is_paused(&self, target: &Target) -> bool {
        !self.paused.is_empty() && scopes(target).iter().any(|scope| self.paused.contains_key(scope))
    }

    /// Whether there is a destination whose last answer was good and came this lately.
    pub fn is_anyone_well(&mut self, now: Instant, lately: Duration) -> bool {
        self.well.retain(|_, at| now.saturating_duration_since(*at) < WELL_FOR);
        self.well.values().any(|at| now.saturating_duration_since(*at) < lately)
    }

    /// How many are paused.
    pub fn count(&self) -> usize {
        self.paused.len()
    }

    /// Forgets what nobody waits for: its channel was removed, or goes elsewhere now. Whoever waits, probes.
    pub fn forget_unasked(&mut self, now: Instant) {
        self.paused.retain(|_, pause| pause.is_probed || now < pause.probe_at + UNASKED_FOR);
    }

    /// What is paused now.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.paused.keys()
    }

    fn unavailable(&mut self, scope: Scope, (id, is_probe): (&EventId, bool), (now, dice): (Instant, f64)) {
        if let Some(pause) = self.paused.get_mut(&scope) {
            // Another attempt than the probe began before the breaker opened: it says nothing new.
            if is_probe {
                pause.failures += 1;
                (pause.probe_at, pause.is_probed) = (now + PROBES.delay(pause.failures, dice), false);
            }
            return;
        }
        let run = self.runs.entry(scope.clone()).or_insert_with(|| Run { since: now, events: HashSet::new() });
        if run.events.len() < RUN_EVENTS {
            run.events.insert(id.clone());
        }
        if run.events.len() == RUN_EVENTS && now.saturating_duration_since(run.since) >= RUN_TIME {
            self.runs.remove(&scope);
            self.paused.insert(scope, Pause::until(now + PROBES.delay(1, dice)));
        }
    }

    fn reopen<'s>(&mut self, scopes: impl IntoIterator<Item = &'s Scope>) -> bool {
        let before = self.paused.len();
        scopes.into_iter().for_each(|scope| _ = self.paused.remove(scope));
        self.paused.len() < before
    }

    fn unprobe<'s>(&mut self, scopes: impl IntoIterator<Item = &'s Scope>) -> bool {
        let mut changed = false;
        for scope in scopes {
            if let Some(pause) = self.paused.get_mut(scope) {
                changed |= std::mem::take(&mut pause.is_probed);
            }
        }
        changed
    }
}

impl Pause {
    fn until(probe_at: Instant) -> Self {
        Self { probe_at, is_probed: false, failures: 1, route: None }
    }

    /// Until when to wait; `None` when a probe may be made.
    fn wait(&self, scope: &Scope, now: Instant) -> Option<Instant> {
        if self.is_probed {
            return Some(now + PROBED_PERIOD);
        }
        let until = match scope {
            Scope::Channel(_) => self.probe_at.min(now + RECORD_PERIOD),
            Scope::Origin(_) | Scope::Destination(_) => self.probe_at,
        };
        (self.probe_at > now).then_some(until)
    }
}

fn scopes(target: &Target) -> [Scope; 3] {
    [
        Scope::Origin(target.destination.origin()),
        Scope::Destination(target.party.clone()),
        Scope::Channel(target.address.clone()),
    ]
}

#[cfg(test)]
mod tests;
