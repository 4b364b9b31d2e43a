//! When a channel's token and subscription need care: pure, from its record and the time.

use channels::{ChannelRecord, ChannelState};
use event::{Address, Family};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

/// What an Instagram token lives (Meta, "Business Login": 60 days).
const LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);
/// From half of its life on it is refreshed; each channel's own moment lies in the days after, so that those that were
/// connected on one day are not all refreshed in one hour. That leaves 20 days in which it may fail.
const SPREAD: SignedDuration = SignedDuration::from_hours(10 * 24);
/// How often Meta is asked whether a token still works and whether we are still subscribed.
const CHECK_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// A token that ends so soon is worth a word.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a channel needs now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// A new token.
    pub(crate) refresh: bool,
    /// A look at token and subscription.
    pub(crate) check: bool,
}

impl Due {
    pub(crate) fn of(record: &ChannelRecord, now: Timestamp) -> Self {
        if !has_care(record) {
            return Self::default();
        }
        let is_over = |since: Option<Timestamp>| since.is_none_or(|since| after(since, CHECK_PERIOD) <= now);
        let seen = [&record.checked_at, &record.connected_at].map(|at| parse(at.as_deref()));
        let check = is_over(seen[0].or(seen[1]));
        let is_old = match expires_at(record) {
            Some(expires_at) => refresh_at(&record.address, expires_at) <= now,
            // Unknown until Meta says it with a new one.
            None => check,
        };
        // A token that was found dead may have come to life again: a look a day is enough for that.
        let refresh = is_instagram(record) && is_old && (check || record.state == ChannelState::Connected);
        Self { refresh, check }
    }
}

/// Whether there is a token that we can look after: of a number or an Instagram account that is not disconnected.
pub(crate) fn has_care(record: &ChannelRecord) -> bool {
    let is_whatsapp = record.address.family() == Family::WhatsApp;
    (is_whatsapp || is_instagram(record)) && record.access_token.is_some() && record.state != ChannelState::Disconnected
}

pub(crate) fn is_instagram(record: &ChannelRecord) -> bool {
    record.address.family() == Family::Instagram
}

/// When the token ends, as far as it is known.
pub(crate) fn expires_at(record: &ChannelRecord) -> Option<Timestamp> {
    parse(record.access_token_expires_at.as_deref())
}

/// Whether it ends soon, or has ended.
pub(crate) fn ends_soon(record: &ChannelRecord, now: Timestamp) -> bool {
    has_care(record) && expires_at(record).is_some_and(|at| at <= after(now, SOON))
}

/// The channel's own moment, the same at every look.
fn refresh_at(address: &Address, expires_at: Timestamp) -> Timestamp {
    let digest = Sha256::digest(address.as_str());
    let share = f64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])) / f64::from(u32::MAX);
    let half = after(expires_at, -(LIFE / 2));
    after(half, SPREAD.mul_f64(share))
}

fn after(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.saturating_add(time).unwrap_or(at)
}

fn parse(at: Option<&str>) -> Option<Timestamp> {
    at.and_then(|at| at.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    #[test]
    fn a_token_is_refreshed_between_half_and_two_thirds_of_its_life_each_at_its_own_moment() {
        let connected = Timestamp::UNIX_EPOCH;
        let moments: Vec<Timestamp> =
            (0..200).map(|id| refresh_at(&Address::new(format!("instagram:{id}")), after(connected, LIFE))).collect();

        assert!(moments.iter().all(|at| (after(connected, DAY * 30)..=after(connected, DAY * 40)).contains(at)));
        let early = moments.iter().filter(|at| **at < after(connected, DAY * 35)).count();
        assert!((60..140).contains(&early), "{early} of 200 in the first half");
    }
}
