//! What is wrong now: the conditions of the alerts, as far as the figures of an hour show them. Pure.
//!
//! An alert waits until its condition has lasted for some minutes, so as not to wake anybody for a moment. Who looks at the
//! page is awake, so what is true now is shown now. Each text stays the same as long as it is shown: a screen reader reads it
//! aloud whenever it changes.

use std::time::Duration;

use ::channels::ChannelState;
use jiff::Timestamp;
use queue::QueueName;

use super::figures::Figure;
use super::history::History;
use super::standing::Standing;

/// Something that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Concern {
    /// The alert of `ops/prometheus/rules.yml`, and the entry of the runbook.
    pub(super) alert: &'static str,
    pub(super) severity: Severity,
    pub(super) says: &'static str,
}

/// Whether somebody is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Page,
    Ticket,
}

/// What is known.
pub(super) struct View<'a> {
    pub(super) history: &'a History,
    pub(super) standing: &'a Standing,
    pub(super) now: Timestamp,
}

struct Rule {
    concern: Concern,
    is_broken: fn(&View<'_>) -> bool,
}

const fn page(alert: &'static str, is_broken: fn(&View<'_>) -> bool, says: &'static str) -> Rule {
    Rule { concern: Concern { alert, severity: Severity::Page, says }, is_broken }
}

const fn ticket(alert: &'static str, is_broken: fn(&View<'_>) -> bool, says: &'static str) -> Rule {
    Rule { concern: Concern { alert, severity: Severity::Ticket, says }, is_broken }
}

/// In the order of `rules.yml`. Of several with one name the first that is broken counts.
#[expect(clippy::redundant_closure_for_method_calls, reason = "each row reads like the next")]
#[rustfmt::skip]
const RULES: [Rule; 30] = [
    page("IngestGone", |v| v.is_ingest_gone(), "No ingest shows its metrics, so probably none answers Meta either."),
    page("MetaIsRefused", |v| v.rate(Figure::NotificationsRefused, 2) > 0.05 * v.rate(Figure::NotificationsSigned, 2),
        "More than one in twenty notifications gets a 503. Meta switches a failing webhook off after an hour."),
    ticket("MetaIsRefused", |v| v.rate(Figure::NotificationsRefused, 2) > 0.0,
        "Some notifications get a 503; Meta sends them again."),
    page("SignaturesDoNotMatch", |v| v.do_signatures_not_match(),
        "None of the app secrets matches the signature of most notifications; they get a 401."),
    ticket("AcceptingIsSlow", |v| v.mean(Figure::AnswerMedian, 5) > 0.25 || v.mean(Figure::AnswerSlowest, 5) > 1.0,
        "Meta waits for its 200 longer than it asks for."),
    page("BrokerAway", |v| v.is_zero(Figure::QueueConnected) || v.standing.queues.is_err(),
        "RabbitMQ can't be reached by a process, or by this console."),
    page("BrokerBlocked", |v| v.value(Figure::QueueBlocked) > 0.0,
        "RabbitMQ is short of memory or disk and accepts nothing."),
    page("DispatchersGone", |v| v.are_dispatchers_gone(), "No dispatcher shows its metrics or reports, so nothing is delivered."),
    page("PartitionNotTaken", |v| v.is_a_partition_not_taken(), "Events wait in partitions from which no dispatcher takes."),
    page("EventsWaitTooLong", |v| v.do_messages_wait_too_long(),
        "Chat messages wait longer than a minute for DSK, or most of them do not arrive."),
    ticket("EventsWaitTooLong", |v| v.do_updates_wait_too_long(),
        "Status updates wait longer than 15 minutes, or some event is older than an hour."),
    page("DestinationUnavailable", |v| v.is_paused("unavailable", Figure::PausedUnavailable) && v.do_most_events_wait(),
        "DSK is unavailable (a breaker is open), and most events wait."),
    ticket("DestinationUnavailable", |v| v.is_paused("unavailable", Figure::PausedUnavailable),
        "A destination is unavailable (its breaker is open); its events wait."),
    ticket("DestinationMisconfigured", |v| v.is_paused("misconfigured", Figure::PausedMisconfigured),
        "DSK refuses the token or the address of a channel; its events wait."),
    ticket("ChannelRecordUnusable", |v| v.rate(Figure::AttemptsMisconfigured, 5) > 0.1,
        "Events wait because a channel's record can't be used, or because DSK refuses many channels."),
    page("TokensDoNotOpen", |v| v.grown(Figure::Unopenable, 1) > 0.0,
        "No key of the key ring opens some sealed tokens; the events of their channels wait."),
    ticket("KeyRingsDiffer", |v| v.value(Figure::KeysMost) > v.value(Figure::KeysFewest),
        "Not every process has the same number of keys in its key ring."),
    page("ChannelStoreAway", |v| v.is_the_store_away(),
        "Redis can't be reached by a process, or by this console, or it refuses requests. Dispatchers hold their events."),
    page("DeadLettersArrive", |v| v.do_many_dead_letters_arrive(),
        "For every twenty events delivered, more than one is parked as a dead letter."),
    ticket("DeadLettersArrive", |v| v.grown(Figure::Parked, 10) > 0.0,
        "Events were parked as dead letters in the last minutes; a person has to look at them."),
    ticket("DeadLettersAreForgotten", |v| v.are_there_dead_letters(),
        "Dead letters wait for a person. They are deleted after 14 days; the alert comes after 3."),
    ticket("EventsComeBackAgain", |v| v.do_events_come_back(),
        "RabbitMQ redelivers more than one envelope in ten; dispatchers crash or lose their connections."),
    page("ConnectGone", |v| v.is_connect_gone(),
        "No connect shows its metrics any more, so nobody can connect a channel, and DSK gets no files."),
    ticket("ChannelsNeedReconnecting", |v| v.do_channels_need_reconnecting(),
        "The token of some channel no longer works at Meta. Its owner has to connect it again."),
    ticket("TokensExpireSoon", |v| v.value(Figure::TokensExpiring) > 0.0,
        "The token of some channel expires at Meta within 7 days and was not refreshed."),
    ticket("SubscriptionsWereLost",
        |v| v.grown(Figure::SubscriptionsRepaired, 60) + v.grown(Figure::SubscriptionsFailed, 60) > 0.0,
        "Meta had ended a subscription; events from the time in between were never posted."),
    ticket("MetaIsAway",
        |v| v.grown(Figure::GraphFailed, 60) > 5.0 && v.grown(Figure::GraphFailed, 60) > 0.5 * v.grown(Figure::GraphAsked, 60),
        "Most requests to Meta get no useful answer, so DSK gets no files and nobody can connect a channel."),
    ticket("ConnectingFails",
        |v| v.grown(Figure::ConnectionsFailed, 60) > 2.0
            && v.grown(Figure::ConnectionsFailed, 60) > v.grown(Figure::ConnectionsMade, 60),
        "More attempts to connect a channel fail than succeed."),
    ticket("FilesDoNotReachDsk",
        |v| v.grown(Figure::FilesFailed, 15) > 5.0
            && v.grown(Figure::FilesFailed, 15) > 0.1 * v.grown(Figure::FilesServed, 15),
        "For every ten files that DSK gets, more than one that it asked for fails."),
    ticket("QueueNearItsLimit", |v| v.value(Figure::OldestInFlight) > 5.0 * 86_400.0,
        "An event has almost reached the 7 days that it may wait."),
];

