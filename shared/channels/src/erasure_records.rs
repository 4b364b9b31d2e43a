//! The records of erasures: how each was asked for, and how far it is. They hold no personal data, and show for a year
//! that an erasure was carried out.

use jiff::Timestamp;

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::keys;
use crate::store::ChannelStore;
use crate::transaction::Lifetime;
use crate::update::Decision;

/// How an erasure was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureOrigin {
    /// By the person who connected a channel, through Meta's data-deletion callback.
    Callback,
    /// By an operator, with `ops erase`.
    Operator,
}

/// An erasure that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning<'a> {
    pub(crate) code: &'a str,
    pub(crate) origin: ErasureOrigin,
    /// How many channels and conversations there are to erase.
    pub(crate) found: usize,
    /// Whether the person has connected a channel since they asked: it stays.
    pub(crate) has_connected_since: bool,
}

/// The record of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// How it was asked for: `callback` or `operator`.
    pub origin: String,
    /// When it was asked for, RFC 3339.
    pub requested_at: String,
    /// When the dispatchers had looked through the dead letters, RFC 3339; until then the erasure is pending.
    pub done_at: Option<String>,
    /// Whether there was nothing to erase.
    pub found_nothing: bool,
    /// Whether the person had connected a channel since they asked, which stayed.
    pub has_connected_since: bool,
}

/// An erasure that the dispatchers have not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingErasure {
    /// The code under which the erasure is recorded.
    pub code: String,
    /// When it was last asked for, RFC 3339.
    pub requested_at: String,
}

impl ErasureOrigin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Operator => "operator",
        }
    }
}

impl ChannelStore {
    /// Records that an erasure was asked for, before anything is erased.
    pub(crate) async fn begin_erasure(&self, beginning: Beginning<'_>, now: Timestamp) -> Result<(), StoreError> {
        let record = |fields: &mut Fields| {
            *fields = beginning_fields(beginning, now);
            Decision::Write(())
        };
        self.update_erasure(beginning.code, record).await
    }

    /// Records an erasure for which nothing was found. If there was something when it was asked for before, that record
    /// stays as it is, and the dispatchers look once more if they have not finished.
    pub(crate) async fn note_nothing_to_erase(
        &self,
        beginning: Beginning<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = |fields: &mut Fields| {
            if fields.is_empty() || found_nothing(fields) {
                *fields = beginning_fields(beginning, now);
                fields::set(fields, fields::DONE_AT, now);
                return Decision::Write(None);
            }
            let is_done = fields.contains_key(fields::DONE_AT);
            Decision::Abandon(fields.get(fields::REQUESTED_AT).filter(|_| !is_done).cloned())
        };
        if let Some(requested_at) = self.update_erasure(beginning.code, record).await? {
            self.await_dispatchers(beginning.code, &requested_at).await?;
        }
        Ok(())
    }

    /// Has the dispatchers look through the dead letters. Only after everything is marked: before, they would find nothing.
    pub(crate) async fn await_dispatchers(&self, code: &str, requested_at: &str) -> Result<(), StoreError> {
        let add = |fields: &mut Fields| {
            fields::set(fields, code, requested_at);
            Decision::Write(())
        };
        self.update_hash(keys::ERASURES_PENDING.to_owned(), Lifetime::Unlimited, add).await
    }

    async fn update_erasure<T>(
        &self,
        code: &str,
        decide: impl Fn(&mut Fields) -> Decision<T>,
    ) -> Result<T, StoreError> {
        self.update_hash(keys::erasure(code), Lifetime::Limited(keys::ERASURE_RECORD_TIME), decide).await
    }

    /// The record of an erasure.
    pub async fn erasure(&self, code: &str) -> Result<Option<Erasure>, StoreError> {
        let mut fields = self.read_one(keys::erasure(code)).await?;
        Ok(fields.remove(fields::REQUESTED_AT).map(|requested_at| Erasure {
            origin: fields.remove(fields::ORIGIN).unwrap_or_default(),
            requested_at,
            done_at: fields.remove(fields::DONE_AT),
            found_nothing: found_nothing(&fields),
            has_connected_since: fields.contains_key(fields::CONNECTED_SINCE),
        }))
    }

    /// The erasures that the dispatchers have not carried out yet.
    pub async fn pending_erasures(&self) -> Result<Vec<PendingErasure>, StoreError> {
        let fields = self.read_one(keys::ERASURES_PENDING.to_owned()).await?;
        Ok(fields.into_iter().map(|(code, requested_at)| PendingErasure { code, requested_at }).collect())
    }

    /// Records that the dispatchers have looked through the dead letters. An erasure that was asked for again in the
    /// meantime stays pending.
    pub async fn finish_erasure(&self, pending: &PendingErasure, now: Timestamp) -> Result<(), StoreError> {
        let finish = |fields: &mut Fields| {
            if fields.get(fields::REQUESTED_AT) == Some(&pending.requested_at) {
                fields::set(fields, fields::DONE_AT, now);
            }
            Decision::Write(())
        };
        self.update_erasure(&pending.code, finish).await?;
        let remove = |fields: &mut Fields| {
            if fields.get(&pending.code) == Some(&pending.requested_at) {
                fields.remove(&pending.code);
            }
            Decision::Write(())
        };
        self.update_hash(keys::ERASURES_PENDING.to_owned(), Lifetime::Unlimited, remove).await
    }
}

fn beginning_fields(beginning: Beginning<'_>, now: Timestamp) -> Fields {
    fields::collect([
        (fields::ORIGIN, Some(beginning.origin.as_str().to_owned())),
        (fields::REQUESTED_AT, Some(now.to_string())),
        (fields::FOUND, Some(beginning.found.to_string())),
        (fields::CONNECTED_SINCE, beginning.has_connected_since.then(|| "1".to_owned())),
    ])
}

fn found_nothing(record: &Fields) -> bool {
    record.get(fields::FOUND).is_some_and(|found| found == "0")
}
