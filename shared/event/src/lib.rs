//! Turns Meta's notifications into events, and events into the bytes that travel in the queue. Pure: no IO, no clock.

mod body;
mod canonical;
mod content;
mod draft;
mod entry;
mod envelope;
mod event;
mod events;
mod ids;
mod json;
mod kind;
pub mod kinds;
mod media;
mod members;
mod messaging;
mod messaging_content;
mod names;
mod people;
mod persons;
mod roles;
mod scan;
mod spelling;
mod split;
mod time;
mod unrecognized;
mod whatsapp;
mod whatsapp_content;
mod whatsapp_kinds;
mod wrap;

pub use content::MessageKind;
pub use envelope::{DecodeError, Envelope, Field, Letter, Wire, trace_id};
pub use event::{Event, UNRECOGNIZED};
pub use names::{Address, Class, Effect, EventId, EventType, Family, Lane};
pub use persons::{PersonIds, mentions, person_lanes, persons, readable_body};
pub use split::split;
pub use unrecognized::UnrecognizedReason;
