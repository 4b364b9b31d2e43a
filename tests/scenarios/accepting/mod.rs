//! The notifications that ingest accepts and refuses.

mod notifications;
