//! Maintenance of what Meta has given us: tokens are refreshed in time and checked daily, and subscriptions that Meta has
//! ended are made again. One process at a time does it.

mod check;
mod due;
mod rounds;

pub use check::{ChannelHealth, CheckMode, Maintenance};
pub use rounds::MaintenanceRound;
pub(crate) use rounds::run_rounds;
