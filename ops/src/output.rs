//! What commands write: the result to standard output, remarks to standard error.
//!
//! `println!` panics when the reader of a pipe has gone, so clippy forbids it in this crate and commands use [`outln!`].
//! It returns an error instead, with which the command ends in good order: temporary files are removed and tasks are
//! drained. (Letting SIGPIPE end the process would be shorter. But vectored writes to a socket whose peer has gone raise
//! the same signal, and it would end `ops standalone`.)

use std::borrow::Cow;
use std::fmt::{self, Write as _};
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
    text_as_is(format_args!("{}\n", harmless(&text.to_string())))
}

/// Writes text that brings its own line ends.
pub(crate) fn text_as_is(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_fmt(text).and_then(|()| output.flush()).map_err(failure)
}

/// Writes a remark to standard error. Where nobody reads it, nothing is lost.
pub(crate) fn remark(text: impl fmt::Display) {
    writeln!(io::stderr().lock(), "{}", harmless(&text.to_string())).ok();
}

/// A text in which no character controls a terminal, or changes how the others are shown: much of what commands show was
/// written by strangers. The escapes are those of JSON, so a line of JSON stays one, and says the same.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(controls) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if controls(character) {
            write!(harmless, "\\u{:04x}", u32::from(character)).ok();
        } else {
            harmless.push(character);
        }
    }
    Cow::Owned(harmless)
}

/// All but the ends of lines and tabulators: control characters, and those that change the direction of what follows.
fn controls(character: char) -> bool {
    let is_direction = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_direction || character.is_control() && !matches!(character, '\n' | '\t')
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
    fn what_strangers_wrote_controls_no_terminal_and_json_stays_json() {
        let strange = "whatsapp.\u{1b}[2J\u{9b}31m\u{7f}\r\u{202e}x\ty\nz";
        let json = serde_json::json!({ "text": strange }).to_string();

        for shown in [harmless(strange), harmless(&json)] {
            let is_control =
                |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t') || letter == '\u{202e}';
            assert!(!shown.contains(is_control), "{shown:?}");
        }
        assert_eq!(harmless(strange), "whatsapp.\\u001b[2J\\u009b31m\\u007f\\u000d\\u202ex\ty\nz");
        let read: serde_json::Value = serde_json::from_str(&harmless(&json)).unwrap();
        assert_eq!(read["text"], strange, "it says the same");
        assert!(matches!(harmless("Müller & Söhne, 株式会社"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_noun_agrees_with_its_number() {
        let texts =
            [counted(0_usize, "token"), counted(1_u64, "contact"), counted(2_u32, "key"), counted(2_u32, "body")];

        assert_eq!(texts, ["0 tokens", "1 contact", "2 keys", "2 bodies"]);
    }
}
