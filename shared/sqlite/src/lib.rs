//! SQLite files that are opened in one way, and a writer that shares one commit among many. The only crate that names
//! rusqlite.
//!
//! [`open()`] opens a database so that a commit which returned is on disk. [`Writer`] is the one task that writes to it:
//! what waits together is committed together, and so shares one fsync.

mod job;
mod open;
mod writer;

pub use open::open;
pub use rusqlite::{Connection, Error, OptionalExtension, Result, Row, params};
pub use writer::{WeakWriter, WriteError, Writer};
