//! The queue between ingest and dispatcher: RabbitMQ, or SQLite on one machine. The only crate that names lapin.
