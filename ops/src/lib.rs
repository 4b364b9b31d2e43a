//! The operator's command: keys, channels, queues, stand-ins and the demonstration.

mod channels;
mod cli;
mod connect_link;
mod dead_letters;
mod demo;
mod doctor;
pub mod dsk;
mod erase;
mod explain;
mod files;
pub mod graph;
mod keys;
mod open;
pub mod samples;
mod standalone;
mod status;
mod topology;
pub mod webhook;

pub use cli::{Cli, run};
pub use standalone::Standalone;
