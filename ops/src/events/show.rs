//! Says where events are: as text for a person, and as JSON for a program. None of it says anything about a person.

use std::fmt::Write as _;

use ::channels::{DELIVERED_TIME, Delivery};
use jiff::Timestamp;
use queue::QueueName;
use serde_json::{Value, json};

use super::channel::{ChannelStanding, Connection};
use super::find::{FoundEvent, Looked, Trail, Waiting};
use super::standing::{Pause, Sighting, Standing};
use super::steps::Step;
use super::wanted::Wanted;
use crate::output::counted;

/// Where an event is, in a sentence or two.
pub(crate) fn sentence(standing: &Standing) -> String {
    match standing {
        Standing::Delivered { delivery, may_be_erased } => delivered(*delivery, *may_be_erased),
        Standing::Erased { at } => format!("erased: it was discarded at {}, and is not delivered", moment(*at)),
        Standing::DeadLetter { reason, at, status, sighting } => {
            let answer = status.map_or_else(String::new, |status| format!(" (DSK answered {status})"));
            format!("dead letter since {}: {reason}{answer}. {}", moment(*at), where_parked(*sighting))
        }
        Standing::Retrying { queue, until } => {
            format!("waits in {queue} for its next attempt, until {}", moment(*until))
        }
        Standing::Deferred { queue, until } => {
            format!("deferred so that others come first: waits in {queue}, until {}", moment(*until))
        }
        Standing::Accepted { queue, is_in_flight: true } => {
            format!(
                "in flight: the dispatcher has taken it from {}, and no attempt of it has failed lately",
                queue.as_str()
            )
        }
        Standing::Accepted { queue, is_in_flight: false } => format!("accepted: waits in {}", queue.as_str()),
        Standing::Back { queue, since } => format!(
            "back in {queue} since {}, where it waits for its turn behind others; or it was settled since in a way that leaves \
             no trail: its channel is disconnected, or a person whom it concerns is held",
            moment(*since)
        ),
        Standing::UnderWay { by, at, is_living } => {
            format!("under way: dispatcher {by} has it, next attempt at {}{}", moment(*at), if_gone(*is_living))
        }
        Standing::Paused { by, since, outcome, pauses, is_living } => {
            let why = outcome.as_deref().unwrap_or("unknown");
            let now: Vec<String> = pauses.iter().map(pause).collect();
            let pauses = if now.is_empty() { String::new() } else { format!("; paused now: {}", now.join(", ")) };
            format!(
                "paused ({why}) since {}: dispatcher {by} holds it until the pause ends{pauses}{}",
                moment(*since),
                if_gone(*is_living)
            )
        }
        Standing::Noted => "known, but what was noted of it is of another version".to_owned(),
    }
}

fn pause(pause: &Pause) -> String {
    let Pause { what, reason, since, next_probe_at } = pause;
    let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
    let next = next_probe_at.as_ref().map_or_else(String::new, |at| format!(", next probe at {at}"));
    format!("{what} ({reason}{since}{next})")
}

fn pause_json(pause: &Pause) -> Value {
    let Pause { what, reason, since, next_probe_at } = pause;
    json!({ "what": what, "reason": reason, "since": since, "next_probe_at": next_probe_at })
}

fn delivered(delivery: Option<Delivery>, may_be_erased: bool) -> String {
    let text = match delivery {
        Some(Delivery { at, attempt, status }) => {
            format!("delivered at {} by attempt {attempt}, DSK answered {status}", moment(at))
        }
        None => "delivered; by an older version, which did not note when".to_owned(),
    };
    let doubt = "; without the key ring it looks the same if it was erased instead: set KEY_RING_FILE";
    if may_be_erased { text + doubt } else { text }
}

fn where_parked(sighting: Sighting) -> &'static str {
    match sighting {
        Sighting::Seen => "`ops dead-letters show ID` explains it, `ops dead-letters replay ID` delivers it",
        Sighting::NotSeen => "That is what was noted; not all dead letters were looked at",
        Sighting::Gone => {
            "It is not among the dead letters any more: replayed and not taken yet, discarded, or deleted after 14 days"
        }
    }
}

