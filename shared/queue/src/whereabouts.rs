//! Where an envelope is in the queue, as far as anybody can look.

use event::EventId;

use crate::queue_name::QueueName;

/// Where an envelope is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Its event.
    pub id: EventId,
    /// The queue that it is in, or was taken from.
    pub queue: QueueName,
    /// Whether it was taken and is not settled.
    pub is_in_flight: bool,
}
