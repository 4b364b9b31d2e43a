//! The queue's promise, tested on a real RabbitMQ and on files, and against the traps in lapin and RabbitMQ.

mod alarms;
mod contract;
mod dead_letters;
mod faults;
mod files;
mod isolation;
mod looking;
mod nodes;
mod partitions;
mod rig;
mod traps;
mod version_1;
