//! Why a command did not do what it was asked to do.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a command failed. The text says what to do about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Settings or arguments are wrong, and nothing was done.
    Usage(String),
    /// The command was carried out and failed.
    Runtime(String),
    /// Nobody reads the output any more, as in `ops channels list | head -1`. This is not worth a message.
    OutputClosed,
}

/// What a shell sees of a program that SIGPIPE ended. A script with `pipefail` learns that the command was cut short.
const OUTPUT_CLOSED: u8 = 141;

impl Failure {
    pub(crate) fn usage(error: impl Display) -> Self {
        Self::Usage(error.to_string())
    }

    pub(crate) fn runtime(error: impl Display) -> Self {
        Self::Runtime(error.to_string())
    }

    /// What the person at the terminal should read, if anything.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Usage(text) | Self::Runtime(text) => Some(text),
            Self::OutputClosed => None,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(chassis::Problems::EXIT_CODE),
            Self::Runtime(_) => ExitCode::FAILURE,
            Self::OutputClosed => ExitCode::from(OUTPUT_CLOSED),
        }
    }
}

impl<E: Display + std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::runtime(error)
    }
}
