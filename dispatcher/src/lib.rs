//! The dispatcher takes envelopes from the queue and delivers each event to DSK, once in effect.

mod app;
mod attempt;
mod client;
mod course;
mod lanes;
mod lookups;
mod metrics;
mod policy;
mod remedy;
mod settings;
mod settle;
mod signature;
mod worker;

pub use app::{Dispatcher, start};
pub use client::Destination;
pub use metrics::Metrics;
pub use policy::{Next, Policy, Situation};
pub use remedy::{Cause, Reason, Remedy};
pub use settings::Settings;
pub use signature::SigningSecret;