/// What is wrong, the worst first.
pub(super) fn concerns(view: &View<'_>) -> Vec<Concern> {
    let mut concerns: Vec<Concern> = Vec::new();
    for Rule { concern, is_broken } in &RULES {
        if is_broken(view) && concerns.iter().all(|found| found.alert != concern.alert) {
            concerns.push(*concern);
        }
    }
    concerns.sort_by_key(|concern| concern.severity);
    concerns
}

impl View<'_> {
    /// A figure as it is now; 0 if nobody shows it.
    fn value(&self, figure: Figure) -> f64 {
        self.history.now(figure, self.now).unwrap_or_default()
    }

    /// Whether somebody shows this figure, and it is 0.
    fn is_zero(&self, figure: Figure) -> bool {
        self.history.now(figure, self.now).is_some_and(|value| value <= 0.0)
    }

    fn mean(&self, figure: Figure, minutes: u64) -> f64 {
        self.history.mean(figure, Duration::from_mins(minutes), self.now).unwrap_or_default()
    }

    /// How much it has grown a second.
    fn rate(&self, figure: Figure, minutes: u64) -> f64 {
        self.mean(figure, minutes)
    }

    /// How much it has grown in all.
    fn grown(&self, figure: Figure, minutes: u64) -> f64 {
        self.history.grown(figure, Duration::from_mins(minutes), self.now)
    }

    /// Whether a part of the service is missing among those that show their metrics.
    fn is_missing(&self, part: Figure) -> bool {
        self.history.is_fresh(self.now) && self.value(part) <= 0.0
    }

    fn is_ingest_gone(&self) -> bool {
        self.is_missing(Figure::Ingests)
    }

    fn are_dispatchers_gone(&self) -> bool {
        let do_some_report = self.standing.reports.as_ref().is_ok_and(|reports| !reports.is_empty());
        self.is_missing(Figure::Dispatchers) && !do_some_report
    }

    /// It need not run, so it is gone only if it has been there.
    fn is_connect_gone(&self) -> bool {
        let was_there = self.history.largest(Figure::Connects, Duration::from_hours(1), self.now);
        self.is_missing(Figure::Connects) && was_there.is_some_and(|count| count > 0.0)
    }

    /// Strangers also post without a valid signature.
    fn do_signatures_not_match(&self) -> bool {
        let unsigned = self.grown(Figure::NotificationsUnsigned, 10);
        unsigned > 10.0 && unsigned > self.grown(Figure::NotificationsAccepted, 10)
    }

    fn is_a_partition_not_taken(&self) -> bool {
        let queues = self.standing.queues.as_deref().unwrap_or_default();
        let is_without_taker = queues.iter().any(|queue| queue.waiting > 0 && queue.takers == Some(0));
        is_without_taker || self.value(Figure::Unconsumed) > 0.0
    }

    /// Whether what waits takes longer than this at the rate of the last minutes. What waits only for a moment does not count.
    fn takes_longer(&self, waiting: Figure, taken: Figure, seconds: f64, minutes: u64) -> bool {
        let waiting = self.history.smallest(waiting, Duration::from_mins(1), self.now).unwrap_or_default();
        waiting > seconds * self.rate(taken, minutes)
    }

    fn do_messages_wait_too_long(&self) -> bool {
        self.takes_longer(Figure::WaitingMessages, Figure::TakenMessages, 60.0, 5)
            || self.mean(Figure::AgeMedianMessages, 5) > 60.0
            || self.do_most_events_not_arrive()
    }

    fn do_updates_wait_too_long(&self) -> bool {
        let oldest = self.history.largest(Figure::OldestInFlight, Duration::from_hours(1), self.now);
        self.takes_longer(Figure::WaitingUpdates, Figure::TakenUpdates, 900.0, 15)
            || oldest.is_some_and(|seconds| seconds > 3_600.0)
    }

    /// What was accepted a minute ago or earlier should be settled by now.
    fn do_most_events_not_arrive(&self) -> bool {
        let accepted =
            |minutes| self.grown(Figure::AcceptedMessages, minutes) + self.grown(Figure::AcceptedUpdates, minutes);
        let settled = [Figure::DeliveredMessages, Figure::DeliveredUpdates, Figure::Skipped, Figure::Parked];
        let settled: f64 = settled.iter().map(|figure| self.grown(*figure, 10)).sum();
        let due = accepted(10) - accepted(2);
        due > 1.0 && due > 2.0 * settled
    }

    fn do_most_events_wait(&self) -> bool {
        let delivered = self.rate(Figure::DeliveredMessages, 5) + self.rate(Figure::DeliveredUpdates, 5);
        delivered <= 0.5 * (self.rate(Figure::AcceptedMessages, 5) + self.rate(Figure::AcceptedUpdates, 5))
    }

    /// Whether a dispatcher reports such a pause, or shows one in its metrics.
    fn is_paused(&self, reason: &str, figure: Figure) -> bool {
        let reports = self.standing.reports.as_deref().unwrap_or_default();
        let mut pauses = reports.iter().flat_map(|report| &report.paused);
        pauses.any(|pause| pause.reason == reason) || self.value(figure) > 0.0
    }

    fn is_the_store_away(&self) -> bool {
        let is_unreachable = self.standing.reports.is_err() || self.standing.channels.is_err();
        is_unreachable || self.is_zero(Figure::StoreConnected) || self.grown(Figure::StoreErrors, 1) > 0.0
    }

    fn do_many_dead_letters_arrive(&self) -> bool {
        let parked = self.grown(Figure::ParkedNotHeld, 10);
        let delivered = self.grown(Figure::DeliveredMessages, 10) + self.grown(Figure::DeliveredUpdates, 10);
        parked > 20.0 && parked > 0.05 * delivered
    }

    fn are_there_dead_letters(&self) -> bool {
        let queues = self.standing.queues.as_deref().unwrap_or_default();
        let are_any = queues.iter().any(|queue| queue.name == QueueName::Dead && queue.waiting > 0);
        are_any || self.value(Figure::DeadLetters) > 0.0
    }

    /// What a dispatcher gave back on purpose is redelivered, too. A few are those of a restart.
    fn do_events_come_back(&self) -> bool {
        let redelivered = self.grown(Figure::Redelivered, 10) - self.grown(Figure::GivenBack, 10);
        let taken = self.grown(Figure::TakenMessages, 10) + self.grown(Figure::TakenUpdates, 10);
        redelivered > 10.0 && redelivered > 0.1 * taken
    }

    fn do_channels_need_reconnecting(&self) -> bool {
        let counts = self.standing.channels.as_ref().ok();
        let counted = counts
            .and_then(|counts| counts.get(ChannelState::ReconnectNeeded.as_str()))
            .is_some_and(|count| *count > 0);
        counted || self.value(Figure::ReconnectNeeded) > 0.0
    }
}

#[cfg(test)]
mod tests;
