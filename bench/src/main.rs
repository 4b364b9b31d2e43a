//! `cargo run --release -p bench -- accept|deliver|embedded` measures whole processes, on a RabbitMQ and a Redis of their
//! own, and a named reference by turns.

mod accept;
mod deliver;
mod embedded;
mod options;
mod report;
mod rig;
mod sink;

use clap::{Parser, Subcommand};

use options::Options;

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

#[tokio::main]
async fn main() {
    match Cli::parse().command {
        Command::Accept(options) => accept::run(options).await,
        Command::Deliver(options) => deliver::run(options).await,
        Command::Embedded(options) => embedded::run(options).await,
    }
}
