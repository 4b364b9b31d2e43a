//! The scenarios: real processes, real RabbitMQ, real Redis; only Meta and DSK are played.

mod accepting;
mod alerts;
mod bodies;
mod composed;
mod configuration;
mod containers;
mod dead_letters;
mod business;
mod delivering;
mod doctor;
mod documents;
mod embedded;
mod faults;
mod house;
mod kubernetes;
#[cfg(feature = "long")]
mod long;
mod neighbours;
mod operating;
mod outages;
#[cfg(feature = "long")]
mod proxy;
mod poison;
mod retrying;
mod secrecy;
mod shown;
mod settling;
mod stack;
mod starting;
mod stopping;
mod watching;
