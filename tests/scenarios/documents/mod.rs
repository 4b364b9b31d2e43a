//! The documents, the container files, the rules about code: each is compared with the programs.

mod architecture;
mod cluster_files;
mod code_rules;
mod configuration;
pub(crate) mod container_files;
mod container_limits;
mod dsk_contract;
mod kubernetes;
mod module_circles;
mod module_paths;
pub(crate) mod monitoring;
mod names;
pub(crate) mod readme_containers;
mod receivers;
mod runnable_commands;
mod units;
