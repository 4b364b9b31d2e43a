//! `cargo run --release -p bench -- COMMAND` measures whole processes, on a RabbitMQ and a Redis of their own, and a named
//! reference by turns.

mod accept;
mod deliver;
mod drill;
mod embedded;
mod latency;
mod machine;
mod markdown;
mod notifications;
mod options;
mod outage;
mod pair;
mod plot;
mod processes;
mod report;
mod results;
mod rig;
mod scale;
mod sender;
mod sink;
mod soak;
mod through;
mod times;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use drill::DrillOptions;
use options::{LoadOptions, Options};

/// Measures whole processes against a named reference in the same run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Signed notifications until 200; the reference is a bare ingest: HTTP, signature, one confirmed publish.
    Accept(Options),
    /// Deliveries from a full queue to a local sink; the reference is a bare dispatcher: consume, sign, post, acknowledge.
    Deliver(Options),
    /// Signed notifications until 200, with the embedded queue; the reference is single fsyncs on the same disk.
    Embedded(Options),
    /// From a notification to DSK, faster and faster until events grow old; the reference is the bare pair.
    Through(LoadOptions),
    /// What an event costs as queues, channels, conversations, destinations, batches, sizes and dispatchers grow.
    Scale(Options),
    /// How long the backlog of an outage takes; the reference is the same backlog without an outage.
    Outage(LoadOptions),
    /// Memory under a steady load: use `--seconds 3600`.
    Soak(LoadOptions),
    /// Faults at moments that a seed decides, under load: what is lost, repeated, out of order or slow to come back.
    Drill(DrillOptions),
    /// Writes what was measured last into docs/performance.md and the README.
    Report,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Accept(options) => accept::run(options).await,
        Command::Deliver(options) => deliver::run(options).await,
        Command::Embedded(options) => embedded::run(options).await,
        Command::Through(options) => through::run(options).await,
        Command::Scale(options) => scale::run(options).await,
        Command::Outage(options) => outage::run(options).await,
        Command::Soak(options) => soak::run(options).await,
        Command::Drill(options) => return drill::run(options).await,
        Command::Report => report::run(),
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_documents_name_commands_that_exist_and_have_a_place_for_each_result() {
        let read = |path: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
            std::fs::read_to_string(path).expect("the document is there")
        };
        let commands = Cli::command();
        let exists: BTreeSet<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
        for path in ["docs/performance.md", "docs/scaling.md", "README.md", "CONTRIBUTING.md"] {
            for named in read(path).split("-p bench -- ").skip(1) {
                let command = named.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
                assert!(exists.contains(command), "{path} names {command:?}, and bench has {exists:?}");
            }
        }
        for name in report::COMMANDS {
            assert!(exists.contains(name), "{name}");
            assert!(read("docs/performance.md").contains(&format!("<!-- bench {name} -->\n")), "{name} has no place");
        }
        assert!(read("README.md").contains("<!-- bench through -->\n"));
    }
}
