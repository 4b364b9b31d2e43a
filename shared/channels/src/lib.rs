//! Channel records with sealed tokens, markers of delivered events, and the key ring that opens the tokens.

mod care;
mod changes;
mod embedded;
mod erasures;
mod key_ring;
mod keys;
mod metrics;
mod record;
mod remote;
mod reseal;
mod saved;
mod server;
mod settings;
mod store;
mod tickets;

pub use erasures::{Erasure, ErasureOrigin, new_erasure_code};
pub use key_ring::{KeyRing, KeyRingSettings, OpenError, Sealed, new_key};
pub use keys::{DELIVERED_TIME, ERASURE_RECORD_TIME, TOMBSTONE_TIME};
pub use metrics::Metrics;
pub use record::{ChannelRecord, ChannelState, NewChannel, Route};
pub use reseal::KeyUse;
pub use saved::SavedRecord;
pub use server::{AppendOnlyFile, Server};
pub use settings::ChannelsSettings;
pub use store::{ChannelStore, Found, Lookup, StoreError};
pub use tickets::{Session, Ticket};
