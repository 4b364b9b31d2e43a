//! Index sets: which keys there are of a kind, so that no command has to look through all keys. Redis keeps them as sets;
//! a file finds keys by their beginning without them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::fields::{self, Fields};
use crate::{changes, keys};

/// How long a set of links and sessions lasts that is rebuilt.
const TICKETS_TIME: Duration = Duration::from_hours(24);
/// A day of which the markers of erasures are kept in one set, which ends with the last of them.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A set of keys. What is in it are candidates: a hash that is gone may still be named there, and on files more may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// The records of all channels, of removed ones too.
    Channels,
    /// The records of a tenant's channels that are connected.
    ChannelsOf(String),
    /// A tenant's open links and sessions.
    TicketsOf(String),
    /// What is left of the persons whose channels were removed.
    FormerUsers,
}

impl Index {
    /// The key of the set.
    pub(crate) fn set(&self) -> String {
        match self {
            Self::Channels => keys::ALL_CHANNELS.to_owned(),
            Self::ChannelsOf(tenant) => format!("channels:of:{tenant}"),
            Self::TicketsOf(tenant) => format!("channels:tickets:{tenant}"),
            Self::FormerUsers => keys::FORMER_USERS.to_owned(),
        }
    }

    /// How long the set lasts that is rebuilt, if what it names ends by itself. Each later member makes it last as long as
    /// itself.
    pub(crate) fn time(&self) -> Option<Duration> {
        match self {
            Self::Channels | Self::ChannelsOf(_) => None,
            Self::TicketsOf(_) => Some(TICKETS_TIME),
            Self::FormerUsers => Some(keys::TOMBSTONE_TIME),
        }
    }

    /// What the keys in it begin with.
    pub(crate) fn beginnings(&self) -> &'static [&'static str] {
        match self {
            Self::Channels | Self::ChannelsOf(_) => &[keys::CHANNEL],
            Self::TicketsOf(_) => &[keys::TICKET, keys::SESSION],
            Self::FormerUsers => &[keys::REMOVED_OF],
        }
    }

    /// The sets that name a hash with these fields.
    pub(crate) fn of(key: &str, fields: &Fields) -> Vec<Self> {
        let tenant = || fields::text(fields, fields::TENANT);
        if fields.is_empty() {
            Vec::new()
        } else if key.starts_with(keys::CHANNEL) {
            let connected = tenant().filter(|_| changes::is_connected(fields));
            [Self::Channels].into_iter().chain(connected.map(Self::ChannelsOf)).collect()
        } else if key.starts_with(keys::TICKET) || key.starts_with(keys::SESSION) {
            tenant().map(Self::TicketsOf).into_iter().collect()
        } else if key.starts_with(keys::REMOVED_OF) {
            vec![Self::FormerUsers]
        } else {
            Vec::new()
        }
    }
}

/// The set that names the markers of erasures that were made on a day.
pub(crate) fn erased_on(day: Timestamp) -> String {
    format!("{}day:{}", keys::ERASED, day.strftime("%Y-%m-%d"))
}

/// The sets of every day whose markers may still exist.
pub(crate) fn erased_lately(now: Timestamp) -> Vec<String> {
    let days = i32::try_from(keys::ERASED_TIME.as_secs() / DAY.unsigned_abs().as_secs()).unwrap_or(i32::MAX);
    // One more, because the oldest day is not over; and tomorrow's, because another machine's clock may be ahead.
    (-1..=days + 1).map(|age| erased_on(now.saturating_sub(DAY * age).unwrap_or(now))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ChannelState;

    fn record(state: ChannelState) -> Fields {
        fields::collect([(fields::TENANT, Some("acme".to_owned())), (fields::STATE, Some(state.as_str().to_owned()))])
    }

    #[test]
    fn a_removed_channel_stays_among_all_and_leaves_its_tenants() {
        let sets = |state| Index::of("channel:whatsapp:1", &record(state)).iter().map(Index::set).collect::<Vec<_>>();

        assert_eq!(sets(ChannelState::Connected), ["channels:all", "channels:of:acme"]);
        assert_eq!(sets(ChannelState::Disconnected), ["channels:all"]);
        assert_eq!(Index::of("channel:whatsapp:1", &Fields::new()), []);
        assert_eq!(Index::of("channels:endpoints", &record(ChannelState::Connected)), []);
    }

    #[test]
    fn every_day_is_read_whose_markers_may_still_exist() {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();

        let sets = erased_lately(now);

        for day in ["2026-04-01", "2026-03-31", "2026-03-01", "2026-02-28"] {
            assert!(sets.contains(&format!("erased:day:{day}")), "{day}");
        }
        assert_eq!(sets.len(), 33);
    }
}
