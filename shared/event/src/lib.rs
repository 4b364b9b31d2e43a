//! Meta's notifications as events, and events as the bytes that travel in the queue: pure, no IO, no clock.
