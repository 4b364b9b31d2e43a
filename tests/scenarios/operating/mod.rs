//! What an operator starts, reads and repairs.

mod alerts;
mod commands;
mod composition;
mod dead_letters;
mod doctor;
mod endings;
mod installing;
mod logs;
#[cfg(feature = "long")]
mod reverse_proxy;
mod settings;
mod standalone;
mod stopping;
