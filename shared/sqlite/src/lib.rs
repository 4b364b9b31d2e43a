//! SQLite files that are opened in one way, and a writer that shares one commit among many. The only crate that names
//! rusqlite.
//!
//! [`open()`] opens a database so that a commit which returned is on disk. [`Writer`] is the one task that writes to it:
//! what waits together is committed together, and so shares one fsync. [`Health`] says whether its commits succeed, and
//! last.

mod clock;
mod health;
mod job;
mod open;
mod transaction;
mod writer;

pub use health::Health;
pub use open::{open, open_to_read};
pub use rusqlite::{Connection, Error, OptionalExtension, Result, Row, StatementStatus, params};
pub use writer::{WeakWriter, WriteError, Writer};
