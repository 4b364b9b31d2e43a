//! What the tests stand on: a private RabbitMQ and Redis, a cable that can be cut, waiting without sleeping.
