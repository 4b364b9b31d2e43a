//! `ops keys`: the keys that seal tokens.

use channels::new_key;
use clap::Subcommand;

/// Makes keys for the key ring.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Prints a new key. Put it into the file that `KEY_RING_FILE` names, apart from the channel store and its backups:
    /// tokens sealed with it open with nothing else.
    New,
}

impl Keys {
    pub(crate) fn run(self) {
        match self {
            Self::New => println!("{}", new_key().expose()),
        }
    }
}
