//! RabbitMQ as a cluster of three nodes: whatever happens to one of them, nothing is lost and the pause is short.

mod load;
mod nodes;
