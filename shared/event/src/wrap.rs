//! What stands around an item, put around each event that is cut out of it.

use crate::json::Value;

/// What is repeated around every item. Metadata takes 120 bytes; a bound keeps a thousand events from growing faster
/// than the body they came in.
const REPEATED_BYTES_MAX: usize = 4 << 10;

/// The members of an object beside those that were split.
#[derive(Debug, Default)]
pub(crate) struct Wrap {
    /// All of them: what the first event gets, so that nothing is left behind.
    full: Object,
    /// As many of them as are repeated.
    repeated: Object,
}

/// An object being written, from pieces that are JSON already.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    text: String,
}

impl Wrap {
    pub(crate) fn around(object: Value<'_>, is_split: impl Fn(&str) -> bool) -> Self {
        let mut wrap = Self::default();
        for (key, value) in object.members().filter(|(key, _)| !is_split(&key.text().unwrap_or_default())) {
            wrap.full.add(key.raw(), value.raw());
            if wrap.repeated.text.len() + key.raw().len() + value.raw().len() <= REPEATED_BYTES_MAX {
                wrap.repeated.add(key.raw(), value.raw());
            }
        }
        wrap
    }

    /// The object, ready for the one item.
    pub(crate) fn open(&self, is_first: bool) -> Object {
        if is_first { self.full.clone() } else { self.repeated.clone() }
    }
}

impl Default for Object {
    fn default() -> Self {
        Self { text: "{".to_owned() }
    }
}

impl Object {
    /// Adds a member; the key with its quotation marks.
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        self.begin(key);
        self.text.push_str(value);
    }

    /// Adds a list of these items.
    pub(crate) fn add_list<'i>(&mut self, key: &str, items: impl IntoIterator<Item = &'i str>) {
        self.begin(key);
        self.text.push('[');
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                self.text.push(',');
            }
            self.text.push_str(item);
        }
        self.text.push(']');
    }

    fn begin(&mut self, key: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(key);
        self.text.push(':');
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}
