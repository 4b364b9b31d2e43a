//! The figures of the page: from which series each is made, and how. One table for what the console reads from the
//! processes and for what it asks Prometheus.

use event::Class;
use queue::QueueName;

/// A figure. Its name says what it counts; the table below says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Figure {
    Ingests,
    Dispatchers,
    Connects,
    AcceptedMessages,
    AcceptedUpdates,
    NotificationsAccepted,
    NotificationsRefused,
    NotificationsSigned,
    NotificationsUnsigned,
    AnswerMedian,
    AnswerSlowest,
    QueueConnected,
    QueueBlocked,
    WaitingMessages,
    WaitingUpdates,
    WaitingForRetry,
    DeadLetters,
    Unconsumed,
    TakenMessages,
    TakenUpdates,
    Redelivered,
    DeliveredMessages,
    DeliveredUpdates,
    AgeMedianMessages,
    AgeSlowestMessages,
    AgeMedianUpdates,
    AgeSlowestUpdates,
    Skipped,
    Parked,
    ParkedNotHeld,
    GivenBack,
    InFlight,
    OldestInFlight,
    PausedUnavailable,
    PausedMisconfigured,
    AttemptsMisconfigured,
    Unopenable,
    KeysFewest,
    KeysMost,
    StoreConnected,
    StoreErrors,
    ReconnectNeeded,
    ChannelsConnected,
    TokensExpiring,
    SubscriptionsRepaired,
    SubscriptionsFailed,
    GraphFailed,
    GraphAsked,
    ConnectionsFailed,
    ConnectionsMade,
    FilesFailed,
    FilesServed,
}

/// How a figure is made of its series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Over {
    /// How much all together grow a second, over the last minute.
    Growth,
    /// That part of the observations of the last minute lies below it. The metric is a histogram.
    Quantile(f64),
    /// How many there are.
    Count,
    /// The sum of all.
    Sum,
    /// The largest. Every process shows the same depths, at different times.
    Largest,
    /// The smallest.
    Smallest,
    /// The largest for each value of the label, and the sum of those.
    SumOfLargest(&'static str),
}

