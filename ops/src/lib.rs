//! The operator's command: keys, channels, queues, stand-ins and the demonstration.
