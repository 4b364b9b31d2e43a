//! The scenarios: real processes with a real RabbitMQ and Redis, and stand-ins for Meta and DSK only.

mod accepting;
#[cfg(feature = "long")]
mod clusters;
mod connecting;
mod delivering;
mod documents;
mod operating;
mod support;
