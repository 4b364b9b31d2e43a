//! `ops webhook explain`: shows the events that ingest would make of a body, without sending anything anywhere.

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

/// Shows the events in each body. A lane may hold a phone number.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Files with a body each, as Meta posts it, or with the body of a `meta.unrecognized` dead letter; `-` is standard
    /// input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Prints one line of JSON for each event: file, type, id, address, lane, class, timestamp.
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
        let Event { event_type, id, address, lane, timestamp, .. } = event;
        let class = event.class.as_str();
        if self.json {
            return outln!(
                "{}",
                json!({
                    "file": file.display().to_string(), "type": event_type.as_str(), "id": id.as_str(),
                    "address": address.as_str(), "lane": lane.as_str(), "class": class,
                    "timestamp": timestamp.to_string(),
                })
            );
        }
        let note = if event.timestamp_replaced { " (now: Meta gives no valid time)" } else { "" };
        outln!("  {event_type}  {class}  {timestamp}{note}")?;
        outln!("    id       {id}\n    address  {address}\n    lane     {lane}")?;
        match event.effect {
            Some(effect) => outln!("    effect   {}", effect.as_str()),
            None => Ok(()),
        }
    }
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
}
