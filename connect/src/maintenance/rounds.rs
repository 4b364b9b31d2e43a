//! Rounds of maintenance: the process that holds the lease goes through the channels and does what is due.

use std::time::Duration;

use channels::{ChannelRecord, ChannelState, Lease, StoreError};
use chassis::{Shutdown, dice, now};
use event::Family;
use jiff::Timestamp;
use tracing::warn;

use super::check::{ChannelHealth, CheckMode, Maintenance};
use super::due::{Due, ends_soon};
use crate::metrics::TokenState;

/// The least time between two rounds; as much again is added by chance.
const ROUND_PERIOD: Duration = Duration::from_mins(5);
/// Longer than the longest step for one channel (five requests of 10 s), so that a lease never ends during a step, and
/// short enough that a process that died is soon replaced.
const LEASE_TIME: Duration = Duration::from_mins(15);
/// The name of the lease in the store.
const LEASE: &str = "maintenance";
/// When this many channels in a row gave no answer, Meta is away, and the other channels wait for the next round.
const FAILURES_MAX: usize = 5;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceRound {
    /// How many channels were checked or refreshed.
    pub channels: usize,
    /// Whether everything that was due was done.
    pub is_complete: bool,
}

/// Does one round after another until a stop is asked for.
pub(crate) async fn run_rounds(maintenance: Maintenance, shutdown: Shutdown) {
    while shutdown.pause(ROUND_PERIOD.mul_f64(dice())).await {
        if let Err(error) = maintenance.round(&|| now(), &|| shutdown.is_requested(), dice()).await {
            warn!(%error, "Could not finish a round of maintenance, and will begin another");
        }
        if !shutdown.pause(ROUND_PERIOD).await {
            return;
        }
    }
}

impl Maintenance {
    /// Does one round, or gives `None` if another process holds the lease. The channels are counted in either case. Each
    /// round begins at another channel (`dice` lies in `[0, 1)`), so that channels that fail every time do not keep those
    /// behind them from maintenance.
    pub async fn round(
        &self,
        now: &(dyn Fn() -> Timestamp + Sync),
        is_stopping: &(dyn Fn() -> bool + Sync),
        dice: f64,
    ) -> Result<Option<MaintenanceRound>, StoreError> {
        let mut records = self.store.list().await?;
        self.count(&records, now());
        rotate(&mut records, dice);
        if !self.holds_lease(now()).await? {
            return Ok(None);
        }
        let mut round = MaintenanceRound { is_complete: true, ..MaintenanceRound::default() };
        let mut failures = 0;
        for record in records {
            if self.graphs.of(&record).is_none() || Due::of(&record, now()) == Due::default() {
                continue;
            }
            if failures >= FAILURES_MAX || is_stopping() || !self.holds_lease(now()).await? {
                round.is_complete = false;
                break;
            }
            let is_known = self.maintain(&record, now()).await;
            failures = if is_known { 0 } else { failures + 1 };
            round.channels += 1;
        }
        if round.is_complete {
            self.metrics.maintenance_finished_timestamp_seconds.set(now().as_second());
        }
        Ok(Some(round))
    }

    async fn holds_lease(&self, now: Timestamp) -> Result<bool, StoreError> {
        let lease = Lease { name: LEASE, holder: &self.lease_holder, time: LEASE_TIME };
        self.store.acquire_lease(lease, now).await
    }

    /// Does what is due for a channel, and says whether that gave any answer.
    async fn maintain(&self, listed: &ChannelRecord, now: Timestamp) -> bool {
        // The list is a while old: the channel may have been connected again or removed since.
        let record = match self.store.get(&listed.address).await {
            Ok(Some(record)) => record,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let due = Due::of(&record, now);
        if due.refresh {
            return self.refresh(&record, now).await != ChannelHealth::Unknown;
        }
        !due.check || self.check(&record, CheckMode::Repair, now).await != ChannelHealth::Unknown
    }

    fn count(&self, records: &[ChannelRecord], now: Timestamp) {
        let count = |state| {
            let channels = records.iter().filter(|record| record.address.family() != Family::WhatsAppAccount);
            channels.filter(|record| record.state == state).count()
        };
        self.metrics.channels.set(TokenState::Connected, count(ChannelState::Connected));
        self.metrics.channels.set(TokenState::ReconnectNeeded, count(ChannelState::ReconnectNeeded));
        let expiring = records.iter().filter(|record| ends_soon(record, now)).count();
        self.metrics.tokens_expiring.set(expiring);
    }
}

fn rotate(records: &mut [ChannelRecord], dice: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the result is an index into the records"
    )]
    let first = (dice * records.len() as f64) as usize;
    records.rotate_left(first.min(records.len()));
}
