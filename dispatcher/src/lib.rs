//! The dispatcher takes envelopes from the queue and delivers each event to DSK, once in effect.

mod answers;
mod app;
mod attempt;
mod client;
mod contacts;
mod deferred;
mod destination;
mod endpoint;
mod eraser;
mod group;
mod hand_overs;
mod lanes;
mod limiter;
mod lookups;
mod markers;
mod metrics;
mod notes;
mod pace;
mod parking;
mod pauses;
mod remedy;
mod retry_policy;
mod room;
mod runner;
mod settings;
mod settle;
#[cfg(test)]
mod simulation;
mod sources;
mod state;
mod status;
mod store_away;
mod systems;
mod tally;
mod trails;
mod turns;
mod unmarked;
mod worker;

pub use app::{Dispatcher, DispatcherParts, start};
pub use client::{HeadAnswer, reach};
pub use endpoint::Endpoint;
pub use metrics::Metrics;
pub use remedy::{Failure, Outcome, Reason, Remedy};
pub use settings::{DispatcherSettings, Settings};
