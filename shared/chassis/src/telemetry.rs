//! Logs to standard error, as text or JSON. Dependencies log nothing below `error`, and lapin nothing about its channels.

mod bound;
mod json;

use std::fmt;
use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Problem;
use bound::bounded;
use json::JsonLines;

/// Our crates. The filter applies to these only. Dependencies are capped at `error`, because some of them log what they
/// carry (lapin logs a returned message with its body).
const OURS: [&str; 9] = ["channels", "chassis", "connect", "dispatcher", "event", "ingest", "ops", "queue", "sqlite"];

/// What is logged, and in which form.
#[derive(Args, Clone, Debug)]
pub struct TelemetrySettings {
    /// What to log: a level (error, warn, info, debug, trace), or levels by crate such as `info,queue=debug`.
    #[arg(long, env, default_value = "info")]
    pub log: String,
    /// Form of log lines: `text` for people, `json` for log collectors.
    #[arg(long, env, default_value = "text")]
    pub log_format: LogFormat,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line of text, in which no error stands twice and no value can begin a line or control a terminal.
    Text,
    /// A JSON object on a line.
    Json,
}

/// Starts logging to standard error.
pub fn start_telemetry(settings: &TelemetrySettings) -> Result<(), Problem> {
    let filter = filter(&settings.log)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match settings.log_format {
        LogFormat::Text => layer.fmt_fields(TextFields).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.event_format(JsonLines).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().ok();
    Ok(())
}

/// The setting as directives for our crates only.
fn filter(setting: &str) -> Result<EnvFilter, Problem> {
    let problem = |part: &str| {
        Problem::new(
            "LOG",
            format!("has an unknown part {part:?}"),
            "write a level, or crate=level pairs such as info,queue=debug",
        )
    };
    // What the broker refuses on an AMQP channel is an answer to the code that asked, which decides what it means: a queue
    // that does not exist yet is no error.
    let mut directives = vec!["error".to_owned(), "lapin::channel=off".to_owned()];
    for part in setting.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (names, level) = match part.split_once('=') {
            Some((name, level)) => (vec![name], level),
            None => (OURS.to_vec(), part),
        };
        level.parse::<LevelFilter>().map_err(|_| problem(part))?;
        if names.iter().any(|name| !OURS.contains(name)) {
            return Err(problem(part));
        }
        directives.extend(names.iter().map(|name| format!("{name}={level}")));
    }
    EnvFilter::try_new(directives.join(",")).map_err(|_| problem(setting))
}

/// Writes the fields of a text line, but leaves out a field `error` whose text the message contains already. In JSON both
/// stay, because programs read the field.
#[derive(Clone, Copy, Debug)]
struct TextFields;

struct TextVisitor<'w> {
    line: DefaultVisitor<'w>,
    /// The message, which tracing records before every other field.
    message: String,
}

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = TextVisitor { line: DefaultVisitor::new(writer, true), message: String::new() };
        fields.record(&mut visitor);
        visitor.line.finish()
    }
}

impl Visit for TextVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => {
                self.message = format!("{value:?}");
                self.line.record_debug(field, &format_args!("{}", printable(&self.message)));
            }
            "error" if self.message.contains(&format!("{value:?}")) => {}
            _ => self.line.record_debug(field, &format_args!("{}", printable(&format!("{value:?}")))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" | "error" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }
}

/// A value as it may stand in a line: bounded, and with an escape for each character that ends a line, controls a terminal
/// or is not seen.
fn printable(value: &str) -> String {
    let value = bounded(value);
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '"' | '\'' | '\\' => text.push(character),
            _ => text.extend(character.escape_debug()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::warn;
    use tracing_subscriber::fmt::writer::BoxMakeWriter;

    use super::*;

    #[test]
    fn the_filter_applies_to_our_own_crates_only() {
        let filter = filter("trace").unwrap().to_string();

        let others = filter.replace("lapin::channel=off", "");
        assert!(others.contains("queue=trace") && others.contains("error") && !others.contains("lapin"), "{filter}");
    }

    #[test]
    fn a_dependency_cannot_be_made_to_log_more() {
        assert!(filter("info,lapin=debug").is_err());
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What `log` logs as text, without the time.
    fn logged_as_text(log: impl FnOnce()) -> String {
        let layer = tracing_subscriber::fmt::layer().fmt_fields(TextFields).with_ansi(false).without_time();
        logged(log, |writer| layer.with_writer(writer))
    }

    fn logged_as_json(log: impl FnOnce()) -> String {
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLines).with_ansi(false);
        logged(log, |writer| layer.with_writer(writer))
    }

    fn logged<L: tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync>(
        log: impl FnOnce(),
        layer: impl FnOnce(BoxMakeWriter) -> L,
    ) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = layer(BoxMakeWriter::new(move || writer.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_text_line_says_an_error_once() {
        let error = std::io::Error::other("the disk is full");

        let line = logged_as_text(|| warn!(attempts = 3, %error, kind = "disk", "Could not write: {error}"));

        assert_eq!(
            line.trim_end(),
            r#" WARN chassis::telemetry::tests: Could not write: the disk is full attempts=3 kind="disk""#
        );
    }

    #[test]
    fn a_text_line_keeps_an_error_that_its_message_does_not_say() {
        let line = logged_as_text(|| warn!(error = "the disk is full", "Could not write"));

        assert_eq!(line.trim_end(), " WARN chassis::telemetry::tests: Could not write error=the disk is full");
    }

    #[test]
    fn no_value_begins_a_line_controls_a_terminal_or_fills_the_disk() {
        let forged = "1\n2026-11-28T00:00:00Z  INFO forged\r\u{1b}[31m\u{9b}\u{2028}\u{202e}";
        let long = "A".repeat(100_000);
        let log = || warn!(address = %forged, text = forged, %long, listed = ?[&long], "Refused {forged} {long}");
        let controls = |character: &char| character.is_control() || ['\u{2028}', '\u{202e}'].contains(character);

        for line in [logged_as_text(log), logged_as_json(log)] {
            assert_eq!(line.chars().filter(controls).count(), 1, "only its end controls anything: {line:?}");
            assert!(line.contains(r"1\n2026-11-28T00:00:00Z") && line.len() < 7_500, "{} bytes: {line}", line.len());
        }
    }

    #[test]
    fn a_json_line_has_every_value_as_it_was_logged() {
        let text = "\u{9b}31m \u{202e}\u{e0001} \"\\\n";

        let line = logged_as_json(|| warn!(text, count = 3, part = 0.5, is_open = true, "Refused"));
        let members: Value = serde_json::from_str(&line).unwrap();

        assert!(members["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(members["text"], text);
        assert_eq!((&members["count"], &members["part"]), (&3.into(), &0.5.into()));
        assert_eq!((&members["is_open"], &members["message"]), (&true.into(), &"Refused".into()));
        assert_eq!((&members["level"], &members["target"]), (&"WARN".into(), &"chassis::telemetry::tests".into()));
    }

    #[test]
    fn an_unknown_level_is_named() {
        assert!(filter("loud").unwrap_err().to_string().contains("loud"));
    }
}
