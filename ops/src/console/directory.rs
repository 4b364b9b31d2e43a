//! The channels as pages list them. Ten thousand of them take the store a second, so they are read in the background, and
//! again when they are looked at and no longer fresh.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::channels::{ChannelRecord, ChannelState, ChannelStore, StoreError};
use chassis::{Shutdown, now};
use event::Address;
use jiff::Timestamp;
use tokio::time::Instant;

/// How long a listing counts as fresh.
const FRESH_TIME: Duration = Duration::from_secs(10);

/// The listing, and whether the next one is being read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    listing: Option<Arc<Listing>>,
    is_reading: bool,
    /// When it was last read, or could not be.
    tried_at: Option<Instant>,
    trouble: Option<StoreError>,
}

/// What pages see of it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `None` until the first one is there.
    pub(crate) listing: Option<Arc<Listing>>,
    /// Why the last reading failed.
    pub(crate) trouble: Option<StoreError>,
}

/// Every channel, by its address.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    pub(crate) read_at: Timestamp,
}

/// A channel as the list shows it: no token, and nothing that is about a person.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) address: Address,
    pub(crate) tenant: String,
    pub(crate) state: ChannelState,
    /// When its token at Meta ends, RFC 3339.
    pub(crate) token_ends_at: Option<String>,
    /// When Meta was last asked about it, RFC 3339.
    pub(crate) checked_at: Option<String>,
}

impl From<ChannelRecord> for Entry {
    fn from(record: ChannelRecord) -> Self {
        Self {
            address: record.address,
            tenant: record.tenant,
            state: record.state,
            token_ends_at: record.access_token_expires_at,
            checked_at: record.checked_at,
        }
    }
}

impl Listing {
    fn new(records: Vec<ChannelRecord>, read_at: Timestamp) -> Self {
        let mut entries: Vec<Entry> = records.into_iter().map(Entry::from).collect();
        entries.sort_unstable_by(|one, other| one.address.as_str().cmp(other.address.as_str()));
        Self { entries, read_at }
    }

    pub(crate) fn tenant_of(&self, address: &str) -> Option<&str> {
        let place = self.entries.binary_search_by(|entry| entry.address.as_str().cmp(address)).ok()?;
        self.entries.get(place).map(|entry| entry.tenant.as_str())
    }

    /// The addresses of a tenant's channels.
    pub(crate) fn addresses_of(&self, tenant: &str) -> impl Iterator<Item = &Address> {
        self.entries.iter().filter(move |entry| entry.tenant == tenant).map(|entry| &entry.address)
    }
}

impl Directory {
    /// The listing. It is read again meanwhile if it is not fresh.
    pub(crate) fn look(&self, store: &ChannelStore, shutdown: &Shutdown) -> Seen {
        let is_fresh = self.locked().tried_at.is_some_and(|at| at.elapsed() < FRESH_TIME);
        if !is_fresh {
            self.read_again(store, shutdown);
        }
        let shelf = self.locked();
        Seen { listing: shelf.listing.clone(), trouble: shelf.trouble.clone() }
    }

    /// Reads the channels again in the background, as after a change.
    pub(crate) fn read_again(&self, store: &ChannelStore, shutdown: &Shutdown) {
        {
            let mut shelf = self.locked();
            if shelf.is_reading {
                return;
            }
            shelf.is_reading = true;
        }
        let directory = self.clone();
        let store = store.clone();
        shutdown.spawn(async move {
            let result = store.list().await;
            let read = result.map(|records| Arc::new(Listing::new(records, now())));
            let mut shelf = directory.locked();
            shelf.is_reading = false;
            shelf.tried_at = Some(Instant::now());
            match read {
                Ok(listing) => {
                    shelf.listing = Some(listing);
                    shelf.trouble = None;
                }
                Err(error) => shelf.trouble = Some(error),
            }
        });
    }

    fn locked(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
