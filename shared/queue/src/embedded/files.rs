//! The embedded queue's files: readable by their owner only, and taken from by one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::{OpenError, dead};

/// How long to wait for another process that writes (`ops` beside a running service).
const BUSY_TIME: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS envelope (
        seq        INTEGER PRIMARY KEY AUTOINCREMENT,
        place      TEXT NOT NULL,              -- the queue's name
        message_id TEXT NOT NULL,
        headers    TEXT NOT NULL,              -- JSON object
        body       BLOB NOT NULL,
        due_at     INTEGER NOT NULL,           -- ms since 1970: when it may be taken, or leaves its retry queue
        expires_at INTEGER NOT NULL,           -- ms since 1970: when it leaves its queue untaken
        taken      INTEGER NOT NULL DEFAULT 0, -- 1 while in a process's hand
        deliveries INTEGER NOT NULL DEFAULT 0, -- times it was taken
        parked     TEXT                        -- why the queue itself made it a dead letter
    ) STRICT;
    CREATE INDEX IF NOT EXISTS envelope_next ON envelope (place, taken, due_at, seq);
    CREATE INDEX IF NOT EXISTS envelope_expiry ON envelope (expires_at);
";

/// Opens `queue.db` in the folder, making both if needed.
pub(super) fn open(folder: &Path) -> rusqlite::Result<Connection> {
    let io = |error: std::io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let path = folder.join("queue.db");
    OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io)?;
    let database = Connection::open(&path)?;
    database.busy_timeout(BUSY_TIME)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on disk when it returns: that is what `Confirmed` stands for.
    database.pragma_update(None, "synchronous", "FULL")?;
    // What is deleted is overwritten: it was somebody's message.
    database.pragma_update(None, "secure_delete", "ON")?;
    database.execute_batch(SCHEMA)?;
    Ok(database)
}

/// Locks the folder for taking; the lock ends with the process, however it ends.
pub(super) fn lock_taking(folder: &Path) -> Result<File, OpenError> {
    let holder = format!("process {}", std::process::id());
    lock(&folder.join("taker.lock"), &holder, |holder| OpenError::Taken {
        folder: folder.display().to_string(),
        holder,
    })
}

/// Locks the folder for looking through the dead letters.
pub(super) fn lock_scanning(folder: &Path) -> Result<File, OpenError> {
    lock(&folder.join("dead.lock"), &dead::holder(), |holder| OpenError::Scanned { holder })
}

fn lock(path: &Path, holder: &str, held: impl FnOnce(String) -> OpenError) -> Result<File, OpenError> {
    let files = |error: std::io::Error| OpenError::Files(format!("{}: {error}", path.display()));
    let options = OpenOptions::new().create(true).read(true).write(true).truncate(false).mode(0o600).clone();
    let mut file = options.open(path).map_err(files)?;
    if file.try_lock().is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder).map_err(files)?;
        return Err(held(holder.trim().to_owned()));
    }
    file.set_len(0).map_err(files)?;
    writeln!(file, "{holder}").map_err(files)?;
    Ok(file)
}
