//! What a measurement can be asked for on the command line.

/// What to measure, and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Events in each round.
    #[arg(long, default_value_t = 30_000)]
    pub(crate) events: usize,
    /// Rounds; each measures the reference and ours.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// How many connections post, or dispatchers deliver, at once.
    #[arg(long)]
    pub(crate) parallel: Option<usize>,
    /// Most attempts under way at once, for ours and the reference (default: the dispatcher's `MESSAGES_WINDOW`).
    #[arg(long)]
    pub(crate) window: Option<u16>,
    /// Prints one line of JSON at the end.
    #[arg(long)]
    pub(crate) json: bool,
}
