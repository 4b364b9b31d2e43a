//! Makes the folder at once, completely or not at all, and readable by its owner only.

use std::fs::{File, OpenOptions, Permissions, read_dir, rename};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::made::{self, Made};
use super::settings_file::{FILE, SettingsFile};
use crate::failure::Failure;

/// Refuses a folder that holds something, and one whose name a settings file can't hold; `remedy` says what to do if it is in
/// use.
pub(super) fn check_unused(folder: &Path, remedy: &str) -> Result<(), Failure> {
    if folder.to_str().is_none_or(|name| name.contains(char::is_control)) {
        let name = folder.to_string_lossy().replace(char::is_control, "?");
        return Err(Failure::usage(format!("{name} has a name that no settings file can hold: give another one")));
    }
    let first = match read_dir(folder) {
        Ok(mut entries) => entries.next(),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::usage(format!("{} can't be used: {error}", folder.display()))),
    };
    let Some(entry) = first else { return Ok(()) };
    let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
    Err(Failure::usage(format!(
        "nothing was changed: {} is in use, it holds {}. {remedy}",
        folder.display(),
        name.display()
    )))
}

/// Makes the folder beside its place and then moves it there. The move fails if somebody else has put something there
/// meanwhile, so nothing is ever overwritten, and an interrupted command leaves no half of a folder.
pub(super) fn make(folder: &Path, made: &Made, settings: &SettingsFile) -> Result<(), Failure> {
    let failure = |error: io::Error| Failure::runtime(format!("{} can't be made: {error}", folder.display()));
    let parent = folder.parent().ok_or_else(|| Failure::usage("the folder / can't be used"))?;
    std::fs::create_dir_all(parent).map_err(failure)?;
    let only_owner = Permissions::from_mode(0o700);
    let new =
        tempfile::Builder::new().prefix(".ops-init-").permissions(only_owner).tempdir_in(parent).map_err(failure)?;
    fill(new.path(), made, settings).map_err(failure)?;
    rename(new.path(), folder).map_err(failure)?;
    // It is at its place, so there is nothing to remove.
    let _ = new.keep();
    sync(parent).map_err(failure)
}

fn fill(new: &Path, made: &Made, settings: &SettingsFile) -> io::Result<()> {
    let secrets = new.join(made::FOLDER);
    std::fs::DirBuilder::new().mode(0o700).create(&secrets)?;
    for file in made.files() {
        write(&secrets.join(file.name), file.text.expose())?;
    }
    write(&new.join(FILE), &settings.text())?;
    sync(&secrets)?;
    sync(new)
}

/// Only the owner may read any of the files: a settings file, too, says where everything is.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A key that a power cut takes away after the first token was sealed takes the token with it.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
