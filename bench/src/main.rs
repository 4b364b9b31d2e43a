//! `cargo run --release -p bench -- accept|deliver|embedded` measures whole processes, on a RabbitMQ and a Redis of their
//! own, and a named reference by turns.

mod accept;
mod deliver;
mod embedded;
mod report;
mod rig;
mod sink;

use clap::{Parser, Subcommand};

/// Measures whole processes against a named reference in the same run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Signed notifications until 200; the reference is a bare lapin publisher with confirms.
    Accept(Options),
    /// Deliveries from a full queue to a local sink; the reference is a bare lapin consumer and a bare HTTP client.
    Deliver(Options),
    /// Signed notifications until 200, with the embedded queue; the reference is single fsyncs on the same disk.
    Embedded(Options),
}

/// What to measure, and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Options {
    /// Events in each round.
    #[arg(long, default_value_t = 30_000)]
    events: usize,
    /// Rounds; each measures the reference and ours.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many connections post, or dispatchers deliver, at once.
    #[arg(long)]
    parallel: Option<usize>,
    /// Most attempts under way at once, for ours and the reference (default: the dispatcher's `MESSAGES_WINDOW`).
    #[arg(long)]
    window: Option<u16>,
    /// Prints one line of JSON at the end.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() {
    match Cli::parse().command {
        Command::Accept(options) => accept::run(options).await,
        Command::Deliver(options) => deliver::run(options).await,
        Command::Embedded(options) => embedded::run(options).await,
    }
}
