//! The commands of `ops`, and how each one ends.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::failure::Failure;
use crate::{
    channels, connect_link, console, dead_letters, demo, doctor, erase, events, export, hold, init, install, keys,
    output, play_dsk, standalone, status, topology, webhook,
};

/// Runs, feeds and watches the Meta Integration Service.
#[derive(Debug, Parser)]
#[command(name = "ops", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the whole service at work, in one process and a temporary folder.
    Demo(demo::Demo),
    /// Runs ingest and dispatcher in one process, on files instead of servers.
    Standalone(Box<standalone::Standalone>),
    /// Sets this machine up: makes key ring, secrets and a settings file, and checks them.
    Init(Box<init::Init>),
    /// Makes keys for the key ring, and moves tokens from one key to the next.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Stores, shows and removes channels.
    #[command(subcommand)]
    Channels(channels::Channels),
    /// Makes a link with which a business connects its channels.
    ConnectLink(Box<connect_link::ConnectLink>),
    /// Lists, shows, replays and discards dead letters: events that were parked for a person.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// Says where an event is and what has become of it.
    #[command(subcommand)]
    Events(events::Events),
    /// Shows what this service holds about a contact, a channel or a tenant, and since when.
    Export(export::Export),
    /// Removes what this service still stores about a contact, a channel or a tenant.
    Erase(erase::Erase),
    /// Holds a contact's events back, neither delivered nor erased, or releases them.
    Hold(hold::Hold),
    /// Plays Meta: signs and posts notifications, and explains them.
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// Plays DSK: checks and shows the requests that it gets, and fails on demand.
    Dsk(play_dsk::PlayDsk),
    /// Checks settings, keys, queue, channels, DSK and clock, and says how to repair what is wrong.
    Doctor(Box<doctor::Doctor>),
    /// Shows queues, dispatchers, pauses and channels on one screen.
    Status(status::Status),
    /// Serves pages in a browser that show what the other commands show, and do what they do.
    Console(Box<console::Console>),
    /// Declares the queues, or checks them.
    Topology(topology::Topology),
    /// Prints completions for a shell.
    Completions(install::Completions),
    /// Writes manual pages into a folder.
    Man(install::Man),
}

/// Runs a command. Exit codes: 0 it succeeded; 1 it failed; 2 settings or arguments are wrong; 141 nobody read its
/// output to the end.
pub async fn run(cli: Cli) -> ExitCode {
    let Some(command) = cli.command else {
        return exit(Cli::command().print_help().map_err(output::failure));
    };
    exit(match command {
        Command::Demo(demo) => demo.run().await,
        Command::Standalone(standalone) => return standalone.run().await,
        Command::Console(console) => return console.run().await,
        Command::Init(init) => init.run().await,
        Command::Keys(keys) => keys.run().await,
        Command::Channels(channels) => channels.run().await,
        Command::ConnectLink(link) => link.run().await,
        Command::DeadLetters(dead_letters) => dead_letters.run().await,
        Command::Events(events) => events.run().await,
        Command::Export(export) => export.run().await,
        Command::Erase(erase) => erase.run().await,
        Command::Hold(hold) => hold.run().await,
        Command::Webhook(webhook) => webhook.run().await,
        Command::Dsk(dsk) => dsk.run().await,
        Command::Doctor(doctor) => doctor.run().await,
        Command::Status(status) => status.run().await,
        Command::Topology(topology) => topology.run().await,
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::Man(man) => man.run(Cli::command()),
    })
}

fn exit(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if let Some(text) = failure.text() {
        output::remark(format_args!("error: {text}"));
    }
    failure.exit_code()
}
