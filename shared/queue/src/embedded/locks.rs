//! The embedded queue's locks: one process takes from it, and one scans its dead letters.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::dead_letter::scan_holder;
use crate::error::QueueError;

/// Locks the folder for taking. The lock ends with the process, however that ends.
pub(super) fn lock_taking(folder: &Path) -> Result<File, QueueError> {
    let holder = format!("process {}", std::process::id());
    lock(&folder.join("taker.lock"), &holder, |holder| QueueError::Locked {
        folder: folder.display().to_string(),
        holder,
    })
}

/// Locks the folder for a scan of the dead letters.
pub(super) fn lock_scanning(folder: &Path) -> Result<File, QueueError> {
    lock(&folder.join("dead.lock"), &scan_holder(), |holder| QueueError::ScanLocked { holder })
}

/// Locks the file and writes `holder` into it. `locked` makes the error from the name of another holder.
fn lock(path: &Path, holder: &str, locked: impl FnOnce(String) -> QueueError) -> Result<File, QueueError> {
    let io_error = |error: std::io::Error| QueueError::Files(format!("{}: {error}", path.display()));
    let options = OpenOptions::new().create(true).read(true).write(true).truncate(false).mode(0o600).clone();
    let mut file = options.open(path).map_err(io_error)?;
    if file.try_lock().is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder).map_err(io_error)?;
        return Err(locked(holder.trim().to_owned()));
    }
    file.set_len(0).map_err(io_error)?;
    writeln!(file, "{holder}").map_err(io_error)?;
    Ok(file)
}
