//! What comes back to a worker from the tasks that it started.

use channels::LookupAnswer;
use queue::Taken;

use crate::Cause;
use crate::hand::Held;
use crate::pauses::Target;

/// What came to its end.
pub(super) enum Done {
    LookedUp(Vec<Held<Taken>>, Option<Vec<LookupAnswer>>),
    Attempted(Box<Attempted>),
    Marked,
    /// What could not be copied before the process stops.
    Copied(Option<Box<Taken>>),
}

pub(super) struct Attempted {
    pub(super) held: Held<Taken>,
    pub(super) target: Target,
    pub(super) is_probe: bool,
    /// `None` if it panicked.
    pub(super) cause: Option<Cause>,
}
