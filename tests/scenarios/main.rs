//! The scenarios: real processes, real RabbitMQ, real Redis; only Meta and DSK are played.

mod accepting;
mod connecting;
mod delivering;
mod documents;
mod operating;
mod support;
