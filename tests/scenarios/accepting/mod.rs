//! The notifications that ingest accepts and refuses.

mod notifications;
mod silent_clients;
