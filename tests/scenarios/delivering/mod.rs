//! An accepted event is delivered, whatever breaks on the way.

mod accounts;
mod alarms;
mod answers;
mod copied_tokens;
mod crashes;
mod deferral;
#[cfg(feature = "long")]
mod drills;
mod embedded;
mod erasure_keys;
mod fairness;
mod faults;
mod limits;
#[cfg(feature = "long")]
mod order;
mod outages;
#[cfg(feature = "long")]
mod receiver_conversations;
#[cfg(feature = "long")]
mod receiver_faults;
#[cfg(feature = "long")]
mod receivers;
mod retry_queues;
mod undecodable;
