//! RabbitMQ as a cluster of three nodes, and Redis with sentinels or as a cluster: whatever happens to one of their servers,
//! nothing is lost and the pause is short.

mod composed_set;
mod load;
mod moments;
mod nodes;
mod redis_nodes;
mod sentinels;
mod store_load;
