//! Why the channel store gave no answer.

use crate::keys::ERASURE_KEYS_MAX;

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

impl StoreError {
    /// Whether Redis does not permit this to our user.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "NOPERM")
    }
}

/// Why nobody can say what was erased.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErasureKeyError {
    /// This process was given no key ring.
    #[error("what was erased is recognised by a key that only the key ring opens: set KEY_RING_FILE or KEY_RING")]
    NoKeyRing,
    /// No key of the ring opens the store's key.
    #[error(
        "the key by which erasures are recognised (channels:erasure-keys, {id}) opens with no key of KEY_RING: put the \
         key that is missing back, see \"What was erased is not recognised\" in the runbook"
    )]
    Unopenable {
        /// Which one.
        id: String,
    },
    /// No key of the ring opens a key of an export.
    #[error(
        "the key by which the erasures of the export are recognised ({id}) opens with no key of KEY_RING: add the key that \
         stood first there when it was saved, and import it again; without that key, erased people would come back"
    )]
    OfExportUnopenable {
        /// Which one.
        id: String,
    },
    /// An export lacks a key.
    #[error("the export has erasures without the key ({id}) by which they are recognised: import a complete one")]
    OfExportMissing {
        /// Which one.
        id: String,
    },
    /// More keys than look-ups can ask for.
    #[error(
        "exports of too many stores were imported within 30 days ({ERASURE_KEYS_MAX} at most): each has a key by which its erasures \
         are recognised"
    )]
    TooMany,
}
