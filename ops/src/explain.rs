//! `ops webhook explain`: shows the events that ingest would make of a body, and what DSK would get, without sending
//! anything anywhere.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::now;
use clap::Args;
use event::{Event, UNRECOGNIZED, UnrecognizedReason, split};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::output::{counted, outln, remark};

/// Members of `data` that are shown: from them DSK shows a conversation.
const SHOWN: [&str; 7] = ["direction", "conversation", "group", "contact", "message", "status", "media"];

/// Shows the events in each body. A lane may hold a phone number, and the rest what a person wrote.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Files with a body each, as Meta posts it, or with the body of a `meta.unrecognized` dead letter; `-` is standard
    /// input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Prints one line of JSON for each event: file, type, id, address, lane, class, timestamp, and the body that DSK
    /// would get.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut unrecognized = 0;
        for file in &self.files {
            let body = signed(files::read(file)?);
            let events = split(&body, now());
            if !self.json {
                outln!("{}: {}", file.display(), counted(events.len(), "event"))?;
            }
            for event in &events {
                self.show(file, event)?;
            }
            if let Some(reason) = UnrecognizedReason::of(&body) {
                remark(format_args!("{}: {UNRECOGNIZED}: {reason}", file.display()));
                unrecognized += 1;
            }
        }
        match unrecognized {
            0 => Ok(()),
            _ => Err(Failure::runtime(format!(
                "{unrecognized} of {} would be parked as unrecognized",
                counted(self.files.len(), "body")
            ))),
        }
    }

    fn show(&self, file: &Path, event: &Event) -> Result<(), Failure> {
        if self.json {
            return outln!("{}", json_line(file, event));
        }
        let Event { event_type, id, address, lane, class, timestamp, effect, .. } = event;
        let note = if event.timestamp_replaced { " (now: Meta gives no valid time)" } else { "" };
        outln!("  {event_type}  {}  {timestamp}{note}", class.as_str())?;
        row("id", id)?;
        row("address", address)?;
        row("lane", lane)?;
        if let Some(effect) = effect {
            row("effect", effect.as_str())?;
        }
        let body: Value = serde_json::from_slice(&event.body).unwrap_or_default();
        for name in SHOWN {
            match body["data"].get(name).map(|value| value.as_str().ok_or(value)) {
                Some(Ok(text)) => row(name, text)?,
                // As JSON: a name or a text that a person wrote can't begin a line or control a terminal.
                Some(Err(value)) => row(name, value)?,
                None => {}
            }
        }
        Ok(())
    }
}

fn row(name: &str, value: impl fmt::Display) -> Result<(), Failure> {
    outln!("    {name:<12}  {value}")
}

/// An event on one line. The body is copied and not parsed, so it has every digit of a number and every member in its
/// place. Only line ends are replaced; JSON has them between its values and never within.
fn json_line(file: &Path, event: &Event) -> String {
    let Event { event_type, id, address, lane, class, timestamp, .. } = event;
    let envelope = json!({
        "file": file.display().to_string(), "type": event_type.as_str(), "id": id.as_str(),
        "address": address.as_str(), "lane": lane.as_str(), "class": class.as_str(),
        "timestamp": timestamp.to_string(),
    })
    .to_string();
    let body = String::from_utf8_lossy(&event.body).replace(['\n', '\r'], " ");
    format!("{},\"body\":{body}}}", envelope.trim_end_matches('}'))
}

/// The bytes that Meta signed. An unrecognized event carries them in its payload.
fn signed(body: Vec<u8>) -> Vec<u8> {
    let carried = || {
        let event: Value = serde_json::from_slice(&body).ok()?;
        (event["type"] == UNRECOGNIZED).then_some(())?;
        STANDARD.decode(event["data"]["payload"]["body"].as_str()?).ok()
    };
    carried().unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unrecognized_event_is_explained_by_what_it_carries() {
        let body = br#"{"object":"user","entry":[]}"#.to_vec();
        let event = split(&body, now()).remove(0);

        assert_eq!(signed(event.body.to_vec()), body);
        assert_eq!(signed(body.clone()), body);
    }

    #[test]
    fn a_line_of_json_ends_in_exactly_the_body_that_dsk_would_get() {
        let value = r#"{"metadata":{"phone_number_id":"1065"},"messages":[{"id":"wamid.1","from":"7","n":12345678901234567890.10}]}"#;
        let change = format!(r#"{{"field":"messages","value":{value}}}"#);
        let body =
            format!(r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1028","changes":[{change}]}}]}}"#);
        let event = split(body.as_bytes(), now()).remove(0);
        let over_lines =
            Event { body: format!("{{\r\n{}", &String::from_utf8_lossy(&event.body)[1..]).into(), ..event.clone() };

        let line = json_line(Path::new("file"), &event);

        let sent = String::from_utf8_lossy(&event.body).into_owned();
        assert!(sent.contains("12345678901234567890.10"), "{sent}");
        assert!(line.ends_with(&format!(",\"body\":{sent}}}")), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["body"]["data"]["id"], event.id.as_str());
        assert_eq!(json_line(Path::new("file"), &over_lines).lines().count(), 1);
    }
}
