//! What maintenance a channel needs at a given time: pure logic over its record.

use channels::{ChannelRecord, ChannelState};
use event::{Address, Family};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

/// How long an Instagram token lives: 60 days (Meta, "Business Login").
const LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);
/// A token is refreshed in this span after half of its life. Each channel has its own moment in it, so that channels that
/// were connected on one day are not all refreshed in one hour. That leaves 20 days in which refreshing may fail.
const SPREAD: SignedDuration = SignedDuration::from_hours(10 * 24);
/// How often Meta is asked whether a token still works and whether we are still subscribed.
const CHECK_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// A token that ends within this time is counted, so that somebody looks at it.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a channel needs now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// It needs a new token.
    pub(super) refresh: bool,
    /// Its token and subscription have to be checked.
    pub(super) check: bool,
}

impl Due {
    pub(super) fn of(record: &ChannelRecord, now: Timestamp) -> Self {
        if !has_maintenance(record) {
            return Self::default();
        }
        let last_checked = parse(record.checked_at.as_deref()).or_else(|| parse(record.connected_at.as_deref()));
        let check = last_checked.is_none_or(|at| after(at, CHECK_PERIOD) <= now);
        let is_old = match expires_at(record) {
            Some(expires_at) => refresh_at(&record.address, expires_at) <= now,
            // It is unknown until Meta says it with a new token.
            None => check,
        };
        // A token that did not work may work again; one attempt a day is enough to notice.
        let is_instagram = record.address.family() == Family::Instagram;
        let refresh = is_instagram && is_old && (check || record.state == ChannelState::Connected);
        Self { refresh, check }
    }
}

/// Whether there is a token that we can maintain: that of a number or an Instagram account that is not disconnected.
pub(super) fn has_maintenance(record: &ChannelRecord) -> bool {
    let is_maintained = matches!(record.address.family(), Family::WhatsApp | Family::Instagram);
    is_maintained && record.access_token.is_some() && record.state != ChannelState::Disconnected
}

/// When the token ends, if that is known.
pub(super) fn expires_at(record: &ChannelRecord) -> Option<Timestamp> {
    parse(record.access_token_expires_at.as_deref())
}

/// Whether the token ends soon, or has ended.
pub(super) fn ends_soon(record: &ChannelRecord, now: Timestamp) -> bool {
    has_maintenance(record) && expires_at(record).is_some_and(|at| at <= after(now, SOON))
}

/// The channel's own moment, which depends on nothing but the channel and its token.
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
    fn each_token_is_refreshed_at_its_own_moment_between_half_and_two_thirds_of_its_life() {
        let connected = Timestamp::UNIX_EPOCH;
        let moments: Vec<Timestamp> =
            (0..200).map(|id| refresh_at(&Address::new(format!("instagram:{id}")), after(connected, LIFE))).collect();

        assert!(moments.iter().all(|at| (after(connected, DAY * 30)..=after(connected, DAY * 40)).contains(at)));
        let early = moments.iter().filter(|at| **at < after(connected, DAY * 35)).count();
        assert!((60..140).contains(&early), "{early} of 200 in the first half");
    }
}
