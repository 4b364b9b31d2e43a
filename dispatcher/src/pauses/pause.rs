//! One pause: since when it lasts, and when it is probed next.

use std::sync::Arc;
use std::time::Duration;

use channels::Route;
use chassis::Backoff;
use tokio::time::Instant;

use super::scope::Scope;

/// Delays between two probes of an origin.
pub(super) const PROBES: Backoff = Backoff { base: Duration::from_millis(500), ceiling: Duration::from_secs(5) };
/// How often a misconfigured channel's record is read, so that a correction is tried at once. A failure that shows without
/// a request (a token that opens with no key) is looked for as often.
pub(super) const RECORD_PERIOD: Duration = Duration::from_secs(1);
/// How long an envelope waits while another one probes its pause, in case it misses the end of the probe.
pub(super) const PROBED_PERIOD: Duration = Duration::from_secs(1);

/// A pause of a scope.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    pub(super) since: Instant,
    pub(super) probe_at: Instant,
    pub(super) is_probed: bool,
    pub(super) failures: u32,
    /// Of a channel: the record that did not work.
    pub(super) route: Option<Arc<Route>>,
    /// Of a channel: when its record was last read.
    pub(super) read_at: Instant,
}

/// A pause as a person is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paused {
    pub(crate) scope: Scope,
    /// How long it has lasted.
    pub(crate) lasts: Duration,
    /// The time to the next probe; `None` while one is under way.
    pub(crate) probed_in: Option<Duration>,
}

impl Pause {
    pub(super) fn new(now: Instant, time: Duration) -> Self {
        Self { since: now, probe_at: now + time, is_probed: false, failures: 1, route: None, read_at: now }
    }

    pub(super) fn probe_failed(&mut self, now: Instant, dice: f64) {
        self.failures += 1;
        self.probe_at = now + PROBES.delay(self.failures, dice);
        self.is_probed = false;
    }

    /// Until when to wait; `None` if a probe may be made.
    pub(super) fn wait(&self, scope: &Scope, now: Instant) -> Option<Instant> {
        if self.is_probed {
            return Some(now + PROBED_PERIOD);
        }
        let until = match scope {
            Scope::Channel(_) => self.probe_at.min(self.read_at + RECORD_PERIOD),
            Scope::Origin(_) | Scope::Destination(_) => self.probe_at,
        };
        (self.probe_at > now).then_some(until)
    }

    pub(super) fn describe(&self, scope: &Scope, now: Instant) -> Paused {
        let probed_in = (!self.is_probed).then(|| self.probe_at.saturating_duration_since(now));
        Paused { scope: scope.clone(), lasts: now.saturating_duration_since(self.since), probed_in }
    }
}
