//! Opening a database: readable by its owner only, and on disk when a commit returns.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Error, OpenFlags, Result};

use crate::{clock, transaction};

/// How long to wait while another process writes (`ops` beside a running service).
pub(crate) const BUSY_TIME: Duration = Duration::from_secs(5);

/// What everybody but the owner may do with a file.
const OTHERS: u32 = 0o077;

/// Opens the database `name` in `folder` and creates what is missing: the folder, the file, and what `schema` (SQL that
/// can be repeated) asks for.
pub fn open(folder: &Path, name: &str, schema: &str) -> Result<Connection> {
    let path = folder.join(name);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error)?;
    // SQLite itself would create the file with the process's umask.
    OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io_error)?;
    for file in [name.to_owned(), format!("{name}-wal"), format!("{name}-shm")] {
        keep_from_others(&folder.join(file));
    }
    let database = Connection::open(&path)?;
    database.busy_timeout(BUSY_TIME)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on disk when it returns. A confirmed event and the only copy of a token rely on that.
    database.pragma_update(None, "synchronous", "FULL")?;
    // What is deleted is overwritten: it was somebody's message or token.
    database.pragma_update(None, "secure_delete", "ON")?;
    database.execute_batch(clock::SCHEMA)?;
    database.execute_batch(transaction::SCHEMA)?;
    database.execute_batch(schema)?;
    Ok(database)
}

/// Opens a database that exists, to read beside its writer: a long question holds up no commit.
pub fn open_to_read(folder: &Path, name: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(folder.join(name), flags)?;
    database.busy_timeout(BUSY_TIME)?;
    Ok(database)
}

/// Takes a file from everybody but its owner: one that was copied from a backup has the rights of the copy. Where that is not
/// possible, because the file is somebody else's, it stays as it is.
fn keep_from_others(file: &Path) {
    let Ok(permissions) = file.metadata().map(|metadata| metadata.permissions()) else { return };
    if permissions.mode() & OTHERS != 0 {
        std::fs::set_permissions(file, Permissions::from_mode(permissions.mode() & !OTHERS)).ok();
    }
}

fn io_error(error: std::io::Error) -> Error {
    Error::ToSqlConversionFailure(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS word (text TEXT NOT NULL) STRICT";

    #[test]
    fn only_its_owner_can_read_a_database() {
        let folder = tempfile::tempdir().unwrap();

        let database = open(&folder.path().join("data"), "words.db", SCHEMA).unwrap();
        database.execute("INSERT INTO word (text) VALUES ('hello')", []).unwrap();

        for file in ["words.db", "words.db-wal", "words.db-shm"] {
            let mode = folder.path().join("data").join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn files_that_were_copied_with_rights_for_others_are_taken_from_them() {
        let folder = tempfile::tempdir().unwrap();
        let written = open(folder.path(), "words.db", SCHEMA).unwrap();
        written.execute("INSERT INTO word (text) VALUES ('hello')", []).unwrap();
        let files = ["words.db", "words.db-wal", "words.db-shm"].map(|file| folder.path().join(file));
        for file in &files {
            std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        }

        let database = open(folder.path(), "words.db", SCHEMA).unwrap();

        for file in &files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
        assert_eq!(database.query_row("SELECT text FROM word", [], |row| row.get::<_, String>(0)).unwrap(), "hello");
    }

    #[test]
    fn a_commit_is_on_disk_when_it_returns_and_what_is_deleted_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();

        let database = open(folder.path(), "words.db", SCHEMA).unwrap();

        let number = |name: &str| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(number("synchronous"), 2, "FULL");
        assert_eq!(number("secure_delete"), 1, "ON");
        let journal: String = database.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(journal, "wal");
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "in the way").unwrap();

        assert!(open(&folder.path().join("file"), "words.db", SCHEMA).is_err());
    }
}
