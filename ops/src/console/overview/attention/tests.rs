//! Tests of what is called wrong, and when.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the figures that it is about")]

use serde_json::json;

use super::*;
use crate::console::overview::history::Round;
use crate::status::reading::{Report, WaitingQueue};

const RULES_FILE: &str = include_str!("../../../../prometheus/rules.yml");
const RUNBOOK: &str = include_str!("../../../../runbook.md");

fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + seconds, 0)
}

/// Everything is well, and nobody takes notice.
#[expect(clippy::unnecessary_wraps, reason = "a figure that nobody shows is `None` elsewhere")]
fn calm(figure: Figure) -> Option<f64> {
    match figure {
        Figure::Ingests | Figure::Dispatchers | Figure::Connects | Figure::QueueConnected | Figure::StoreConnected => {
            Some(1.0)
        }
        Figure::KeysFewest | Figure::KeysMost => Some(2.0),
        Figure::AcceptedMessages | Figure::DeliveredMessages | Figure::TakenMessages | Figure::NotificationsSigned => {
            Some(5.0)
        }
        Figure::NotificationsAccepted => Some(5.0),
        Figure::AgeMedianMessages | Figure::AgeSlowestMessages | Figure::AnswerMedian | Figure::AnswerSlowest => {
            Some(0.02)
        }
        _ => Some(0.0),
    }
}

/// Twenty minutes of figures, the last of them now.
fn history(figure: impl Fn(Figure, i64) -> Option<f64>) -> History {
    let mut history = History::default();
    for seconds in (-1_200..=0).step_by(5) {
        history.push(Round::new(at(seconds), |one| figure(one, seconds)));
    }
    history
}

/// Twenty minutes in which everything is well, but one figure has that value for the last so many seconds.
fn odd(figure: Figure, value: Option<f64>, seconds: i64) -> History {
    history(|one, at| if one == figure && at > -seconds { value } else { calm(one) })
}

fn reports() -> Vec<Report> {
    let report = json!({ "instance": "d-1", "classes": {}, "paused": [] });
    Report::all([report].iter())
}

fn standing() -> Standing {
    let queues = QueueName::ALL.map(|name| WaitingQueue { name, waiting: 0, takers: Some(2) });
    Standing { queues: Ok(queues.to_vec()), reports: Ok(reports()), channels: Ok([("connected", 3)].into()) }
}

/// The alerts of what is wrong, those that wake somebody with a `!`.
fn wrong(history: &History, standing: &Standing) -> Vec<String> {
    let concerns = concerns(&View { history, standing, now: at(0) });
    let mark = |severity| if severity == Severity::Page { "!" } else { "" };
    concerns.iter().map(|concern| format!("{}{}", concern.alert, mark(concern.severity))).collect()
}

#[test]
fn every_concern_is_an_alert_of_the_rules_and_has_an_entry_in_the_runbook() {
    for Rule { concern, .. } in &RULES {
        let Concern { alert, severity, .. } = concern;
        let word = if *severity == Severity::Page { "page" } else { "ticket" };
        let rules = RULES_FILE.split("- alert: ").skip(1);
        let is_rule = |rule: &str| {
            rule.starts_with(&format!("{alert}\n")) && rule.contains(&format!("labels: {{ severity: {word} }}"))
        };
        assert!(rules.into_iter().any(is_rule), "there is no alert {alert} with the severity {word}");
        assert!(RUNBOOK.contains(&format!("\n### {alert}\n")), "the runbook has no entry for {alert}");
    }
}

#[test]
fn nothing_is_wrong_while_the_service_is_healthy_or_idle() {
    let idle = history(|figure, _| match figure {
        Figure::AcceptedMessages | Figure::DeliveredMessages | Figure::TakenMessages => Some(0.0),
        Figure::AgeMedianMessages | Figure::AgeSlowestMessages | Figure::AnswerMedian | Figure::AnswerSlowest => None,
        figure => calm(figure),
    });

    assert_eq!(wrong(&history(|figure, _| calm(figure)), &standing()), [""; 0]);
    assert_eq!(wrong(&idle, &standing()), [""; 0]);
    assert_eq!(wrong(&History::default(), &standing()), [""; 0], "nothing was looked at yet");
}

