//! The documents, the container files and the architecture are what the programs are.

pub(crate) mod architecture;
mod configuration;
pub(crate) mod container_files;
pub(crate) mod dsk_contract;
mod kubernetes;
pub(crate) mod monitoring;
mod names;
mod runnable_commands;
