//! `ops completions` and `ops man`: what a package installs beside the program, made from the program's own `--help`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::{self, outln};

/// Prints the completions of a shell. For bash, for example:
/// `ops completions bash > ~/.local/share/bash-completion/completions/ops`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

/// Writes the manual pages into a folder: one page for `ops`, and one for each command. For example:
/// `ops man ~/.local/share/man/man1`, and then `man ops-channels-add`.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The folder, which is created if it does not exist.
    folder: PathBuf,
}

impl Completions {
    pub(crate) fn run(self, mut ops: clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut ops, "ops", &mut script);
        output::text_as_is(format_args!("{}", String::from_utf8_lossy(&script)))
    }
}

impl Man {
    pub(crate) fn run(self, ops: clap::Command) -> Result<(), Failure> {
        let folder = self.folder.display();
        let unwritable = |error| Failure::runtime(format!("can't write manual pages into {folder}: {error}"));
        std::fs::create_dir_all(&self.folder).map_err(unwritable)?;
        clap_mangen::generate_to(ops, &self.folder).map_err(unwritable)?;
        outln!("Wrote ops.1 and a page for each command into {folder}")
    }
}
