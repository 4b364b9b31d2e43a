//! The files of the workspace, for tests that hold documents and rules against the code.

use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace").to_owned()
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A path as it is written in the documents: from the workspace's folder.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Every file of the workspace with that ending, in alphabetical order.
pub(crate) fn files(ending: &str) -> Vec<PathBuf> {
    let mut matching = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the workspace can be read").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                matching.push(path);
            }
        }
    }
    assert!(!matching.is_empty(), "no file ends in {ending}: is this the workspace?");
    matching.sort();
    matching
}
