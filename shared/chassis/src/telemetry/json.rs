//! Log lines in JSON.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::bound::bounded;

/// Writes an object on a line: time, level, the fields, and where it was logged. Its values are bounded as those of a text
/// line are.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonLines;

/// The members of a JSON line.
#[derive(Default)]
struct JsonVisitor(Vec<(&'static str, Value)>);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        let mut members = JsonVisitor::default();
        members.0.push(("timestamp", time.into()));
        members.0.push(("level", metadata.level().as_str().into()));
        event.record(&mut members);
        members.0.push(("target", metadata.target().into()));
        for (position, (name, value)) in members.0.into_iter().enumerate() {
            let before = if position == 0 { '{' } else { ',' };
            write!(writer, "{before}{}:", Value::from(name))?;
            write_escaped(&mut writer, &value.to_string())?;
        }
        writer.write_str("}\n")
    }
}

/// JSON permits some characters in a text that control a terminal or are not seen. Their escapes mean the same.
fn write_escaped(writer: &mut Writer<'_>, json: &str) -> fmt::Result {
    for character in json.chars() {
        if character.is_ascii() || character.escape_debug().len() == 1 {
            writer.write_char(character)?;
        } else {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
        }
    }
    Ok(())
}

impl Visit for JsonVisitor {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), value.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), bounded(value).into()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
