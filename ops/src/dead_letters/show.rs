//! Dead letters for eyes: a line each, or one explained; people's data only where it is asked for.

use event::{Envelope, UNRECOGNIZED};
use queue::DeadLetter;
use serde_json::{Map, Value, json};

/// Above the lines.
pub(crate) const HEADER: &str = "parked                reason           status  attempts  type                      channel                        id";
/// Parts of a body, by their path, that say nothing of a person.
const HARMLESS: [&str; 7] = [
    "/type",
    "/timestamp",
    "/data/id",
    "/data/platform",
    "/data/channel/id",
    "/data/channel/account_id",
    "/data/received_at",
];

/// One line.
pub(crate) fn line(dead: &DeadLetter) -> String {
    let (envelope, letter) = (&dead.envelope, &dead.letter);
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

/// The same for programs.
pub(crate) fn json(dead: &DeadLetter) -> Value {
    let (envelope, letter) = (&dead.envelope, &dead.letter);
    json!({
        "id": envelope.id.as_str(), "type": envelope.event_type.as_str(), "address": envelope.address.as_str(),
        "class": envelope.class.as_str(), "reason": letter.reason, "status": letter.status,
        "attempts": envelope.attempts, "received_at": envelope.received_at.to_string(),
        "queued_at": envelope.queued_at.to_string(), "parked_at": letter.parked_at.to_string(),
    })
}

/// Everything about one.
pub(crate) fn explain(dead: &DeadLetter, reveal: bool) -> String {
    let (envelope, letter) = (&dead.envelope, &dead.letter);
    let mut lines = vec![format!("{}  {}", envelope.id, envelope.event_type)];
    let mut row = |name: &str, text: String| lines.push(format!("  {name:<10} {text}"));
    let (why, what_to_do) = meaning(&letter.reason);
    row("reason", format!("{}: {why}", letter.reason));
    row("to do", what_to_do.to_owned());
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
        (answer, false) => row("answer", format!("{} bytes (--reveal shows them)", answer.len())),
    }
    if let Some(traceparent) = &envelope.traceparent {
        row("trace", traceparent.to_string());
    }
    if reveal {
        row("lane", envelope.lane.to_string());
        lines.push(String::from_utf8_lossy(&envelope.body).into_owned());
    } else {
        row("body", format!("{} bytes, its values left out (--reveal shows them):", envelope.body.len()));
        lines.push(hidden(envelope));
    }
    lines.join("\n")
}

/// What a reason means, and what to do.
fn meaning(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "rejected" => {
            ("DSK refused the event itself", "find out why (its answer, DSK's log); replay it once DSK takes it")
        }
        "expired" => {
            ("no attempt succeeded within 24 hours", "mend the way to DSK or the channel's token, then replay it")
        }
        "unknown_channel" => (
            "no channel was stored for its address for 10 minutes",
            "store the channel with `ops channels add` and replay it, or discard it if the channel is not ours",
        ),
        "unrecognized" => (
            "Meta signed something that is no notification we know",
            "look at it with --reveal; `ops webhook explain` says why; discard it when it is understood",
        ),
        "undecodable" => (
            "what was in the queue was no envelope",
            "find out who else publishes into our queue; look at it with --reveal; discard it",
        ),
        "panicked" => (
            "delivering it made the dispatcher panic",
            "report it with the dispatcher's log; replay it with the next version",
        ),
        "expired_unread" => ("no dispatcher took it for 7 days", "see that dispatchers run, then replay it"),
        "delivery_limit" => (
            "dispatchers died with it in hand, again and again",
            "look into their logs before you replay it: it may be what kills them",
        ),
        _ => ("the queue parked it and does not say why", "look into the broker's log, then replay it"),
    }
}

/// The body's form: every key, and no value that could say something of a person.
fn hidden(envelope: &Envelope) -> String {
    let Ok(mut body) = serde_json::from_slice::<Value>(&envelope.body) else { return "  (not JSON)".to_owned() };
    let is_recognized = envelope.event_type.as_str() != UNRECOGNIZED;
    hide(&mut body, &mut String::new(), is_recognized);
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

fn hide(value: &mut Value, path: &mut String, is_recognized: bool) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(_) if is_recognized && HARMLESS.contains(&path.as_str()) => {}
        Value::String(text) => *value = Value::from(format!("({} characters)", text.chars().count())),
        Value::Number(_) => *value = Value::from("(number)"),
        Value::Array(items) => items.iter_mut().for_each(|item| deeper(item, (path, "-"), is_recognized)),
        Value::Object(fields) => {
            let named: Map<String, Value> = std::mem::take(fields);
            *fields = named
                .into_iter()
                .map(|(name, mut field)| {
                    deeper(&mut field, (path, &name), is_recognized);
                    (hidden_name(name), field)
                })
                .collect();
        }
    }
}

fn deeper(value: &mut Value, (path, name): (&mut String, &str), is_recognized: bool) {
    let length = path.len();
    path.push('/');
    path.push_str(name);
    hide(value, path, is_recognized);
    path.truncate(length);
}

/// Meta's names are words; what is none (a phone number as a key) may be somebody.
fn hidden_name(name: String) -> String {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '_' || letter == '-';
    let digits = name.chars().filter(char::is_ascii_digit).count();
    if digits <= 3 && name.chars().all(|letter| is_word(letter) || letter.is_ascii_digit()) {
        return name;
    }
    format!("({} characters)", name.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_without_a_value_that_could_say_something_of_a_person() {
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
