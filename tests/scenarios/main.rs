//! The scenarios: real processes, real RabbitMQ, real Redis; only Meta and DSK are played.

mod accepting;
mod bodies;
mod delivering;
mod embedded;
mod faults;
mod house;
mod secrecy;
mod stack;
mod starting;
mod stopping;
