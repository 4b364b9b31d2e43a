//! The channel store: opens a back end, and puts to it the few questions of which everything else is made.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Problem, Shutdown};

use crate::embedded::Embedded;
use crate::error::StoreError;
use crate::fields::Fields;
use crate::index::Index;
use crate::key_ring::KeyRing;
use crate::keys;
use crate::lookup::{LookupBatch, LookupReply};
use crate::mark::NewMark;
use crate::metrics::Metrics;
use crate::opened_keys::OpenedKeys;
use crate::redis::{ProcessRights, RedisStore};
use crate::server::Servers;
use crate::settings::{ChannelsSettings, StoreLocation};
use crate::transaction::Write;
use crate::usual_status::UsualStatus;

/// Channels and markers, in Redis or in files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChannelStore {
    backend: Backend,
    metrics: Metrics,
    /// The keys under which erasures are hashed.
    pub(crate) opened: OpenedKeys,
    /// How DSK says that it has an event.
    pub(crate) usual_status: Arc<UsualStatus>,
}

#[derive(Clone, Debug)]
enum Backend {
    Redis(RedisStore),
    Embedded(Embedded),
}

/// Puts a question to the back end.
macro_rules! put {
    ($store:expr, $backend:ident => $question:expr) => {
        match &$store.backend {
            Backend::Redis($backend) => $question.await,
            Backend::Embedded($backend) => $question.await,
        }
    };
}

/// Puts a question to the back end, and counts the error if there is one.
macro_rules! ask {
    ($store:expr, $backend:ident => $question:expr) => {
        put!($store, $backend => $question).inspect_err(|error| $store.count(error))
    };
}

/// Puts a question about trails to the back end. That a user list of an older release does not permit trails is no trouble
/// that anybody should be called for, so it is not counted.
macro_rules! ask_about_trails {
    ($store:expr, $backend:ident => $question:expr) => {
        put!($store, $backend => $question).inspect_err(|error| {
            if !error.is_forbidden() {
                $store.count(error);
            }
        })
    };
}

