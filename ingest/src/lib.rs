//! Ingest takes Meta's signed notifications and answers 200 once the queue has their events safely.

mod admission;
mod app;
mod handshake;
mod metrics;
mod receive;
mod settings;
mod signature;

pub use app::{Ingest, start};
pub use metrics::Metrics;
pub use settings::{IngestSettings, Settings};
pub use signature::{SignatureError, SignedBody, sign};
