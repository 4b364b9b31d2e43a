//! An event's id: the same for the same event however often, and in whatever batch, Meta sends it.
//!
//! `evt_` and 26 characters of base32 (130 bits) of a SHA-256 over address, type and the identifying parts of
//! `kinds`. Each part goes in with its length, so that no two lists of parts look alike. An item without identifying
//! parts is identified by its field or key, `entry.time`, and its canonical JSON.

use sha2::{Digest as _, Sha256};

use crate::json::Value;
use crate::kinds::{Kind, Part};
use crate::{Address, EventId, EventType};

/// Characters after the prefix.
const LENGTH: usize = 26;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What surrounds an item and may be part of its identity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surroundings<'d> {
    pub(crate) time: Option<Value<'d>>,
    pub(crate) field: &'d str,
}

/// What makes an event this one and no other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity<'d> {
    /// An item, by the parts of its kind where all are there, else by all of it.
    Item { kind: Option<&'static Kind>, at: &'d str, item: Value<'d>, around: Surroundings<'d> },
    /// Bytes that are no item at all.
    Bytes(&'d [u8]),
}

/// Makes ids; what is hashed is put together in one buffer that all of a notification's ids share.
#[derive(Debug)]
pub(crate) struct Ids {
    hashed: Vec<u8>,
}

impl Identity<'_> {
    /// Of the item, in bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Item { item, .. } => item.raw().len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self { hashed: Vec::with_capacity(512) }
    }

    /// The id of what happened (the type) there (the address), or of its copy for another app.
    pub(crate) fn id(
        &mut self,
        (address, event_type): (&Address, &EventType),
        standby: bool,
        identity: &Identity<'_>,
    ) -> EventId {
        self.hashed.clear();
        self.add(address.as_str());
        self.add(event_type.as_str());
        // A second app on the same conversation: its copy is an event of its own.
        self.add(if standby { "standby" } else { "" });
        let before = self.hashed.len();
        match *identity {
            Identity::Item { kind, at, item, around } => {
                if self.add_parts(kind.map_or(&[], |kind| kind.parts), item, around).is_none() {
                    self.hashed.truncate(before);
                    self.add_whole(if around.field.is_empty() { at } else { around.field }, item, around);
                }
            }
            Identity::Bytes(bytes) => {
                self.add("bytes");
                self.add(bytes);
            }
        }
        encode(&Sha256::digest(&self.hashed))
    }

    /// `None` where there are no parts, or one is missing.
    fn add_parts(&mut self, parts: &[Part], item: Value<'_>, around: Surroundings<'_>) -> Option<()> {
        self.add("parts");
        for part in parts {
            match *part {
                Part::Word(word) => self.add(word),
                Part::Field => self.add(around.field),
                Part::Is(paths) => self.add(&*item.first(paths)?),
                Part::Maybe(paths) => self.add(&*item.first(paths).unwrap_or_default()),
                Part::TimeUnlessAdded if item.says("verb", "add") => self.add(""),
                Part::Time | Part::TimeUnlessAdded => self.add(&*around.time.and_then(Value::scalar)?),
            }
        }
        (!parts.is_empty()).then_some(())
    }

    fn add_whole(&mut self, at: &str, item: Value<'_>, around: Surroundings<'_>) {
        self.add("whole");
        self.add(at);
        self.add(&*around.time.and_then(Value::scalar).unwrap_or_default());
        let length_at = self.hashed.len();
        self.add("");
        item.write_canonical(&mut self.hashed);
        let start = length_at + size_of::<u64>();
        let length = (self.hashed.len() - start) as u64;
        self.hashed[length_at..start].copy_from_slice(&length.to_be_bytes());
    }

    fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.hashed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.hashed.extend_from_slice(part);
    }
}

/// Base32 (RFC 4648, small letters) of the first 130 bits, behind the prefix.
fn encode(digest: &[u8]) -> EventId {
    let mut text = [0; 4 + LENGTH];
    let (prefix, rest) = text.split_at_mut(4);
    prefix.copy_from_slice(b"evt_");
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, digest.iter());
    for letter in rest {
        if held < 5 {
            (bits, held) = (bits << 8 | u32::from(*bytes.next().unwrap_or(&0)), held + 8);
        }
        held -= 5;
        *letter = BASE32[(bits >> held & 31) as usize];
    }
    EventId::new(std::str::from_utf8(&text).expect("prefix and letters are ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn id(kind: &'static str, item: &str) -> EventId {
        let document = Document::parse(item.as_bytes()).unwrap();
        let kind = crate::kinds::find(crate::kinds::WHATSAPP_ITEMS, kind);
        let identity = Identity::Item { kind, at: "messages", item: document.root(), around: Surroundings::default() };
        Ids::new().id((&Address::new("whatsapp:1"), &EventType::new("whatsapp.message")), false, &identity)
    }

    #[test]
    fn an_id_is_a_prefix_and_twenty_six_characters_of_base32() {
        // SHA-256 of address, type, standby, "parts" and the message's id, each behind its length as eight bytes, by
        // Python's hashlib and base64.b32encode.
        assert_eq!(id("messages", r#"{"id":"wamid.1"}"#).as_str(), "evt_dnoshdcsibqdtcgvvxuoqwstuq");
    }

    #[test]
    fn a_whole_item_has_the_id_of_its_canonical_form() {
        // The same, with "whole", the place, no time, and {"a":1,"b":[true]}.
        let expected = "evt_yk2rweqqb4l4hmu6zytsaa3prr";
        let ids = [r#"{"b":[true],"a":1}"#, "{ \"a\": 1,\n \"b\": [ true ] }"].map(|item| id("messages", item));

        assert_eq!((ids[0].as_str(), ids[1].as_str()), (expected, expected));
    }

    #[test]
    fn parts_that_read_the_same_when_joined_are_different_ids() {
        let status = |id_: &str, status: &str| id("statuses", &format!(r#"{{"id":"{id_}","status":"{status}"}}"#));

        assert_ne!(status("ab", "c"), status("a", "bc"));
    }
}
