//! What the channel store counts.

use chassis::Registrar;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use crate::StoreError;

/// What the channel store and the key ring count.
#[derive(Clone, Debug)]
pub struct Metrics {
    connected: IntGauge,
    errors: IntCounterVec,
    unopenable: IntCounter,
    keys: IntGauge,
}

impl Metrics {
    /// Registers all of them, each label value at 0.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let new = Registrar(registry);
        let errors = "Requests to the channel store that failed, by reason.";
        let errors = new.counters("channels_errors_total", errors, "reason")?;
        StoreError::LABELS.into_iter().for_each(|label| errors.with_label_values(&[label]).inc_by(0));
        Ok(Self {
            connected: new.gauge("channels_connected", "1 while the channel store can be reached.")?,
            errors,
            unopenable: new.counter(
                "channels_unopenable_total",
                "Sealed tokens that opened with no key of the key ring, counted at each attempt.",
            )?,
            keys: new.gauge("channels_keys", "Keys in the key ring.")?,
        })
    }

    pub(crate) fn connected(&self, is_connected: bool) {
        self.connected.set(is_connected.into());
    }

    pub(crate) fn failed(&self, error: &StoreError) {
        self.errors.with_label_values(&[error.label()]).inc();
    }

    pub(crate) fn unopenable(&self) {
        self.unopenable.inc();
    }

    pub(crate) fn keys(&self, count: usize) {
        self.keys.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
