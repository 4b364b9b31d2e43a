//! Knows what is paused, and admits attempts: the circuit breaker of an origin, a destination that asked for a pause, a
//! misconfigured channel. Pure: time and chance are arguments.

mod pause;
mod scope;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chassis::Backoff;
use event::EventId;
use queue::Tier;
use tokio::time::Instant;

use crate::destination::Target;
use crate::remedy::{Outcome, Remedy};
pub(crate) use pause::Paused;
use pause::{PROBES, Pause, RECORD_PERIOD};
use scope::Scopes;
pub(crate) use scope::{Obstacle, PauseReason, Scope};

/// How many different events in a row have to find an origin unavailable before its breaker opens. A few events that
/// DSK can't digest are not an outage.
const RUN_EVENTS: usize = 5;
/// How long such a run has to last. Retries in place are enough for anything shorter.
const RUN_TIME: Duration = Duration::from_millis(300);
/// Pauses of a destination that throttles without saying for how long.
const THROTTLES: Backoff = Backoff { base: Duration::from_secs(1), ceiling: Duration::from_secs(30) };
/// The time between two probes of a misconfigured channel.
const MISCONFIGURED: Duration = Duration::from_mins(1);
/// The longest pause that is waited out in flight. There are retry queues for longer ones.
pub(crate) const WAIT_IN_FLIGHT_MAX: Duration = Duration::from_secs(30);
/// The longest pause that DSK can ask for.
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// How long a pause is kept that no attempt probes. Deferred events come back within 10 minutes.
const UNPROBED_FOR: Duration = Duration::from_mins(15);
/// How long after a lane was woken to probe a pause the next one is woken, in case the first needs no attempt.
const WAKE_PERIOD: Duration = Duration::from_millis(100);

/// Entitles its holder to one attempt. It is used up by [`Pauses::ended`] or [`Pauses::abandoned`].
#[derive(Debug)]
#[must_use = "until its attempt has ended or was abandoned, a probe keeps all others waiting"]
pub(crate) struct Permit {
    target: Target,
    /// The attempt finds out whether a pause is over.
    is_probe: bool,
}

impl Permit {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

/// Whether an attempt may be made now.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Yes.
    Go(Permit),
    /// No. Ask again at this time, or when the obstacle is gone.
    Wait { obstacle: Obstacle, until: Instant },
    /// No, and not for a time that is too long to be waited out in flight.
    Defer(Tier),
}

/// Which of the lanes that wait for an obstacle may ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wake {
    /// How many of them.
    pub(crate) lanes: usize,
    /// When the others may be woken.
    pub(crate) again_at: Instant,
}

/// What the end of an attempt means for the events that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consequence {
    /// A pause or a probe has ended: events that wait for one should ask again.
    pub(crate) has_reopened: bool,
    /// The attempt's own target is paused now.
    pub(crate) is_paused: bool,
}

/// Events in a row that found an origin unavailable.
#[derive(Clone, Debug)]
struct Run {
    since: Instant,
    events: HashSet<EventId>,
}

/// Everything that is paused. Only failures take memory, and they are removed once their target is healthy again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses {
    paused: HashMap<Scope, Pause>,
    /// Origins that may be unavailable.
    runs: HashMap<Scope, Run>,
}

impl Pauses {
    /// Asks for an attempt. If a channel's record has changed since the channel was paused, that pause ends.
    pub(crate) fn admit(&mut self, target: Target, now: Instant) -> Admission {
        if self.paused.is_empty() {
            return Admission::Go(Permit { target, is_probe: false });
        }
        let scopes = Scopes::of(&target);
        match self.paused.get_mut(&scopes.channel) {
            Some(pause) if pause.route.as_ref() == Some(&target.route) => pause.read_at = now,
            Some(_) => _ = self.paused.remove(&scopes.channel),
            None => {}
        }
        if let Some(wait) = self.longest_wait(&scopes, now) {
            return wait;
        }
        let mut is_probe = false;
        for scope in scopes.all() {
            if let Some(pause) = self.paused.get_mut(scope) {
                pause.is_probed = true;
                is_probe = true;
            }
        }
        Admission::Go(Permit { target, is_probe })
    }

    /// Takes note of how the attempt of event `id` ended; `dice` lies in `[0, 1)`.
    pub(crate) fn ended(
        &mut self,
        permit: Permit,
        id: &EventId,
        outcome: &Outcome,
        now: Instant,
        dice: f64,
    ) -> Consequence {
        let Permit { target, is_probe } = permit;
        let scopes = Scopes::of(&target);
        let Scopes { origin, destination, channel } = &scopes;
        let remedy = outcome.remedy();
        if remedy != Some(Remedy::Retry) && outcome.is_attempt() {
            self.runs.remove(origin);
        }
        let has_reopened = match remedy {
            None | Some(Remedy::DeadLetter(_)) => self.reopen(scopes.all()),
            Some(Remedy::Retry) => {
                match self.paused.get_mut(origin) {
                    Some(pause) if is_probe => pause.probe_failed(now, dice),
                    // The attempt began before the breaker opened: it says nothing new.
                    Some(_) => {}
                    None => self.suspect(origin, id, now, dice),
                }
                is_probe && self.leave_to_breaker(&scopes, now)
            }
            Some(Remedy::Wait(pause)) => {
                let failures = self.paused.get(destination).map_or(0, |pause| pause.failures) + 1;
                let pause = pause.filter(|pause| !pause.is_zero()).unwrap_or_else(|| THROTTLES.delay(failures, dice));
                let pause = Pause { failures, ..Pause::new(now, pause.min(PAUSE_MAX)) };
                self.pause(destination, pause);
                self.reopen([origin]) | (is_probe && self.end_probes([channel]))
            }
            Some(Remedy::Mend | Remedy::Await) => {
                let wait = if outcome.is_attempt() { MISCONFIGURED } else { RECORD_PERIOD };
                let pause = Pause { route: Some(target.route), ..Pause::new(now, wait) };
                self.pause(channel, pause);
                if outcome.is_attempt() {
                    self.reopen([origin, destination])
                } else {
                    is_probe && self.end_probes([origin, destination])
                }
            }
        };
        let is_paused = scopes.all().into_iter().any(|scope| self.paused.contains_key(scope));
        Consequence { has_reopened, is_paused }
    }

