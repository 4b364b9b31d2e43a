//! Whether a database can be relied on: the outcome of the last commit, and whether the file is still in its place.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rusqlite::{Connection, Error, ErrorCode};

/// Whether what is written to a database will be there after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last commit is on disk.
    Working,
    /// The last commit failed because the disk is full.
    Full,
    /// The last commit failed for another reason; the log says which.
    Failing,
    /// The file, or the journal beside it, was deleted or replaced under the process: what is written now is gone once
    /// the process ends.
    Replaced,
    /// SQLite has found a part of the file that is not what it wrote. It stays like this until the process ends.
    Damaged,
}

impl Health {
    /// Whether what is committed now will be there after a restart.
    pub(crate) fn is_kept(self) -> bool {
        match self {
            Self::Working | Self::Full | Self::Failing => true,
            Self::Replaced | Self::Damaged => false,
        }
    }

    /// What follows from an error of a transaction.
    pub(crate) fn after(self, error: &Error) -> Self {
        match (self, error.sqlite_error_code()) {
            (Self::Damaged, _) | (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => Self::Damaged,
            (_, Some(ErrorCode::DiskFull)) => Self::Full,
            _ => Self::Failing,
        }
    }
}

/// Whether an error of one job means that the disk or the database is at fault, so that its neighbours would fail, too.
pub(crate) fn is_common(error: &Error) -> bool {
    let own = [
        None,
        Some(ErrorCode::ConstraintViolation),
        Some(ErrorCode::TypeMismatch),
        Some(ErrorCode::TooBig),
        Some(ErrorCode::ParameterOutOfRange),
        Some(ErrorCode::DatabaseCorrupt),
    ];
    !own.contains(&error.sqlite_error_code())
}

/// The files of a database, as they were when it was opened.
#[derive(Debug)]
pub(crate) struct Place {
    files: Vec<(PathBuf, FileId)>,
}

/// What tells a file from every other one, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl Place {
    /// Notes which files an open database has: its own, and the journal, which may hold the newest commits.
    pub(crate) fn of(database: &Connection) -> Self {
        let path = database.path().unwrap_or_default();
        let files = ["", "-wal"].map(|end| PathBuf::from(format!("{path}{end}")));
        Self { files: files.into_iter().filter_map(|file| file_id(&file).map(|id| (file, id))).collect() }
    }

    /// Whether they are still there.
    pub(crate) fn is_kept(&self) -> bool {
        self.files.iter().all(|(file, id)| file_id(file) == Some(*id))
    }
}

fn file_id(file: &std::path::Path) -> Option<FileId> {
    metadata(file).ok().map(|found| FileId { device: found.dev(), inode: found.ino() })
}
