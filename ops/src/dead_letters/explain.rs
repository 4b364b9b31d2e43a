//! Shows dead letters: one on a line, or one explained in full. Personal data is shown only on request.

use event::{Envelope, UNRECOGNIZED};
use queue::DeadLetter;
use serde_json::{Map, Value, json};

use crate::output::counted;

/// The heading of a list of lines, each made by [`line()`].
pub(crate) const HEADER: &str = "parked                reason           status  attempts  type                      channel                        id";
/// Parts of a body, by their paths, whose values say nothing about a person.
const HARMLESS: [&str; 7] = [
    "/type",
    "/timestamp",
    "/data/id",
    "/data/platform",
    "/data/channel/id",
    "/data/channel/account_id",
    "/data/received_at",
];

/// A dead letter on one line.
pub(crate) fn line(dead: &DeadLetter) -> String {
    let envelope = &dead.envelope;
    let letter = &dead.letter;
    let status = letter.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let columns = format!(
        "{:<20}  {:<15}  {status:>6}  {:>8}  {:<24}  {:<29}  {}",
        format!("{:.0}", letter.parked_at),
        letter.reason,
        envelope.attempts,
        envelope.event_type.as_str(),
        envelope.address.as_str(),
        envelope.id
    );
    columns.trim_end().to_owned()
}

/// A dead letter as JSON.
pub(crate) fn json(dead: &DeadLetter) -> Value {
    let envelope = &dead.envelope;
    let letter = &dead.letter;
    json!({
        "id": envelope.id.as_str(), "type": envelope.event_type.as_str(), "address": envelope.address.as_str(),
        "class": envelope.class.as_str(), "reason": letter.reason, "status": letter.status,
        "attempts": envelope.attempts, "received_at": envelope.received_at.to_string(),
        "queued_at": envelope.queued_at.to_string(), "parked_at": letter.parked_at.to_string(),
    })
}

/// Everything about one dead letter.
pub(crate) fn explain(dead: &DeadLetter, reveal: bool) -> String {
    let envelope = &dead.envelope;
    let letter = &dead.letter;
    let mut lines = vec![format!("{}  {}", envelope.id, envelope.event_type)];
    let mut row = |name: &str, text: String| lines.push(format!("  {name:<10} {text}"));
    let meaning = Meaning::of(&letter.reason);
    row("reason", format!("{}: {}", letter.reason, meaning.cause));
    row("to do", meaning.next_step.to_owned());
    row("channel", envelope.address.to_string());
    row("class", envelope.class.as_str().to_owned());
    row("received", envelope.received_at.to_string());
    row("queued", envelope.queued_at.to_string());
    row("parked", letter.parked_at.to_string());
    row("attempts", envelope.attempts.to_string());
    if let Some(status) = letter.status {
        row("status", format!("DSK answered {status}"));
    }
    match (letter.answer.as_str(), reveal) {
        ("", _) => {}
        (answer, true) => row("answer", answer.to_owned()),
        (answer, false) => row("answer", format!("{} (--reveal shows the text)", counted(answer.len(), "byte"))),
    }
    if let Some(traceparent) = &envelope.traceparent {
        row("trace", traceparent.to_string());
    }
    if reveal {
        row("lane", envelope.lane.to_string());
        lines.push(String::from_utf8_lossy(&envelope.body).into_owned());
    } else {
        row(
            "body",
            format!("{}, with its values left out (--reveal shows them):", counted(envelope.body.len(), "byte")),
        );
        lines.push(hidden(envelope));
    }
    lines.join("\n")
}

/// What a reason means to an operator.
pub(crate) struct Meaning {
    pub(crate) cause: &'static str,
    pub(crate) next_step: &'static str,
}

