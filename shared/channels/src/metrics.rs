//! What the channel store and the key ring count.

use chassis::{Counter, Counters, Gauge, Label};

use crate::error::StoreError;

chassis::metrics! {
    /// What the channel store and the key ring count.
    pub struct Metrics("channels") {
        /// 1 while the channel store can be reached and takes writes.
        connected: Gauge,
        /// Requests to the channel store that failed, by reason.
        errors_total: Counters<ErrorReason>,
        /// Sealed tokens that opened with no key of the key ring, counted at each attempt.
        unopenable_total: Counter,
        /// Keys in the key ring.
        keys: Gauge,
    }
}

/// Why a request to the channel store failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ErrorReason {
    Away,
    TimedOut,
    NotInitialised,
    Refused,
    Files,
    Conflict,
    OtherTenant,
    ErasureKey,
}

impl Label for ErrorReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[
        Self::Away,
        Self::TimedOut,
        Self::NotInitialised,
        Self::Refused,
        Self::Files,
        Self::Conflict,
        Self::OtherTenant,
        Self::ErasureKey,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::TimedOut => "timed_out",
            Self::NotInitialised => "not_initialised",
            Self::Refused => "refused",
            Self::Files => "files",
            Self::Conflict => "conflict",
            Self::OtherTenant => "other_tenant",
            Self::ErasureKey => "erasure_key",
        }
    }
}

impl From<&StoreError> for ErrorReason {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Away => Self::Away,
            StoreError::TimedOut => Self::TimedOut,
            StoreError::NotInitialised => Self::NotInitialised,
            StoreError::Refused(_) => Self::Refused,
            StoreError::Files(_) => Self::Files,
            StoreError::Conflict => Self::Conflict,
            StoreError::OtherTenant { .. } => Self::OtherTenant,
            StoreError::ErasureKey(_) => Self::ErasureKey,
        }
    }
}
