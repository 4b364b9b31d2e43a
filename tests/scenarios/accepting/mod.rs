//! What ingest accepts, and what it refuses.

mod notifications;
