//! The service as an operator starts, watches and repairs it.

mod alerts;
mod commands;
mod composition;
mod console;
mod console_find;
mod console_overview;
mod console_pages;
mod contacts;
mod containers;
mod dead_letters;
mod doctor;
mod endings;
mod events;
mod installing;
mod logs;
mod on_disk;
mod quiet;
mod redis_kinds;
#[cfg(feature = "long")]
mod reverse_proxy;
mod rights;
mod setting_up;
mod settings;
mod stand_in;
mod standalone;
mod stopping;
mod supervised;
