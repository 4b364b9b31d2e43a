//! Meta's notifications as events, and events as the bytes that travel in the queue: pure, no IO, no clock.

mod envelope;
mod names;

pub use envelope::{DecodeError, Envelope, Field, Letter, Wire};
pub use names::{Address, Class, Effect, EventId, EventType, Lane};