impl ChannelStore {
    /// Opens the store. A Redis that is away is no problem, because the store waits for it; files that can't be opened
    /// are one.
    pub fn open(settings: &ChannelsSettings, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, Problem> {
        let backend = match settings.location()? {
            StoreLocation::Redis(address) => {
                let prefix = settings.channels_key_prefix.clone();
                Backend::Redis(RedisStore::start(address, prefix, metrics.clone(), shutdown)?)
            }
            StoreLocation::Embedded(folder) => {
                metrics.connected.set(true);
                Backend::Embedded(Embedded::open(&folder, shutdown)?)
            }
        };
        Ok(Self { backend, metrics, opened: OpenedKeys::default(), usual_status: Arc::default() })
    }

    /// The store for a process that delivers, erases, connects or removes channels: these need a key that only the ring
    /// opens.
    #[must_use]
    pub fn with_key_ring(self, ring: &KeyRing) -> Self {
        Self { opened: OpenedKeys::new(ring.clone()), ..self }
    }

    /// What was wrong when the store was last tried: it could not be reached, refuses what is written, or does not say what
    /// was erased.
    pub fn trouble(&self) -> Option<StoreError> {
        let trouble = match &self.backend {
            Backend::Redis(redis) => redis.trouble(),
            Backend::Embedded(embedded) => embedded.trouble(),
        };
        trouble.or_else(|| self.opened.trouble().map(StoreError::from))
    }

    /// Counts an error.
    pub(crate) fn count(&self, error: &StoreError) {
        self.metrics.errors_total.inc(error.into());
    }

    /// Whether the store could be reached, and took what was written, when it was last tried.
    pub fn is_connected(&self) -> bool {
        self.trouble().is_none()
    }

    /// The servers behind the store, as they describe themselves; `None` for files.
    pub async fn servers(&self) -> Result<Option<Servers>, StoreError> {
        match &self.backend {
            Backend::Redis(redis) => redis.servers().await.map(Some),
            Backend::Embedded(_) => Ok(None),
        }
    }

    /// What Redis would refuse each process that uses the store; nothing for files.
    pub async fn rights(&self) -> Result<Vec<ProcessRights>, StoreError> {
        match &self.backend {
            Backend::Redis(redis) => redis.rights().await,
            Backend::Embedded(_) => Ok(Vec::new()),
        }
    }

    /// The Redis behind the store.
    pub(crate) fn redis(&self) -> Option<&RedisStore> {
        match &self.backend {
            Backend::Redis(redis) => Some(redis),
            Backend::Embedded(_) => None,
        }
    }

    /// Whether the store holds channels, or ever did.
    pub async fn is_initialised(&self) -> Result<bool, StoreError> {
        Ok(!self.read_one(keys::INITIALISED.to_owned()).await?.is_empty())
    }

    /// The markers and records of a batch.
    pub(crate) async fn look_up_batch(&self, batch: &LookupBatch) -> Result<LookupReply, StoreError> {
        ask!(self, backend => backend.look_up(batch))
    }

    /// Sets markers for a time.
    pub(crate) async fn set_marks(&self, marks: Vec<NewMark>, time: Duration) -> Result<(), StoreError> {
        ask!(self, backend => backend.set_marks(marks, time))
    }

    /// Sets trails for a time.
    pub(crate) async fn set_trails(&self, trails: Vec<NewMark>, time: Duration) -> Result<(), StoreError> {
        ask_about_trails!(self, backend => backend.set_marks(trails, time))
    }

    /// The texts of trails, in the order of their keys; `None` for one that does not exist.
    pub(crate) async fn read_trail_texts(&self, keys: Vec<String>) -> Result<Vec<Option<String>>, StoreError> {
        ask_about_trails!(self, backend => backend.read_marks(keys))
    }

    /// Removes trails.
    pub(crate) async fn remove_trails(&self, keys: Vec<String>) -> Result<(), StoreError> {
        ask_about_trails!(self, backend => backend.remove_marks(keys))
    }

    /// The values of markers, in the order of their keys; `None` for one that does not exist.
    pub(crate) async fn read_marks(&self, marks: Vec<String>) -> Result<Vec<Option<String>>, StoreError> {
        ask!(self, backend => backend.read_marks(marks))
    }

    /// The keys in an index, sorted. A hash may be gone by now, or be no longer what the index is about.
    pub(crate) async fn members(&self, index: &Index) -> Result<Vec<String>, StoreError> {
        ask!(self, backend => backend.members(index))
    }

    /// Rebuilds the indexes from all keys.
    pub(crate) async fn build_indexes(&self) -> Result<(), StoreError> {
        ask!(self, backend => backend.build_indexes())
    }

    /// Removes from an index the names of hashes that are gone.
    pub(crate) async fn prune(&self, index: &Index, gone: Vec<String>) -> Result<(), StoreError> {
        ask!(self, backend => backend.prune(index, gone))
    }

    /// The keys of all markers of erasures, and the markers.
    pub(crate) async fn erasures(&self) -> Result<Vec<(String, String)>, StoreError> {
        ask!(self, backend => backend.erasures())
    }

    /// The hashes at these keys, in their order; a hash that does not exist is empty. A text is read as a hash with one
    /// field.
    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<Vec<Fields>, StoreError> {
        ask!(self, backend => backend.read(keys))
    }

    /// The hash at one key; empty if it does not exist.
    pub(crate) async fn read_one(&self, key: String) -> Result<Fields, StoreError> {
        Ok(self.read(vec![key]).await?.pop().unwrap_or_default())
    }

    /// Writes all of the hashes, or none and returns `false` if one of them is no longer as it was read.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        ask!(self, backend => backend.commit(writes))
    }
}
