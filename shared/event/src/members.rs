//! Writes JSON objects member by member. Values keep the bytes that Meta wrote.

use crate::json::Value;
use crate::scan::{Form, plain_bytes};

/// Longest text that stands in the body twice, in bytes as written; a longer one is in the payload only. A WhatsApp message
/// has at most 4,096 characters, of which Meta writes each as 12 bytes at most.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct Members<'o> {
    out: &'o mut String,
    is_empty: bool,
}

/// Writes an object with the members that `fill` adds.
pub(crate) fn push_object(out: &mut String, fill: impl FnOnce(&mut Members<'_>)) {
    out.push('{');
    fill(&mut Members { out, is_empty: true });
    out.push('}');
}

impl Members<'_> {
    /// Adds Meta's text. A number becomes text, because DSK is promised text; any other value is left out.
    pub(crate) fn text(&mut self, key: &str, value: Option<Value<'_>>) {
        if let Some(value) = value.filter(|value| value.is_scalar() && value.raw().len() <= TEXT_BYTES_MAX) {
            push_scalar(self.begin(key), value.raw());
        }
    }

    /// Adds Meta's number, which may be written as text.
    pub(crate) fn number(&mut self, key: &str, value: Option<Value<'_>>) {
        let Some(value) = value else { return };
        let raw = value.raw();
        if value.form() == Form::Number {
            self.begin(key).push_str(raw);
        } else if value.form() == Form::Text && serde_json::from_str::<serde_json::Number>(value.plain()).is_ok() {
            self.begin(key).push_str(value.plain());
        }
    }

    /// Adds our own text.
    pub(crate) fn own(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            push_text(self.begin(key), text);
        }
    }

    /// Adds JSON as it stands.
    pub(crate) fn raw(&mut self, key: &str, raw: Option<&str>) {
        if let Some(raw) = raw {
            self.begin(key).push_str(raw);
        }
    }

    /// Adds `true`, or nothing.
    pub(crate) fn flag(&mut self, key: &str, is_set: bool) {
        self.raw(key, is_set.then_some("true"));
    }

    /// Adds an object, unless it has no members.
    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Members<'_>)) {
        self.keep_if(|members| {
            let out = members.begin(key);
            let start = out.len();
            push_object(out, fill);
            out.len() > start + "{}".len()
        });
    }

    /// Adds a list of what `write` writes of each item, unless that is nothing or an object without members. A list without
    /// items is left out.
    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut String, T),
    ) {
        self.keep_if(|members| {
            let out = members.begin(key);
            out.push('[');
            let start = out.len();
            for item in items {
                let before_item = out.len();
                if before_item > start {
                    out.push(',');
                }
                let before_value = out.len();
                write(out, item);
                if out.len() == before_value || out[before_value..] == *"{}" {
                    out.truncate(before_item);
                }
            }
            let has_items = out.len() > start;
            out.push(']');
            has_items
        });
    }

    /// Adds what `write` adds, or nothing if that is more than `bytes_max`; says whether it was added.
    pub(crate) fn bounded(&mut self, bytes_max: usize, write: impl FnOnce(&mut Self)) -> bool {
        let before = self.out.len();
        self.keep_if(|members| {
            write(members);
            members.out.len() - before <= bytes_max
        })
    }

    /// Takes back what `write` adds unless it says that it stays, and says the same.
    fn keep_if(&mut self, write: impl FnOnce(&mut Self) -> bool) -> bool {
        let before = self.out.len();
        let was_empty = self.is_empty;
        let stays = write(self);
        if !stays {
            self.out.truncate(before);
            self.is_empty = was_empty;
        }
        stays
    }

    /// Begins a member; its value goes into what this returns.
    pub(crate) fn begin(&mut self, key: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }
}

/// Writes text as Meta wrote it, and a number as text.
pub(crate) fn push_scalar(out: &mut String, raw: &str) {
    if raw.starts_with('"') { out.push_str(raw) } else { push_text(out, raw) }
}

pub(crate) fn push_text(out: &mut String, text: &str) {
    if plain_bytes(text.as_bytes()) < text.len() {
        out.push_str(&serde_json::Value::from(text).to_string());
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}