    /// Takes note that an admitted attempt ended without an outcome. `true` if it was a probe: events that wait should
    /// ask again.
    pub(crate) fn abandoned(&mut self, permit: Permit) -> bool {
        permit.is_probe && self.end_probes(Scopes::of(&permit.target).all())
    }

    /// Which of the lanes that wait for this scope may ask again: all once it is not paused any more, and one when it is
    /// time for a probe or for another look at a channel's record.
    pub(crate) fn wake(&self, scope: &Scope, now: Instant) -> Wake {
        let Some(pause) = self.paused.get(scope) else { return Wake { lanes: usize::MAX, again_at: now } };
        match pause.wait(scope, now).filter(|until| *until > now) {
            None => Wake { lanes: 1, again_at: now + WAKE_PERIOD },
            Some(until) => Wake { lanes: 0, again_at: until },
        }
    }

    /// Removes pauses that no attempt has probed for a long time: nothing waits for them, because their channel was
    /// removed or has another URL now. `true` if there were any.
    pub(crate) fn remove_unprobed(&mut self, now: Instant) -> bool {
        let before = self.paused.len();
        self.paused.retain(|_, pause| pause.is_probed || now < pause.probe_at + UNPROBED_FOR);
        self.paused.len() < before
    }

    /// What is paused now.
    pub(crate) fn scopes(&self) -> impl ExactSizeIterator<Item = &Scope> {
        self.paused.keys()
    }

    /// What is paused now, for how long and until when.
    pub(crate) fn list(&self, now: Instant) -> Vec<Paused> {
        self.paused.iter().map(|(scope, pause)| pause.describe(scope, now)).collect()
    }

    pub(crate) fn is_paused(&self, scope: &Scope) -> bool {
        self.paused.contains_key(scope)
    }

    /// The longest of the pauses that stop an attempt.
    fn longest_wait(&self, scopes: &Scopes, now: Instant) -> Option<Admission> {
        let mut longest: Option<Longest> = None;
        for scope in scopes.all() {
            let until = self.paused.get(scope).and_then(|pause| pause.wait(scope, now));
            if let Some(until) = until.filter(|until| longest.as_ref().is_none_or(|longest| *until > longest.until)) {
                longest = Some(Longest { scope: scope.clone(), until });
            }
        }
        let Longest { scope, until } = longest?;
        let pause = until.saturating_duration_since(now);
        Some(if pause > WAIT_IN_FLIGHT_MAX {
            Admission::Defer(Tier::not_shorter_than(pause))
        } else {
            Admission::Wait { obstacle: Obstacle::Pause(scope), until }
        })
    }

    /// Opens the breaker of an origin when enough different events in a row have found it unavailable.
    fn suspect(&mut self, origin: &Scope, id: &EventId, now: Instant, dice: f64) {
        let run = self.runs.entry(origin.clone()).or_insert_with(|| Run { since: now, events: HashSet::new() });
        if run.events.len() < RUN_EVENTS {
            run.events.insert(id.clone());
        }
        if run.events.len() == RUN_EVENTS && now.saturating_duration_since(run.since) >= RUN_TIME {
            self.runs.remove(origin);
            self.pause(origin, Pause::new(now, PROBES.delay(1, dice)));
        }
    }

    /// A probe found its target unavailable. If the pause that DSK had asked for is over, it asks for no other one, and what is
    /// wrong now is the breaker's concern: one event that DSK can't digest must not keep a destination paused. A channel is
    /// probed again as late as after a refusal. `true` if something was reopened or is not probed any more.
    fn leave_to_breaker(&mut self, scopes: &Scopes, now: Instant) -> bool {
        let Scopes { destination, channel, .. } = scopes;
        let has_ended = self.end_probes([destination, channel]);
        if let Some(pause) = self.paused.get_mut(channel) {
            pause.probe_at = pause.probe_at.max(now + MISCONFIGURED);
        }
        let is_over = self.paused.get(destination).is_some_and(|pause| pause.probe_at <= now);
        has_ended | (is_over && self.reopen([destination]))
    }

    /// Pauses, or goes on pausing: since when does not change then.
    fn pause(&mut self, scope: &Scope, pause: Pause) {
        let since = self.paused.get(scope).map_or(pause.since, |before| before.since);
        self.paused.insert(scope.clone(), Pause { since, ..pause });
    }

    /// Ends pauses; `true` if there were any.
    fn reopen<'s>(&mut self, scopes: impl IntoIterator<Item = &'s Scope>) -> bool {
        let before = self.paused.len();
        scopes.into_iter().for_each(|scope| _ = self.paused.remove(scope));
        self.paused.len() < before
    }

    /// Leaves pauses to the next probe; `true` if one of them was being probed.
    fn end_probes<'s>(&mut self, scopes: impl IntoIterator<Item = &'s Scope>) -> bool {
        let mut was_probed = false;
        for scope in scopes {
            if let Some(pause) = self.paused.get_mut(scope) {
                was_probed |= std::mem::take(&mut pause.is_probed);
            }
        }
        was_probed
    }
}

/// A pause that stops an attempt.
#[derive(Debug)]
struct Longest {
    scope: Scope,
    until: Instant,
}

#[cfg(test)]
mod tests;
