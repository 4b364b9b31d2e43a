//! What becomes of an accepted event, whatever breaks.

mod answers;
mod crashes;
#[cfg(feature = "long")]
mod drills;
mod embedded;
mod fairness;
mod faults;
mod outages;
mod retry_queues;
mod undecodable;
