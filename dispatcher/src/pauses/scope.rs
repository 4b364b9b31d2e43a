//! What can be paused, and why.

use std::sync::Arc;

use event::Address;

use crate::destination::{Destination, Target};

/// What is paused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// An origin is unavailable: its breaker is open.
    Origin(Arc<str>),
    /// A destination asked for a pause.
    Destination(Destination),
    /// A channel's credentials or URL are wrong.
    Channel(Address),
}

/// What stands in the way of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Obstacle {
    /// A pause.
    Pause(Scope),
    /// The destination gets as many requests as the operator allows.
    Limit(Destination),
}

/// Why something is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PauseReason {
    Unavailable,
    Throttled,
    Misconfigured,
}

impl PauseReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl Scope {
    pub(crate) const fn reason(&self) -> PauseReason {
        match self {
            Self::Origin(_) => PauseReason::Unavailable,
            Self::Destination(_) => PauseReason::Throttled,
            Self::Channel(_) => PauseReason::Misconfigured,
        }
    }
}

/// The three whose pauses can stop an attempt.
pub(super) struct Scopes {
    pub(super) origin: Scope,
    pub(super) destination: Scope,
    pub(super) channel: Scope,
}

impl Scopes {
    pub(super) fn of(target: &Target) -> Self {
        Self {
            origin: Scope::Origin(target.endpoint.origin()),
            destination: Scope::Destination(target.destination.clone()),
            channel: Scope::Channel(target.address.clone()),
        }
    }

    pub(super) fn all(&self) -> [&Scope; 3] {
        [&self.origin, &self.destination, &self.channel]
    }
}
