//! Why the channel store gave no answer.

use crate::erasure_keys::ErasureKeyError;

/// Why the store gave no answer. The caller waits and asks again; it decides nothing without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no connection, or it broke.
    #[error("the channel store can't be reached: does it run, and is CHANNELS_URL right?")]
    Away,
    /// No answer came within the bound.
    #[error("the channel store did not answer in time")]
    TimedOut,
    /// The store holds no channels and never did: it restarted without its file, or it is the wrong one.
    #[error(
        "the channel store is empty: restore its backup, or add the first channel with `ops channels add` \
         (is CHANNELS_URL, with CHANNELS_KEY_PREFIX, the right one?)"
    )]
    NotInitialised,
    /// The store answered with an error that has this code.
    #[error("the channel store answered with the error {0}")]
    Refused(String),
    /// The files of the embedded store failed.
    #[error("the channel store's files can't be used: {0}")]
    Files(String),
    /// Other processes changed the same record at every try.
    #[error("another process keeps changing the same record: try again")]
    Conflict,
    /// The address is connected for another tenant.
    #[error("{address} is connected for another tenant: remove it there first")]
    OtherTenant {
        /// The channel or account.
        address: String,
    },
    /// Nobody can say what was erased, so nothing may be delivered.
    #[error(transparent)]
    ErasureKey(#[from] ErasureKeyError),
}