/// Which values of a label count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    All,
    Of(&'static str, &'static [&'static str]),
    NotOf(&'static str, &'static [&'static str]),
}

/// How a figure is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition {
    pub(super) figure: Figure,
    pub(super) metric: &'static str,
    pub(super) only: Only,
    pub(super) over: Over,
}

const fn figure(figure: Figure, over: Over, metric: &'static str, only: Only) -> Definition {
    Definition { figure, metric, only, over }
}

const MESSAGES: Only = Only::Of("class", &[Class::Messages.as_str()]);
const UPDATES: Only = Only::Of("class", &[Class::Updates.as_str()]);
const MESSAGES_QUEUE: &str = QueueName::Class(Class::Messages).as_str();
const UPDATES_QUEUE: &str = QueueName::Class(Class::Updates).as_str();
const DEAD_QUEUE: &str = QueueName::Dead.as_str();
const REFUSED: Only = Only::Of("outcome", &["full", "unpublished"]);
const RETRIED: Only = Only::NotOf("queue", &[MESSAGES_QUEUE, UPDATES_QUEUE, DEAD_QUEUE]);
const DEAD: Only = Only::Of("queue", &[DEAD_QUEUE]);
const MISCONFIGURED: Only = Only::Of("outcome", &["misconfigured"]);
const FAILED: Only = Only::Of("outcome", &["failed"]);
const USELESS: Only = Only::Of("outcome", &["away", "timed_out", "server_error", "throttled", "unexpected"]);

/// In the order of [`Figure`].
#[rustfmt::skip]
pub(super) const FIGURES: [Definition; 52] = {
    use Figure as F;
    use Over::{Count, Growth, Largest, Quantile, Smallest, Sum, SumOfLargest};
    [
        figure(F::Ingests, Count, "ingest_bytes_in_flight", Only::All),
        figure(F::Dispatchers, Count, "dispatcher_unmarked_total", Only::All),
        figure(F::Connects, Count, "connect_tokens_expiring", Only::All),
        figure(F::AcceptedMessages, Growth, "ingest_events_total", MESSAGES),
        figure(F::AcceptedUpdates, Growth, "ingest_events_total", UPDATES),
        figure(F::NotificationsAccepted, Growth, "ingest_notifications_total", Only::Of("outcome", &["accepted"])),
        figure(F::NotificationsRefused, Growth, "ingest_notifications_total", REFUSED),
        figure(F::NotificationsSigned, Growth, "ingest_notifications_total", Only::NotOf("outcome", &["unsigned"])),
        figure(F::NotificationsUnsigned, Growth, "ingest_notifications_total", Only::Of("outcome", &["unsigned"])),
        figure(F::AnswerMedian, Quantile(0.5), "ingest_answer_seconds", Only::All),
        figure(F::AnswerSlowest, Quantile(0.99), "ingest_answer_seconds", Only::All),
        figure(F::QueueConnected, Smallest, "queue_connected", Only::All),
        figure(F::QueueBlocked, Largest, "queue_blocked", Only::All),
        figure(F::WaitingMessages, Largest, "queue_depth", Only::Of("queue", &[MESSAGES_QUEUE])),
        figure(F::WaitingUpdates, Largest, "queue_depth", Only::Of("queue", &[UPDATES_QUEUE])),
        figure(F::WaitingForRetry, SumOfLargest("queue"), "queue_depth", RETRIED),
        figure(F::DeadLetters, Largest, "queue_depth", DEAD),
        figure(F::Unconsumed, Largest, "queue_unconsumed", Only::All),
        figure(F::TakenMessages, Growth, "queue_taken_total", MESSAGES),
        figure(F::TakenUpdates, Growth, "queue_taken_total", UPDATES),
        figure(F::Redelivered, Growth, "queue_redelivered_total", Only::All),
        figure(F::DeliveredMessages, Growth, "dispatcher_delivered_total", MESSAGES),
        figure(F::DeliveredUpdates, Growth, "dispatcher_delivered_total", UPDATES),
        figure(F::AgeMedianMessages, Quantile(0.5), "dispatcher_event_age_seconds", MESSAGES),
        figure(F::AgeSlowestMessages, Quantile(0.99), "dispatcher_event_age_seconds", MESSAGES),
        figure(F::AgeMedianUpdates, Quantile(0.5), "dispatcher_event_age_seconds", UPDATES),
        figure(F::AgeSlowestUpdates, Quantile(0.99), "dispatcher_event_age_seconds", UPDATES),
        figure(F::Skipped, Growth, "dispatcher_skipped_total", Only::All),
        figure(F::Parked, Growth, "dispatcher_dead_letters_total", Only::All),
        figure(F::ParkedNotHeld, Growth, "dispatcher_dead_letters_total", Only::NotOf("reason", &["held"])),
        figure(F::GivenBack, Growth, "dispatcher_given_back_total", Only::All),
        figure(F::InFlight, Sum, "dispatcher_in_flight", Only::All),
        figure(F::OldestInFlight, Largest, "dispatcher_oldest_in_flight_seconds", Only::All),
        figure(F::PausedUnavailable, Sum, "dispatcher_pauses", Only::Of("reason", &["unavailable"])),
        figure(F::PausedMisconfigured, Largest, "dispatcher_pauses", Only::Of("reason", &["misconfigured"])),
        figure(F::AttemptsMisconfigured, Growth, "dispatcher_attempts_total", MISCONFIGURED),
        figure(F::Unopenable, Growth, "channels_unopenable_total", Only::All),
        figure(F::KeysFewest, Smallest, "channels_keys", Only::All),
        figure(F::KeysMost, Largest, "channels_keys", Only::All),
        figure(F::StoreConnected, Smallest, "channels_connected", Only::All),
        figure(F::StoreErrors, Growth, "channels_errors_total", Only::NotOf("reason", &["away", "conflict", "other_tenant"])),
        figure(F::ReconnectNeeded, Largest, "connect_channels", Only::Of("state", &["reconnect_needed"])),
        figure(F::ChannelsConnected, Largest, "connect_channels", Only::Of("state", &["connected"])),
        figure(F::TokensExpiring, Largest, "connect_tokens_expiring", Only::All),
        figure(F::SubscriptionsRepaired, Growth, "connect_subscription_checks_total", Only::Of("outcome", &["repaired"])),
        figure(F::SubscriptionsFailed, Growth, "connect_subscription_checks_total", FAILED),
        figure(F::GraphFailed, Growth, "connect_graph_requests_total", USELESS),
        figure(F::GraphAsked, Growth, "connect_graph_requests_total", Only::All),
        figure(F::ConnectionsFailed, Growth, "connect_connections_total", FAILED),
        figure(F::ConnectionsMade, Growth, "connect_connections_total", Only::Of("outcome", &["connected"])),
        figure(F::FilesFailed, Growth, "connect_media_total", Only::Of("outcome", &["unavailable", "broken"])),
        figure(F::FilesServed, Growth, "connect_media_total", Only::Of("outcome", &["served"])),
    ]
};

impl Definition {
    /// What is asked of Prometheus.
    pub(super) fn expression(&self) -> String {
        let selected = |ending: &str| format!("{}{ending}{}", self.metric, self.only.matchers());
        match self.over {
            Over::Growth => format!("sum(rate({}[1m]))", selected("")),
            Over::Quantile(part) => {
                format!("histogram_quantile({part}, sum by (le) (rate({}[1m])))", selected("_bucket"))
            }
            Over::Count => format!("count({})", selected("")),
            Over::Sum => format!("sum({})", selected("")),
            Over::Largest => format!("max({})", selected("")),
            Over::Smallest => format!("min({})", selected("")),
            Over::SumOfLargest(label) => format!("sum(max by ({label}) ({}))", selected("")),
        }
    }
}

impl Only {
    /// Whether a series counts that has this label value.
    pub(super) fn takes<'t>(self, label: impl FnOnce(&'static str) -> Option<&'t str>) -> bool {
        match self {
            Self::All => true,
            Self::Of(name, values) => label(name).is_some_and(|value| values.contains(&value)),
            Self::NotOf(name, values) => label(name).is_none_or(|value| !values.contains(&value)),
        }
    }

    fn matchers(self) -> String {
        match self {
            Self::All => String::new(),
            Self::Of(label, values) => format!("{{{label}=~\"{}\"}}", values.join("|")),
            Self::NotOf(label, values) => format!("{{{label}!~\"{}\"}}", values.join("|")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists every metric of the processes with its labels and their values; a test of its own compares it with them.
    const METRICS: &str = include_str!("../../../../docs/metrics.md");

    #[test]
    fn the_table_has_every_figure_in_its_order() {
        let numbers: Vec<usize> = FIGURES.iter().map(|definition| definition.figure as usize).collect();

        assert_eq!(numbers, (0..FIGURES.len()).collect::<Vec<_>>());
        assert_eq!(FIGURES.last().map(|last| last.figure), Some(Figure::FilesServed));
    }

    #[test]
    fn every_figure_is_made_of_metrics_and_label_values_that_the_processes_show() {
        for Definition { metric, only, over, .. } in FIGURES {
            let row = METRICS.lines().find(|line| line.starts_with(&format!("| `{metric}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/metrics.md has no {metric}"));
            let kind = row.split('|').nth(2).unwrap_or_default().trim();
            let expected = match over {
                Over::Growth => "counter",
                Over::Quantile(_) => "histogram",
                Over::Count => kind,
                Over::Sum | Over::Largest | Over::Smallest | Over::SumOfLargest(_) => "gauge",
            };
            assert_eq!(kind, expected, "{metric}");
            let (label, values) = match only {
                Only::All => continue,
                Only::Of(label, values) | Only::NotOf(label, values) => (label, values),
            };
            let shown = row.split_once(&format!("`{label}`: ")).unwrap_or_else(|| panic!("{metric} has no {label}")).1;
            let shown: Vec<&str> =
                shown.split([';', '|']).next().unwrap_or_default().split(", ").map(str::trim).collect();
            for value in values {
                assert!(shown.contains(value), "{metric} has no {label}={value}: {shown:?}");
            }
        }
    }

    #[test]
    fn prometheus_is_asked_for_the_same() {
        let expression = |figure: Figure| FIGURES[figure as usize].expression();

        assert_eq!(
            expression(Figure::NotificationsRefused),
            r#"sum(rate(ingest_notifications_total{outcome=~"full|unpublished"}[1m]))"#
        );
        assert_eq!(
            expression(Figure::AgeMedianMessages),
            r#"histogram_quantile(0.5, sum by (le) (rate(dispatcher_event_age_seconds_bucket{class=~"messages"}[1m])))"#
        );
        assert_eq!(
            expression(Figure::WaitingForRetry),
            r#"sum(max by (queue) (queue_depth{queue!~"meta.messages.v2|meta.updates.v2|meta.dead.v1"}))"#
        );
    }
}
