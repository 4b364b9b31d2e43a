//! Reads what a person names: a file, or `-` for standard input. Secrets come this way, never as an argument.

use std::io::Read as _;
use std::path::Path;

use chassis::Secret;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Reads a file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::usage(format!("can't read {}: {error}", path.display()));
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(unreadable)?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(unreadable)
}

/// Reads a secret from a file, without the newline that editors add.
pub(crate) fn read_secret(path: &Path) -> Result<Secret, Failure> {
    let bytes = Zeroizing::new(read(path)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage(format!("{} is not text", path.display())))?;
    match text.trim() {
        "" => Err(Failure::usage(format!("{} is empty: write the secret into it", path.display()))),
        secret => Ok(Secret::new(secret)),
    }
}
