//! Puts what stood around an item in the notification around each event's payload.

use crate::json::{Member, Value};

/// Most bytes that are repeated around every item. Meta's own are fewer than 200; the bound keeps the events of a batch
/// from taking far more than the body they came in.
pub(crate) const REPEATED_BYTES_MAX: usize = 1 << 10;

/// The members of an object that were not split into events. The first event gets all of them, so that nothing is lost;
/// the others get those that are small enough to be repeated.
#[derive(Debug, Default)]
pub(crate) struct Wrap<'d> {
    members: Vec<WrapMember<'d>>,
}

#[derive(Debug)]
struct WrapMember<'d> {
    member: Member<'d>,
    is_repeated: bool,
}

/// An object that is being written from pieces of JSON.
#[derive(Debug)]
pub(crate) struct Object<'o> {
    out: &'o mut String,
    has_members: bool,
}

impl<'d> Wrap<'d> {
    pub(crate) fn around(object: Value<'d>, is_split: impl Fn(Member<'d>) -> bool) -> Self {
        let mut left = REPEATED_BYTES_MAX;
        let wrap_member = |member: Member<'d>| {
            let size = member.key.raw().len() + member.value.raw().len();
            let is_repeated = size <= left;
            left -= if is_repeated { size } else { 0 };
            WrapMember { member, is_repeated }
        };
        Self { members: object.members().filter(|member| !is_split(*member)).map(wrap_member).collect() }
    }

    /// Writes the object, and lets `rest` add its own members.
    pub(crate) fn write(&self, out: &mut String, is_first: bool, rest: impl FnOnce(&mut Object<'_>)) {
        out.push('{');
        let mut object = Object { out, has_members: false };
        for WrapMember { member, .. } in self.members.iter().filter(|member| is_first || member.is_repeated) {
            object.begin(member.key.raw()).push_str(member.value.raw());
        }
        rest(&mut object);
        out.push('}');
    }
}

impl Object<'_> {
    /// Adds a list of items. `key` has its quotation marks.
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

    /// Adds a member. `key` has its quotation marks.
    pub(crate) fn add(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        write(self.begin(key));
    }

    /// Begins a member; its value goes into what this returns.
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
