//! The operator's command: keys, channels, queues, stand-ins and the demonstration.

// Both panic when the reader of a pipe has gone. `output` says what to use instead.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod address;
mod channels;
mod cli;
mod connect_link;
mod console;
mod contact;
mod dead_letters;
mod demo;
mod doctor;
pub mod dsk;
mod erase;
mod events;
mod explain;
mod export;
mod failure;
mod files;
pub mod graph;
mod hold;
mod init;
mod install;
mod keys;
mod listed_user;
mod logging;
mod open;
mod output;
mod play_dsk;
pub mod samples;
mod standalone;
mod status;
mod subject;
mod topology;
pub mod webhook;

pub use cli::{Cli, run};
pub use standalone::Standalone;
