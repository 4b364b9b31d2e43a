//! The dispatcher takes envelopes from the queue and delivers each event to DSK, once in effect.

mod app;
mod attempt;
mod client;
mod destination;
mod eraser;
mod hand;
mod lookups;
mod metrics;
mod pauses;
mod policy;
mod remedy;
mod settings;
mod settle;
mod status;
mod steps;
mod worker;

pub use app::{Dispatcher, start};
pub use client::{Reached, reach};
pub use destination::{Allowed, Destination};
pub use metrics::Metrics;
pub use pauses::{Admission, Party, Pauses, Scope, Target};
pub use policy::{Next, Policy, Situation};
pub use remedy::{Cause, Reason, Remedy};
pub use settings::{DispatcherSettings, Settings};
