//! Ingest receives Meta's signed notifications and answers 200 once the queue has confirmed their events.

mod admission;
mod app;
mod handshake;
mod limits;
mod metrics;
mod receive;
mod recent;
mod refusal;
mod settings;
mod signature;
mod state;

pub use app::{Ingest, start};
pub use metrics::Metrics;
pub use settings::{IngestSettings, Settings};
pub use signature::{ClaimedSignature, SignatureError, SignedBody, sign};
