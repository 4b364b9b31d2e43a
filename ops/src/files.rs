//! Reading what a person names: a file, or `-` for standard input. Secrets come this way, never as an argument.

use std::io::Read as _;
use std::path::Path;

use chassis::Secret;

use crate::cli::Failed;

/// The file's bytes; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failed> {
    let failed = |error: std::io::Error| Failed::wrong(format!("can't read {}: {error}", path.display()));
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(failed)?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(failed)
}

/// A secret in a file, without the newline that editors add.
pub(crate) fn read_secret(path: &Path) -> Result<Secret, Failed> {
    let bytes = read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| Failed::wrong(format!("{} is no text", path.display())))?;
    match text.trim() {
        "" => Err(Failed::wrong(format!("{} is empty: write the secret into it", path.display()))),
        secret => Ok(Secret::new(secret)),
    }
}
