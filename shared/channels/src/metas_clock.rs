//! Times that Meta tells us, beside those of our own clock.

use jiff::{SignedDuration, Timestamp};

/// How much earlier than ours a time of Meta's may be for the same moment: Meta leaves out the parts of a second, and
/// clocks differ by a little. Nobody can ask for something at Meta and connect a channel again in so short a time.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(5);

/// The latest moment by our clock that a time of Meta's may mean. What was connected by then is what Meta speaks of.
pub fn latest_by_our_clock(by_metas_clock: Timestamp) -> Timestamp {
    by_metas_clock.checked_add(CLOCKS_APART).unwrap_or(Timestamp::MAX)
}
