//! What stands around an item, put around each event that is cut out of it.

use crate::json::Value;

/// What is repeated around every item, in bytes. Meta's own is below 200; the bound keeps a batch's events from growing
/// faster than the body they came in.
pub(crate) const REPEATED_BYTES_MAX: usize = 1 << 10;

/// The members of an object beside those that were split: the first event gets all of them, so that nothing is left
/// behind, the others those that are small enough to be repeated.
#[derive(Debug, Default)]
pub(crate) struct Wrap<'d> {
    members: Vec<Member<'d>>,
}

#[derive(Debug)]
struct Member<'d> {
    key: Value<'d>,
    value: Value<'d>,
    is_repeated: bool,
}

/// An object being written, from pieces that are JSON already.
#[derive(Debug)]
pub(crate) struct Object<'o> {
    out: &'o mut String,
    has_members: bool,
}

impl<'d> Wrap<'d> {
    pub(crate) fn around(object: Value<'d>, is_split: impl Fn(Value<'d>, Value<'d>) -> bool) -> Self {
        let mut left = REPEATED_BYTES_MAX;
        let member = |(key, value): (Value<'d>, Value<'d>)| {
            let size = key.raw().len() + value.raw().len();
            let is_repeated = size <= left;
            left -= if is_repeated { size } else { 0 };
            Member { key, value, is_repeated }
        };
        Self { members: object.members().filter(|(key, value)| !is_split(*key, *value)).map(member).collect() }
    }

    /// Writes the object, with what `rest` adds to it.
    pub(crate) fn write(&self, out: &mut String, is_first: bool, rest: impl FnOnce(&mut Object<'_>)) {
        out.push('{');
        let mut object = Object { out, has_members: false };
        for member in self.members.iter().filter(|member| is_first || member.is_repeated) {
            object.begin(member.key.raw()).push_str(member.value.raw());
        }
        rest(&mut object);
        out.push('}');
    }
}

impl Object<'_> {
    /// Adds a list of these items; the key with its quotation marks.
    pub(crate) fn add_list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut String, T),
    ) {
        let out = self.begin(key);
        out.push('[');
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            write(out, item);
        }
        out.push(']');
    }

    fn begin(&mut self, key: &str) -> &mut String {
        if self.has_members {
            self.out.push(',');
        }
        self.has_members = true;
        self.out.push_str(key);
        self.out.push(':');
        self.out
    }
}
