//! Time and chance: the only place that asks the machine for either. Logic takes them as arguments.

use jiff::Timestamp;

/// The machine's clock, handed down to whoever may ask for the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Now, in UTC.
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
    pub fn now(self) -> Timestamp {
        Timestamp::now()
    }
}

/// A number in `[0, 1)`, for jitter. Falls back to the middle where the system has no randomness to give.
pub fn dice() -> f64 {
    const SPAN: f64 = 4_294_967_296.0;
    getrandom::u32().map_or(0.5, |roll| f64::from(roll) / SPAN)
}
