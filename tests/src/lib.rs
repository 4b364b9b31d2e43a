//! The scenarios: real processes, real RabbitMQ, real Redis; only Meta and DSK are played.
