//! What a measurement can be asked for on the command line.

use std::time::Duration;

/// What to measure, and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Events in each round.
    #[arg(long, default_value_t = 30_000)]
    pub(crate) events: usize,
    /// Rounds; each measures the references and ours.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// How many connections post, or dispatchers deliver, at once.
    #[arg(long)]
    pub(crate) parallel: Option<usize>,
    /// Most attempts under way at once, for ours and the references (default: the dispatcher's `MESSAGES_WINDOW`).
    #[arg(long)]
    pub(crate) window: Option<u16>,
    /// What DSK takes to answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub(crate) answer_ms: u64,
}

/// What to measure with a load that does not wait for anybody.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct LoadOptions {
    /// Rounds; each measures the bare pair and ours.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Seconds that each rate is held.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Notifications a second: where `through` begins, and half load for the others.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// Connections that post.
    #[arg(long, default_value_t = 64)]
    pub(crate) parallel: usize,
}

impl LoadOptions {
    pub(crate) fn time(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
