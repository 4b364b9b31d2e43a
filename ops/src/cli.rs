//! What `ops` can be asked, and how it says that something went wrong.

use std::fmt::Display;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::{
    channels, connect_link, dead_letters, demo, doctor, dsk, erase, keys, standalone, status, topology, webhook,
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
    /// Makes keys for the key ring, and moves tokens from one to the next.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Stores, shows and removes channels.
    #[command(subcommand)]
    Channels(channels::Channels),
    /// Makes a link with which a business connects its channels.
    ConnectLink(Box<connect_link::ConnectLink>),
    /// Lists, shows, replays and discards what was parked for a person.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// Removes what is still here of a contact, a channel or a tenant.
    Erase(erase::Erase),
    /// Plays Meta: signs and posts notifications, and explains them.
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// Plays DSK: checks and shows what it gets, and fails when told to.
    Dsk(dsk::Command),
    /// Tries settings, keys, queue, channels, DSK and clock, and says what to do about what is wrong.
    Doctor(Box<doctor::Doctor>),
    /// Shows queues, dispatchers, pauses and channels on one screen.
    Status(status::Status),
    /// Declares the queues, or checks them.
    Topology(topology::Topology),
}

/// Why a command did not do what it was asked; the text says what to do about it.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Settings or arguments are wrong: nothing was done.
    Wrong(String),
    /// It was tried.
    Tried(String),
}

impl Failed {
    pub(crate) fn wrong(error: impl Display) -> Self {
        Self::Wrong(error.to_string())
    }

    pub(crate) fn tried(error: impl Display) -> Self {
        Self::Tried(error.to_string())
    }
}

impl<E: Display + std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::tried(error)
    }
}

/// Runs a command. Exit codes: 0 done; 1 tried and failed; 2 asked wrongly.
pub async fn run(cli: Cli) -> ExitCode {
    let Some(command) = cli.command else {
        return match Cli::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    };
    let done = match command {
        Command::Demo(demo) => demo.run().await,
        Command::Standalone(standalone) => return standalone.run().await,
        Command::Keys(keys) => keys.run().await,
        Command::Channels(channels) => channels.run().await,
        Command::ConnectLink(link) => link.run().await,
        Command::DeadLetters(dead_letters) => dead_letters.run().await,
        Command::Erase(erase) => erase.run().await,
        Command::Webhook(webhook) => webhook.run().await,
        Command::Dsk(dsk) => dsk.run().await,
        Command::Doctor(doctor) => doctor.run().await,
        Command::Status(status) => status.run().await,
        Command::Topology(topology) => topology.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Tried(text)) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
        Err(Failed::Wrong(text)) => {
            eprintln!("error: {text}");
            ExitCode::from(chassis::Problems::EXIT_CODE)
        }
    }
}
