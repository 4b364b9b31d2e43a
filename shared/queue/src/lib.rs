//! The queue between ingest and dispatcher: RabbitMQ, or SQLite on one machine. The only crate that names lapin.
//!
//! [`Queue::open`] gives a [`Publisher`], whose [`Confirmed`] is the proof that an event is safe, and for each class a
//! [`Taker`], whose [`Taken`] envelopes belong to the queue until they are acknowledged.

mod amqp;
mod broker_address;
mod broker_queue;
mod dead_letter;
mod embedded;
mod error;
mod feed;
mod in_flight;
mod intake;
mod ledger;
mod metrics;
mod partition;
mod publisher;
mod queue;
mod queue_name;
mod receipts;
mod scan;
mod settings;
mod stand_in;
mod sweep_progress;
mod taker;
mod topology;
mod whereabouts;

pub use amqp::{Broker, BrokerNode};
pub use broker_queue::BrokerQueue;
pub use dead_letter::{DeadLetter, QUEUE_REASONS};
pub use error::QueueError;
pub use metrics::{ClassLabel, Metrics};
pub use partition::{Partition, PartitionSet};
pub use publisher::{Confirmed, Held, PublishError, Publisher};
pub use queue::Queue;
pub use queue_name::{QueueName, Tier};
pub use receipts::Receipts;
pub use scan::DeadLetterScan;
pub use settings::QueueSettings;
pub use stand_in::UNDECODABLE;
pub use sweep_progress::{ScanLimits, ScanTime, SweepProgress};
pub use taker::{Taken, Taker};
pub use topology::{Argument, CLASS_TTL, DEAD_BYTES_MAX, DEAD_TTL, DELIVERY_LIMIT, QueueSpec, topology};
pub use whereabouts::Whereabouts;
