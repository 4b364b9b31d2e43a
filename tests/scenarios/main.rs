//! The scenarios: real processes, real RabbitMQ, real Redis; only Meta and DSK are played.

mod accepting;
mod alerts;
mod bodies;
mod browser;
mod business;
mod care;
mod composed;
mod configuration;
mod connected;
mod connecting;
mod containers;
mod contract;
mod dead_letters;
mod delivering;
mod doctor;
mod documents;
mod embedded;
mod faults;
mod house;
mod kubernetes;
#[cfg(feature = "long")]
mod long;
mod media;
mod neighbours;
mod operating;
mod operator;
mod outages;
mod poison;
mod policy;
#[cfg(feature = "long")]
mod proxy;
mod recordings;
mod retrying;
mod rights;
mod secrecy;
mod settling;
mod shown;
mod stack;
mod standalone;
mod starting;
mod stopping;
mod walked;
mod watching;
