//! The queue between ingest and dispatcher: RabbitMQ, or SQLite on one machine. The only crate that names lapin.
//!
//! [`Queue::open`] gives a [`Publisher`], whose [`Confirmed`] is the proof that an event is safe, and for each class a
//! [`Taker`], whose [`Taken`] envelopes stay the queue's until they are acknowledged.

mod amqp;
mod dead;
mod embedded;
mod in_hand;
mod ledger;
mod metrics;
mod open;
mod place;
mod publisher;
mod settings;
mod taker;
mod topology;

pub use amqp::Broker;
pub use dead::{DeadLetter, DeadScan, QUEUE_REASONS, UNDECODABLE};
pub use metrics::Metrics;
pub use open::{OpenError, Queue};
pub use place::{Place, Tier};
pub use publisher::{Confirmed, PublishError, Publisher};
pub use settings::QueueSettings;
pub use taker::{Taken, Taker};
pub use topology::{Argument, CLASS_TTL, DEAD_TTL, QueueSpec, topology};
