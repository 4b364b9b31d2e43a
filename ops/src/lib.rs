//! The operator's command: keys, channels, queues, stand-ins and the demonstration.

mod channels;
mod cli;
mod dead_letters;
mod demo;
mod doctor;
pub mod dsk;
mod explain;
mod files;
mod keys;
mod open;
pub mod samples;
mod standalone;
mod status;
mod topology;
pub mod webhook;

pub use cli::{Cli, run};
pub use standalone::Standalone;