fn if_gone(is_living: bool) -> &'static str {
    if is_living { "" } else { "; that dispatcher has stopped, so the queue gives it to another one" }
}

/// How the channel stands, if that matters.
pub(crate) fn of_channel(channel: &ChannelStanding) -> Option<String> {
    let address = &channel.address;
    match &channel.state {
        Connection::Disconnected { since } => {
            let since = since.as_deref().map_or_else(String::new, |since| format!(" since {since}"));
            Some(format!("{address} is disconnected{since}: what waits of it is discarded when it is taken"))
        }
        Connection::Erased => {
            Some(format!("{address} was erased: its events are discarded until it is connected again"))
        }
        Connection::Unknown => {
            Some(format!("{address} is not stored: its events become dead letters (unknown_channel) after 10 minutes"))
        }
        Connection::Connected { .. } if channel.pauses.is_empty() => None,
        Connection::Connected { .. } => {
            let pauses = channel.pauses.iter().map(pause).collect::<Vec<_>>().join(", ");
            Some(format!("{address} may have to wait for a pause to end: {pauses}"))
        }
    }
}

/// Everything that is known, for a person.
pub(crate) fn text(trail: &Trail) -> String {
    let mut text = String::new();
    for event in &trail.events {
        let what = event.what.as_deref().map_or_else(String::new, |what| format!("  {what}"));
        // Writing to a string can't fail.
        writeln!(text, "{}{what}\n  {}", event.id, sentence(&event.standing)).ok();
        for step in &event.steps {
            writeln!(text, "    {:<24}  {}", time_of(step), step.text).ok();
        }
    }
    for line in trail.channel.iter().filter_map(of_channel).chain(of_letters(&trail.dead_letters)) {
        writeln!(text, "{line}").ok();
    }
    text
}

/// How far the dead letters were looked through, if not all of them were.
pub(crate) fn of_letters(looked: &Looked) -> Option<String> {
    match looked {
        Looked::NotNeeded | Looked::AtAll { .. } => None,
        Looked::AtThoseRead => Some("dead letters: those were looked at that this page has read last".to_owned()),
        Looked::AtSome { count: 0 } => {
            Some("dead letters were not looked at: --scan-for gives time for that".to_owned())
        }
        Looked::AtSome { count } => Some(format!(
            "only the {} that wait longest were looked at: a longer --scan-for looks at more",
            counted(*count, "dead letter")
        )),
        Looked::Busy { holder } => Some(format!("dead letters were not looked at, because {holder} scans them")),
    }
}

/// What it can mean that nothing is known, the likeliest first.
pub(crate) fn reasons_why_unknown(trail: &Trail) -> Vec<String> {
    let waiting = |queue: &QueueName| match queue {
        QueueName::Class(_) => true,
        QueueName::Retry(..) | QueueName::Dead => false,
    };
    let waiting: u64 = trail.waiting.iter().filter(|of| waiting(&of.queue)).map(|of| of.envelopes).sum();
    let dispatchers = match trail.dispatchers {
        0 => "no dispatcher runs".to_owned(),
        count => format!("{} at work", counted(count, "dispatcher")),
    };
    let mut reasons: Vec<String> = trail.channel.iter().filter_map(of_channel).collect();
    reasons.extend(of_letters(&trail.dead_letters));
    reasons.extend([
        format!(
            "it was accepted and no attempt has ended yet: {} in the queues of the classes, which nobody can look into \
             ({dispatchers}; `ops status`)",
            counted(waiting, "event")
        ),
        "it never came here: Meta has not sent it, or ingest has refused it (look into its log)".to_owned(),
        format!(
            "it was delivered more than {} days ago, or while the store was away",
            DELIVERED_TIME.as_secs() / 86_400
        ),
    ]);
    if trail.channel.is_none() {
        reasons.push("its channel is disconnected or was erased, so it was discarded: give --channel".to_owned());
    }
    reasons.push("the id is another one: `ops webhook explain` shows the ids of a body".to_owned());
    reasons
}

