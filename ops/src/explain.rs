//! `ops webhook explain`: what ingest would make of a body, without sending anything anywhere.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::now;
use clap::Args;
use event::{Event, UNRECOGNIZED, UnrecognizedReason, split};
use serde_json::{Value, json};

use crate::cli::Failed;
use crate::files;

/// Shows the events in each body. A lane may hold a phone number.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Bodies as Meta posts them, or the body of a `meta.unrecognized` dead letter; `-` is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// One JSON object a line and event: file, type, id, address, lane, class, timestamp.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let mut unrecognized = 0;
        for file in &self.files {
            let body = signed(files::read(file)?);
            let events = split(&body, now());
            if !self.json {
                println!("{}: {}", file.display(), counted(events.len(), "event"));
            }
            events.iter().for_each(|event| self.show(file, event));
            if let Some(reason) = UnrecognizedReason::of(&body) {
                eprintln!("{}: {UNRECOGNIZED}: {reason}", file.display());
                unrecognized += 1;
            }
        }
        match unrecognized {
            0 => Ok(()),
            _ => Err(Failed::tried(format!(
                "{} of {} would be parked as unrecognized",
                unrecognized,
                counted(self.files.len(), "body")
            ))),
        }
    }

    fn show(&self, file: &Path, event: &Event) {
        let Event { event_type, id, address, lane, timestamp, .. } = event;
        let class = event.class.as_str();
        if self.json {
            let shown = json!({
                "file": file.display().to_string(), "type": event_type.as_str(), "id": id.as_str(),
                "address": address.as_str(), "lane": lane.as_str(), "class": class, "timestamp": timestamp.to_string(),
            });
            println!("{shown}");
            return;
        }
        println!(
            "  {event_type}  {class}  {timestamp}{}",
            if event.timestamp_replaced { " (now: Meta's time is none)" } else { "" }
        );
        println!("    id       {id}\n    address  {address}\n    lane     {lane}");
        if let Some(effect) = event.effect {
            println!("    effect   {}", effect.as_str());
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "body") => format!("{count} bodies"),
        _ => format!("{count} {what}s"),
    }
}

/// The bytes that Meta signed: of an unrecognized event, those that it carries.
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
