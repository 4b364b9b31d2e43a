//! What a drill can be asked for on the command line.

use super::fault::Ground;

/// What to drill.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct DrillOptions {
    /// Decides what happens when; the same seed makes the same plan.
    #[arg(long)]
    pub(crate) seed: u64,
    /// How long load runs.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes: u64,
    /// What the service runs on.
    #[arg(long, value_enum, default_value_t = Ground::Rabbitmq)]
    pub(crate) on: Ground,
    /// Events a second.
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: u32,
}

impl DrillOptions {
    /// The command that makes this drill again.
    pub(crate) fn command(&self) -> String {
        let Self { seed, minutes, on, rate } = self;
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        format!("cargo run{profile} -p bench -- drill --seed {seed} --minutes {minutes} --on {on} --rate {rate}")
    }
}
