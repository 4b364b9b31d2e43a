//! The states of a connection that is made again whenever it breaks, and what such a connection is for.

use std::sync::{Arc, Weak};

use lapin::Connection;

use crate::error::QueueError;

/// The state of a link.
#[derive(Clone, Debug)]
pub(super) enum LinkState {
    Connecting,
    Connected(Arc<Connection>),
    /// The last attempt to connect failed.
    Away,
    /// The process can do nothing with this broker.
    Unusable(QueueError),
}

/// A connection that has to be replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspicion {
    connection: Weak<Connection>,
    /// Whether it is kept if there is no other node.
    pub(super) needs_other: bool,
}

impl Suspicion {
    pub(super) fn of(connection: &Arc<Connection>) -> Self {
        Self { connection: Arc::downgrade(connection), needs_other: false }
    }

    /// It is kept if there is no other node.
    pub(super) fn if_there_is_another(self) -> Self {
        Self { needs_other: true, ..self }
    }

    /// Whether it is about this connection.
    pub(super) fn is_about(&self, connection: &Arc<Connection>) -> bool {
        std::ptr::eq(self.connection.as_ptr(), Arc::as_ptr(connection))
    }
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Publishing on up to so many AMQP channels, and declaring queues.
    Publish { channels: usize, declaring: Declaring },
    /// Reading depths. The broker never blocks it, because nothing is published on it.
    Watch,
    /// Taking one class on up to so many AMQP channels.
    Take { class: &'static str, channels: usize },
}

/// Which queues are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declaring {
    /// Every one, so that one with other arguments is found.
    Every,
    /// Those that do not exist. A user who may not declare (ingest's) is refused otherwise, and broker and client log that.
    Missing,
}

impl Purpose {
    /// How many AMQP channels the broker has to grant.
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Publish { channels, .. } | Self::Take { channels, .. } => channels,
            Self::Watch => 1,
        }
    }

    /// As it appears in logs, and at the broker as part of the connection's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Publish { .. } => "publish",
            Self::Watch => "watch",
            Self::Take { class, .. } => class,
        }
    }
}

impl LinkState {
    pub(super) fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Connected(connection) if connection.status().connected() => Some(connection),
            Self::Connected(_) | Self::Connecting | Self::Away | Self::Unusable(_) => None,
        }
    }
}
