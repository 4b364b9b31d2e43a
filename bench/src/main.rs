//! `cargo run --release -p bench -- accept|deliver|embedded`: whole processes on a private RabbitMQ and Redis, and a named
//! reference, in turn in the same run.

mod accept;
mod deliver;
mod embedded;
mod report;
mod rig;
mod sink;

use clap::{Parser, Subcommand};

/// Measures the whole service against a named reference in the same run.
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
    /// From a full queue to a local sink; the reference is a bare lapin consumer and a bare HTTP client.
    Deliver(Options),
    /// Signed notifications until 200 on a queue in files; the reference is single fsyncs of the same disk.
    Embedded(Options),
}

/// How to measure.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Options {
    /// Events in each round.
    #[arg(long, default_value_t = 30_000)]
    events: usize,
    /// Rounds, each of ours and of the reference.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections that post, or dispatchers that deliver.
    #[arg(long)]
    parallel: Option<usize>,
    /// Envelopes in hand at once when delivering, for both (default: the dispatcher's).
    #[arg(long)]
    window: Option<u16>,
    /// Ends with one line of JSON.
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
