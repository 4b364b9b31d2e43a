//! Rounds of care: who holds the lease goes through the channels and does what is due.

use std::time::Duration;

use channels::{ChannelRecord, ChannelState, Lease, StoreError};
use chassis::{Shutdown, dice, now};
use event::Family;
use jiff::Timestamp;
use tracing::warn;

use super::due::{Due, ends_soon};
use super::{Care, Finding};

/// Between two rounds, and as much again by chance.
const ROUND_PERIOD: Duration = Duration::from_mins(5);
/// Longer than the longest step for one channel (five requests of 10 s), so that a lease never ends under a step, and so
/// short that a process that died is soon replaced.
const LEASE_TIME: Duration = Duration::from_mins(15);
/// So many channels in a row of which nothing could be learned: Meta is away, and the rest waits for the next round.
const FAILURES_MAX: usize = 5;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Channels that were looked after.
    pub attended: usize,
    /// Whether all that were due have been.
    pub is_whole: bool,
}

/// Goes round until a stop is asked for.
pub(crate) async fn keep(care: Care, shutdown: Shutdown) {
    while shutdown.pause(ROUND_PERIOD.mul_f64(dice())).await {
        if let Err(error) = care.round(&|| now(), &|| shutdown.is_requested(), dice()).await {
            warn!(%error, "Tokens and subscriptions could not be looked after, and will be: {error}");
        }
        if !shutdown.pause(ROUND_PERIOD).await {
            return;
        }
    }
}

impl Care {
    /// One round, if no other process is at it (`None`). Counts the channels in any case. Each round begins at another
    /// place (`dice` lies in `[0, 1)`): some that fail every time don't keep those behind them from care.
    pub async fn round(
        &self,
        now: &(dyn Fn() -> Timestamp + Sync),
        stop: &(dyn Fn() -> bool + Sync),
        dice: f64,
    ) -> Result<Option<Round>, StoreError> {
        let mut records = self.store.list().await?;
        self.count(&records, now());
        begin_at(&mut records, dice);
        if !self.holds_lease(now()).await? {
            return Ok(None);
        }
        let (mut round, mut failures) = (Round { is_whole: true, ..Round::default() }, 0);
        for record in records {
            if !self.has_app(&record) || Due::of(&record, now()) == Due::default() {
                continue;
            }
            if failures >= FAILURES_MAX || stop() || !self.holds_lease(now()).await? {
                round.is_whole = false;
                break;
            }
            let is_known = self.attend(&record, now()).await;
            failures = if is_known { 0 } else { failures + 1 };
            round.attended += 1;
        }
        if round.is_whole {
            self.metrics.care_finished(now());
        }
        Ok(Some(round))
    }

    async fn holds_lease(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.store.acquire_lease(Lease { name: "maintenance", holder: &self.holder, time: LEASE_TIME }, now).await
    }

    /// Does what is due for a channel, as it is now. Whether anything could be learned.
    async fn attend(&self, listed: &ChannelRecord, now: Timestamp) -> bool {
        // It was listed a while ago, and may have been connected anew or removed since.
        let record = match self.store.get(&listed.address).await {
            Ok(Some(record)) => record,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let due = Due::of(&record, now);
        if due.refresh {
            return self.refresh(&record, now).await != Finding::Unknown;
        }
        !due.check || self.check(&record, true, now).await != Finding::Unknown
    }

    fn count(&self, records: &[ChannelRecord], now: Timestamp) {
        for state in [ChannelState::Connected, ChannelState::ReconnectNeeded] {
            let is_counted =
                |record: &&ChannelRecord| record.state == state && record.address.family() != Family::WhatsAppAccount;
            self.metrics.channels(state, records.iter().filter(is_counted).count());
        }
        let expiring = records.iter().filter(|record| ends_soon(record, now)).count();
        self.metrics.tokens_expiring(expiring);
    }
}

fn begin_at(records: &mut [ChannelRecord], dice: f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
    let place = (dice * records.len() as f64) as usize;
    records.rotate_left(place.min(records.len()));
}
