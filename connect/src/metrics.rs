//! What connect counts.

use chassis::Registrar;
use prometheus::{IntCounter, IntCounterVec, Registry};

use crate::graph::GraphError;

/// What connect counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    refused: IntCounterVec,
    tickets: IntCounterVec,
    connections: IntCounterVec,
    disconnections: IntCounterVec,
    graph_requests: IntCounterVec,
    deletions: IntCounter,
}

/// What was refused, because it was stolen, used, expired, altered or too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    ApiKey,
    Link,
    Session,
    Form,
    State,
    Rate,
    SignedRequest,
}

impl Refused {
    const ALL: [Self; 7] =
        [Self::ApiKey, Self::Link, Self::Session, Self::Form, Self::State, Self::Rate, Self::SignedRequest];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Link => "link",
            Self::Session => "session",
            Self::Form => "form",
            Self::State => "state",
            Self::Rate => "rate",
            Self::SignedRequest => "signed_request",
        }
    }
}

/// How an attempt to connect a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Connected,
    Cancelled,
    Failed,
}

impl Connection {
    const ALL: [Self; 3] = [Self::Connected, Self::Cancelled, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

impl Metrics {
    /// Registers all of them, each label value at 0.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let new = Registrar(registry);
        let metrics = Self {
            refused: new.counters(
                "connect_refused_total",
                "Requests refused because what they showed was stolen, used, expired, altered, or came too often.",
                "what",
            )?,
            tickets: new.counters("connect_tickets_total", "Tickets, by what became of them.", "outcome")?,
            connections: new.counters("connect_connections_total", "Attempts to connect a channel.", "outcome")?,
            disconnections: new.counters(
                "connect_disconnections_total",
                "Channels disconnected on the page, by whether Meta was told.",
                "outcome",
            )?,
            deletions: new.counter("connect_deletions_total", "Deletions that people asked for through Meta.")?,
            graph_requests: new.counters("connect_graph_requests_total", "Requests to Meta, by outcome.", "outcome")?,
        };
        for what in Refused::ALL {
            metrics.refused.with_label_values(&[what.as_str()]).inc_by(0);
        }
        for outcome in ["issued", "redeemed"] {
            metrics.tickets.with_label_values(&[outcome]).inc_by(0);
        }
        for outcome in Connection::ALL {
            metrics.connections.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for outcome in ["told", "untold"] {
            metrics.disconnections.with_label_values(&[outcome]).inc_by(0);
        }
        for outcome in GraphError::LABELS.into_iter().chain(["answered"]) {
            metrics.graph_requests.with_label_values(&[outcome]).inc_by(0);
        }
        Ok(metrics)
    }

    pub(crate) fn refused(&self, what: Refused) {
        self.refused.with_label_values(&[what.as_str()]).inc();
    }

    pub(crate) fn issued(&self) {
        self.tickets.with_label_values(&["issued"]).inc();
    }

    pub(crate) fn redeemed(&self) {
        self.tickets.with_label_values(&["redeemed"]).inc();
    }

    pub(crate) fn connection(&self, outcome: Connection) {
        self.connections.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(crate) fn disconnected(&self, was_meta_told: bool) {
        let outcome = if was_meta_told { "told" } else { "untold" };
        self.disconnections.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn deletion(&self) {
        self.deletions.inc();
    }

    pub(crate) fn asked_meta<T>(&self, answer: &Result<T, GraphError>) {
        let outcome = answer.as_ref().map_or_else(GraphError::label, |_| "answered");
        self.graph_requests.with_label_values(&[outcome]).inc();
    }
}
