//! The scenarios: real processes, real RabbitMQ, real Redis; only Meta and DSK are played.

mod accepting;
mod alerts;
mod bodies;
mod configuration;
mod dead_letters;
mod delivering;
mod doctor;
mod documents;
mod embedded;
mod faults;
mod house;
#[cfg(feature = "long")]
mod long;
mod operating;
mod outages;
mod secrecy;
mod shown;
mod stack;
mod starting;
mod stopping;
mod watching;
