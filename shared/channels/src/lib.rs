//! Channel records with sealed tokens, markers of delivered events, and the key ring that opens the tokens.

mod backup;
mod changes;
mod channels;
mod delivery;
mod embedded;
mod erasures;
mod error;
mod fields;
mod key_ring;
mod keys;
mod lookup;
mod maintenance;
mod metrics;
mod record;
mod redis;
mod reseal;
mod server;
mod settings;
mod store;
mod tickets;
mod transaction;
mod update;

pub use backup::SavedRecord;
pub use erasures::{Erasure, ErasureOrigin, ErasureRequest, PendingErasure, new_erasure_code};
pub use error::StoreError;
pub use key_ring::{KeyRing, KeyRingSettings, OpenError, SealedSecret, new_key};
pub use keys::{DELIVERED_TIME, ERASURE_RECORD_TIME, TOMBSTONE_TIME};
pub use lookup::{Lookup, LookupAnswer};
pub use maintenance::{Lease, StoredToken};
pub use metrics::Metrics;
pub use record::{ChannelRecord, ChannelState, NewChannel, Route};
pub use reseal::KeyUse;
pub use server::{AppendOnlyFile, Server};
pub use settings::ChannelsSettings;
pub use store::ChannelStore;
pub use tickets::{SessionRecord, Ticket};
