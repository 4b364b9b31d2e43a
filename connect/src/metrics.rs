//! What connect counts.

mod labels;

use channels::ChannelState;
use chassis::Registrar;
use jiff::Timestamp;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::graph::GraphError;
pub(crate) use labels::{Connection, File, Refused, SubscriptionCheck, TokenCheck};

/// What connect counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    refused: IntCounterVec,
    tickets: IntCounterVec,
    connections: IntCounterVec,
    disconnections: IntCounterVec,
    graph_requests: IntCounterVec,
    deletions: IntCounter,
    channels: IntGaugeVec,
    tokens_expiring: IntGauge,
    token_checks: IntCounterVec,
    subscription_checks: IntCounterVec,
    care_finished: IntGauge,
    files: IntCounterVec,
    file_bytes: IntCounter,
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
            channels: new.gauges("connect_channels", "Channels, by the state of their token at Meta.", "state")?,
            tokens_expiring: new
                .gauge("connect_tokens_expiring", "Channels whose token at Meta ends within 7 days, or has ended.")?,
            token_checks: new.counters(
                "connect_token_checks_total",
                "Care for channels' tokens at Meta, by what it came to.",
                "outcome",
            )?,
            subscription_checks: new.counters(
                "connect_subscription_checks_total",
                "Looks at channels' subscriptions at Meta; repaired: Meta had ended it.",
                "outcome",
            )?,
            care_finished: new.gauge(
                "connect_care_finished_timestamp_seconds",
                "When this process last finished a round of care for tokens and subscriptions, seconds since 1970.",
            )?,
            files: new.counters(
                "connect_media_total",
                "Files that DSK asked for, by what became of them.",
                "outcome",
            )?,
            file_bytes: new.counter("connect_media_bytes_total", "Bytes of files sent to DSK.")?,
        };
        metrics.begin();
        Ok(metrics)
    }

    /// Each label value at 0.
    fn begin(&self) {
        for state in [ChannelState::Connected, ChannelState::ReconnectNeeded] {
            self.channels(state, 0);
        }
        for outcome in TokenCheck::ALL {
            self.token_checks.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for outcome in SubscriptionCheck::ALL {
            self.subscription_checks.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for outcome in File::ALL {
            self.files.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for what in Refused::ALL {
            self.refused.with_label_values(&[what.as_str()]).inc_by(0);
        }
        for outcome in ["issued", "redeemed"] {
            self.tickets.with_label_values(&[outcome]).inc_by(0);
        }
        for outcome in Connection::ALL {
            self.connections.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        for outcome in ["told", "untold"] {
            self.disconnections.with_label_values(&[outcome]).inc_by(0);
        }
        for outcome in GraphError::LABELS.into_iter().chain(["answered"]) {
            self.graph_requests.with_label_values(&[outcome]).inc_by(0);
        }
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

    pub(crate) fn channels(&self, state: ChannelState, count: usize) {
        self.channels.with_label_values(&[state.as_str()]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn tokens_expiring(&self, count: usize) {
        self.tokens_expiring.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn token_checked(&self, outcome: TokenCheck) {
        self.token_checks.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(crate) fn subscription_checked(&self, outcome: SubscriptionCheck) {
        self.subscription_checks.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(crate) fn care_finished(&self, at: Timestamp) {
        self.care_finished.set(at.as_second());
    }

    pub(crate) fn file(&self, outcome: File) {
        self.files.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(crate) fn file_bytes(&self, bytes: u64) {
        self.file_bytes.inc_by(bytes);
    }

    pub(crate) fn asked_meta<T>(&self, answer: &Result<T, GraphError>) {
        let outcome = answer.as_ref().map_or_else(GraphError::label, |_| "answered");
        self.graph_requests.with_label_values(&[outcome]).inc();
    }
}