#[test]
fn each_condition_is_called_by_the_name_of_its_alert() {
    let hour = 1_200;
    for (figure, value, seconds, expected) in [
        (Figure::Ingests, None, 5, "IngestGone!"),
        (Figure::NotificationsRefused, Some(1.0), hour, "MetaIsRefused!"),
        (Figure::NotificationsRefused, Some(0.01), hour, "MetaIsRefused"),
        (Figure::NotificationsUnsigned, Some(9.0), hour, "SignaturesDoNotMatch!"),
        (Figure::AnswerMedian, Some(0.3), hour, "AcceptingIsSlow"),
        (Figure::AnswerSlowest, Some(1.5), hour, "AcceptingIsSlow"),
        (Figure::QueueConnected, Some(0.0), 5, "BrokerAway!"),
        (Figure::QueueBlocked, Some(1.0), 5, "BrokerBlocked!"),
        (Figure::Unconsumed, Some(3.0), 5, "PartitionNotTaken!"),
        (Figure::WaitingMessages, Some(400.0), hour, "EventsWaitTooLong!"),
        (Figure::AgeMedianMessages, Some(61.0), hour, "EventsWaitTooLong!"),
        (Figure::DeliveredMessages, Some(0.0), hour, "EventsWaitTooLong!"),
        (Figure::WaitingUpdates, Some(1.0), hour, "EventsWaitTooLong"),
        (Figure::OldestInFlight, Some(3_700.0), 5, "EventsWaitTooLong"),
        (Figure::PausedUnavailable, Some(1.0), 5, "DestinationUnavailable"),
        (Figure::PausedMisconfigured, Some(2.0), 5, "DestinationMisconfigured"),
        (Figure::AttemptsMisconfigured, Some(0.2), hour, "ChannelRecordUnusable"),
        (Figure::Unopenable, Some(0.1), 60, "TokensDoNotOpen!"),
        (Figure::KeysFewest, Some(1.0), 5, "KeyRingsDiffer"),
        (Figure::StoreConnected, Some(0.0), 5, "ChannelStoreAway!"),
        (Figure::StoreErrors, Some(1.0), 60, "ChannelStoreAway!"),
        (Figure::ParkedNotHeld, Some(1.0), hour, "DeadLettersArrive!"),
        (Figure::Parked, Some(0.1), hour, "DeadLettersArrive"),
        (Figure::DeadLetters, Some(1.0), 5, "DeadLettersAreForgotten"),
        (Figure::Redelivered, Some(2.0), hour, "EventsComeBackAgain"),
        (Figure::Connects, None, 5, "ConnectGone!"),
        (Figure::ReconnectNeeded, Some(1.0), 5, "ChannelsNeedReconnecting"),
        (Figure::TokensExpiring, Some(1.0), 5, "TokensExpireSoon"),
        (Figure::SubscriptionsRepaired, Some(0.1), 60, "SubscriptionsWereLost"),
        (Figure::GraphFailed, Some(1.0), hour, "MetaIsAway"),
        (Figure::ConnectionsFailed, Some(0.1), hour, "ConnectingFails"),
        (Figure::FilesFailed, Some(1.0), hour, "FilesDoNotReachDsk"),
    ] {
        assert_eq!(wrong(&odd(figure, value, seconds), &standing()), [expected], "{figure:?}");
    }
    assert_eq!(
        wrong(&odd(Figure::OldestInFlight, Some(6.0 * 86_400.0), 5), &standing()),
        ["EventsWaitTooLong", "QueueNearItsLimit"]
    );
}

#[test]
fn an_outage_of_dsk_is_grave_when_most_events_wait() {
    let outage = history(|figure, _| match figure {
        Figure::PausedUnavailable => Some(1.0),
        Figure::DeliveredMessages => Some(1.0),
        figure => calm(figure),
    });

    assert_eq!(wrong(&outage, &standing()), ["EventsWaitTooLong!", "DestinationUnavailable!"]);
}

#[test]
fn what_queue_and_dispatchers_say_of_themselves_counts_before_any_metric_does() {
    let nothing = History::default();
    let mut paused = standing();
    let report = json!({ "instance": "d-1", "paused": [
        { "reason": "unavailable", "what": "https://dsk.example" }, { "reason": "misconfigured", "what": "whatsapp:1" },
    ]});
    paused.reports = Ok(Report::all([report].iter()));
    let mut not_taken = standing();
    not_taken.queues = Ok(vec![WaitingQueue { name: QueueName::ALL[1], waiting: 5, takers: Some(0) }]);
    let mut parked = standing();
    parked.queues = Ok(vec![WaitingQueue { name: QueueName::Dead, waiting: 1, takers: None }]);
    let mut dead_token = standing();
    dead_token.channels = Ok([("connected", 3), ("reconnect_needed", 1)].into());

    assert_eq!(wrong(&nothing, &paused), ["DestinationUnavailable!", "DestinationMisconfigured"]);
    assert_eq!(wrong(&nothing, &not_taken), ["PartitionNotTaken!"]);
    assert_eq!(wrong(&nothing, &parked), ["DeadLettersAreForgotten"]);
    assert_eq!(wrong(&nothing, &dead_token), ["ChannelsNeedReconnecting"]);
}

#[test]
fn servers_that_are_away_are_named_whoever_notices_it() {
    let calm = history(|figure, _| calm(figure));
    let away = || "Redis does not answer".to_owned();
    let without_redis = Standing { reports: Err(away()), channels: Err(away()), ..standing() };
    let without_broker = Standing { queues: Err(away()), ..standing() };

    assert_eq!(wrong(&calm, &without_redis), ["ChannelStoreAway!"]);
    assert_eq!(wrong(&calm, &without_broker), ["BrokerAway!"]);
}

#[test]
fn dispatchers_that_report_are_not_gone_when_only_their_metrics_are_out_of_reach() {
    let unseen = odd(Figure::Dispatchers, None, 1_200);
    let silent = Standing { reports: Ok(Vec::new()), ..standing() };

    assert_eq!(wrong(&unseen, &standing()), [""; 0]);
    assert_eq!(wrong(&unseen, &silent), ["DispatchersGone!"]);
}

#[test]
fn an_event_that_has_just_been_accepted_is_not_one_that_does_not_arrive() {
    let begun = history(|figure, seconds| match figure {
        Figure::AcceptedMessages if seconds > -60 => Some(50.0),
        Figure::WaitingMessages if seconds > -30 => Some(50.0),
        Figure::AcceptedMessages | Figure::DeliveredMessages | Figure::TakenMessages => Some(0.0),
        figure => calm(figure),
    });

    assert_eq!(wrong(&begun, &standing()), [""; 0]);
}

#[test]
fn a_connect_that_never_ran_is_not_missed() {
    let without = history(|figure, _| if figure == Figure::Connects { None } else { calm(figure) });

    assert_eq!(wrong(&without, &standing()), [""; 0]);
}
