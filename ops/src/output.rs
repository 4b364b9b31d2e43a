//! What commands write: the result to standard output, remarks to standard error.
//!
//! `println!` panics when the reader of a pipe has gone, so clippy forbids it in this crate and commands use [`outln!`].
//! It returns an error instead, with which the command ends in good order: temporary files are removed and tasks are
//! drained. (Letting SIGPIPE end the process would be shorter. But vectored writes to a socket whose peer has gone raise
//! the same signal, and it would end `ops standalone`.)

use std::fmt;
use std::io::{self, ErrorKind, Write as _};

use crate::failure::Failure;

/// Writes one line to standard output, as `println!` does, and returns a [`Failure`] where `println!` would panic.
macro_rules! outln {
    () => { $crate::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use outln;

/// Writes one line. Use [`outln!`].
pub(crate) fn line(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    text_as_is(format_args!("{text}\n"))
}

/// Writes text that brings its own line ends.
pub(crate) fn text_as_is(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_fmt(text).and_then(|()| output.flush()).map_err(failure)
}

/// Writes a remark to standard error. Where nobody reads it, nothing is lost.
pub(crate) fn remark(text: impl fmt::Display) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Tells a reader that has gone from a disk that is full.
pub(crate) fn failure(error: io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::OutputClosed;
    }
    Failure::runtime(format!("standard output can't be written to: {error}"))
}

/// A number with its noun: `1 contact`, `2 contacts`, `2 bodies`.
pub(crate) fn counted<N: fmt::Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return format!("{count} {noun}");
    }
    match noun.strip_suffix("dy") {
        Some(stem) => format!("{count} {stem}dies"),
        None => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_agrees_with_its_number() {
        let texts =
            [counted(0_usize, "token"), counted(1_u64, "contact"), counted(2_u32, "key"), counted(2_u32, "body")];

        assert_eq!(texts, ["0 tokens", "1 contact", "2 keys", "2 bodies"]);
    }
}