impl Meaning {
    pub(crate) fn of(reason: &str) -> Self {
        match reason {
            "rejected" => Self {
                cause: "DSK refused the event itself",
                next_step: "find out why (its answer, DSK's log), and replay it once DSK accepts it",
            },
            "expired" => Self {
                cause: "no attempt succeeded within 24 hours",
                next_step: "repair the route to DSK or the channel's token, then replay it",
            },
            "unknown_channel" => Self {
                cause: "no channel was stored for its address for 10 minutes",
                next_step: "store the channel with `ops channels add` and replay it, or discard it if the channel is not ours",
            },
            "unrecognized" => Self {
                cause: "Meta signed something that is not a notification we know",
                next_step: "look at it with --reveal; `ops webhook explain` says why; discard it when it is understood",
            },
            "undecodable" => Self {
                cause: "the message in the queue was not an envelope",
                next_step: "find out who else publishes into our queue; look at it with --reveal; discard it",
            },
            "panicked" => Self {
                cause: "the dispatcher panicked while it delivered the event",
                next_step: "report it with the dispatcher's log, and replay it with the next version",
            },
            "held" => Self {
                cause: "a person whom it concerns is held (a restriction of processing)",
                next_step: "leave it; once the matter is settled, `ops hold --release` and replay it, or `ops erase`",
            },
            "expired_unread" => Self {
                cause: "no dispatcher took it for 7 days",
                next_step: "see that dispatchers run, then replay it",
            },
            "delivery_limit" => Self {
                cause: "dispatchers died again and again while it was in flight",
                next_step: "look into their logs before you replay it: it may be what kills them",
            },
            _ => Self {
                cause: "the queue parked it and does not say why",
                next_step: "look into the broker's log, then replay it",
            },
        }
    }
}

/// The body's structure: every key, and no value that could say something about a person.
pub(crate) fn hidden(envelope: &Envelope) -> String {
    let Ok(mut body) = serde_json::from_slice::<Value>(&envelope.body) else { return "  (not JSON)".to_owned() };
    let is_recognized = envelope.event_type.as_str() != UNRECOGNIZED;
    hide(&mut body, &mut String::new(), is_recognized);
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

fn hide(value: &mut Value, path: &mut String, is_recognized: bool) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(_) if is_recognized && HARMLESS.contains(&path.as_str()) => {}
        Value::String(text) => *value = Value::from(format!("({})", counted(text.chars().count(), "character"))),
        Value::Number(_) => *value = Value::from("(number)"),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_below(item, path, "-", is_recognized)),
        Value::Object(fields) => {
            let visible: Map<String, Value> = std::mem::take(fields);
            *fields = visible
                .into_iter()
                .map(|(name, mut field)| {
                    hide_below(&mut field, path, &name, is_recognized);
                    (hidden_name(name), field)
                })
                .collect();
        }
    }
}

fn hide_below(value: &mut Value, path: &mut String, name: &str, is_recognized: bool) {
    let length = path.len();
    path.push('/');
    path.push_str(name);
    hide(value, path, is_recognized);
    path.truncate(length);
}

/// Meta's own keys are words. A key that is not a word, such as a phone number, may identify a person.
fn hidden_name(name: String) -> String {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '_' || letter == '-';
    let digits = name.chars().filter(char::is_ascii_digit).count();
    if digits <= 3 && name.chars().all(|letter| is_word(letter) || letter.is_ascii_digit()) {
        return name;
    }
    format!("({})", counted(name.chars().count(), "character"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_without_a_value_that_could_say_something_about_a_person() {
        let mut body = json!({
            "type": "whatsapp.message",
            "data": { "id": "evt_1", "contact": { "id": "491555", "name": "Ada" }, "channel": { "id": "1065" },
                      "payload": { "messages": [{ "text": { "body": "hello" }, "n": 4915, "4915550000001": true }] } },
        });

        hide(&mut body, &mut String::new(), true);

        let shown = body.to_string();
        assert!(["whatsapp.message", "evt_1", "1065", "messages"].iter().all(|part| shown.contains(part)), "{shown}");
        assert!(["491555", "Ada", "hello", "4915"].iter().all(|part| !shown.contains(part)), "{shown}");
    }
}
