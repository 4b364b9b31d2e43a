//! The documents, the container files and the architecture are what the programs are.

mod architecture;
mod code_rules;
mod configuration;
pub(crate) mod container_files;
pub(crate) mod dsk_contract;
mod kubernetes;
mod module_circles;
mod module_paths;
pub(crate) mod monitoring;
mod names;
mod runnable_commands;