/// What to say if nothing is known.
pub(crate) fn nothing_known(wanted: &Wanted, trail: &Trail) -> String {
    let what = match &wanted.events[..] {
        [one] => one.id.to_string(),
        _ => format!("the message, under {} ids that its events could have", trail.looked_for),
    };
    let reasons: Vec<String> = reasons_why_unknown(trail).iter().map(|reason| format!("\n  - {reason}")).collect();
    format!("nothing is known of {what}. That can mean:{}", reasons.concat())
}

/// Everything that is known, for a program.
pub(crate) fn json(trail: &Trail) -> Value {
    json!({
        "events": trail.events.iter().map(event_json).collect::<Vec<_>>(),
        "looked_for": trail.looked_for,
        "channel": trail.channel.as_ref().map(|channel| json!({
            "address": channel.address.as_str(), "state": channel.state.as_str(), "tenant": channel.state.tenant(),
            "paused": channel.pauses.iter().map(pause_json).collect::<Vec<_>>(),
        })),
        "dead_letters": looked_json(&trail.dead_letters),
        "waiting": trail.waiting.iter().map(waiting_json).collect::<Vec<_>>(),
        "dispatchers": trail.dispatchers,
    })
}

fn waiting_json(waiting: &Waiting) -> Value {
    json!({ "queue": waiting.queue.as_str(), "envelopes": waiting.envelopes })
}

fn step_json(step: &Step) -> Value {
    json!({ "at": time_of(step), "kind": step.kind.as_str(), "text": step.text })
}

fn event_json(event: &FoundEvent) -> Value {
    let FoundEvent { id, what, standing, steps } = event;
    let mut json = json!({ "id": id.as_str(), "what": what, "state": standing.as_str(), "text": sentence(standing) });
    let details = match standing {
        Standing::Delivered { delivery: Some(Delivery { at, attempt, status }), .. } => {
            json!({ "at": moment(*at), "attempt": attempt, "status": status })
        }
        Standing::Delivered { delivery: None, .. } | Standing::Noted => json!({}),
        Standing::Erased { at } => json!({ "at": moment(*at) }),
        Standing::DeadLetter { reason, at, status, sighting } => {
            let is_there = match sighting {
                Sighting::Seen => Value::from(true),
                Sighting::Gone => Value::from(false),
                Sighting::NotSeen => Value::Null,
            };
            json!({ "at": moment(*at), "reason": reason, "status": status, "is_there": is_there })
        }
        Standing::Retrying { queue, until } | Standing::Deferred { queue, until } => {
            json!({ "queue": queue, "until": moment(*until) })
        }
        Standing::Accepted { queue, is_in_flight } => json!({ "queue": queue.as_str(), "is_in_flight": is_in_flight }),
        Standing::Back { queue, since } => json!({ "queue": queue, "since": moment(*since) }),
        Standing::UnderWay { by, at, is_living } => {
            json!({ "dispatcher": by, "is_living": is_living, "next_attempt_at": moment(*at) })
        }
        Standing::Paused { by, since, outcome, pauses, is_living } => json!({
            "dispatcher": by, "is_living": is_living, "since": moment(*since), "outcome": outcome,
            "paused": pauses.iter().map(pause_json).collect::<Vec<_>>(),
        }),
    };
    if let (Some(json), Some(details)) = (json.as_object_mut(), details.as_object()) {
        json.extend(details.clone());
    }
    json["steps"] = steps.iter().map(step_json).collect();
    json
}

fn looked_json(looked: &Looked) -> Value {
    match looked {
        Looked::NotNeeded => json!({ "looked_at": 0, "is_complete": true }),
        Looked::AtAll { count } => json!({ "looked_at": count, "is_complete": true }),
        Looked::AtSome { count } => json!({ "looked_at": count, "is_complete": false }),
        Looked::AtThoseRead | Looked::Busy { .. } => json!({ "looked_at": null, "is_complete": false }),
    }
}

/// As precisely as it is known.
fn time_of(step: &Step) -> String {
    if step.at.subsec_nanosecond() == 0 { moment(step.at) } else { format!("{:.3}", step.at) }
}

fn moment(at: Timestamp) -> String {
    format!("{at:.0}")
}
