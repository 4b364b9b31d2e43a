//! The queue's promise, checked on a real RabbitMQ and on files, and against the traps that lapin and RabbitMQ hold.

mod contract;
mod dead;
mod faults;
mod rig;
mod traps;
