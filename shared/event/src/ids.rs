//! An event's id: the same for the same event, however often and in whatever batch Meta sends it.
//!
//! It is `evt_` and 26 characters of base32 (130 bits) of a SHA-256 over address, type and the identifying parts of
//! `kinds`. Each part is hashed with its length, so that no two lists of parts look alike. An item without identifying
//! parts is identified by its field or key, `entry.time`, and its canonical JSON. Text counts by its characters, not by how
//! they are spelled.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::canonical::write_canonical;
use crate::json::{Member, Value};
use crate::kinds::{Kind, Part};
use crate::{Address, EventId, EventType, Lane};

const PREFIX_LENGTH: usize = 4;
/// Characters behind the prefix.
const LENGTH: usize = 26;
/// How much of the hash is encoded: 160 bits are exactly 32 characters, of which an id keeps the first 26.
const ENCODED_BYTES: usize = 20;
const ENCODED_LENGTH: usize = 32;

/// What stands around an item and may be part of its identity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surroundings<'d> {
    pub(crate) time: Option<Value<'d>>,
    pub(crate) field: &'d str,
}

/// What tells an event from every other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity<'d> {
    /// An item: the parts of its kind if all are there, or else the whole item.
    Item { kind: Option<&'static Kind>, at: &'d str, item: Value<'d>, around: Surroundings<'d> },
    /// Bytes that are not an item at all.
    Bytes(&'d [u8]),
}

/// Makes the ids of one notification, with one buffer for what is hashed.
#[derive(Debug)]
pub(crate) struct Ids {
    hashed: Vec<u8>,
}

impl Identity<'_> {
    /// The size of the item, in bytes.
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

    /// The id of an event of that type on that channel. `standby` marks the copy for a second app on the same
    /// conversation, which is an event of its own.
    pub(crate) fn id(
        &mut self,
        address: &Address,
        event_type: &EventType,
        standby: bool,
        identity: &Identity<'_>,
    ) -> EventId {
        self.hashed.clear();
        self.add(address.as_str());
        self.add(event_type.as_str());
        self.add(if standby { "standby" } else { "" });
        let before = self.hashed.len();
        match *identity {
            Identity::Item { kind, at, item, around } => {
                if kind.and_then(|kind| self.add_parts(kind, item, around)).is_none() {
                    self.hashed.truncate(before);
                    self.add_whole(if around.field.is_empty() { at } else { around.field }, item, around);
                }
            }
            Identity::Bytes(bytes) => {
                self.add("bytes");
                self.add(bytes);
            }
        }
        EventId::new(encode("evt_", &Sha256::digest(&self.hashed)))
    }

    /// One key for all events of a conversation. It is a hash, so that no log or URL of DSK's shows a number.
    pub(crate) fn conversation(&mut self, lane: &Lane) -> String {
        self.hashed.clear();
        self.add("conversation");
        self.add(lane.as_str());
        encode("cnv_", &Sha256::digest(&self.hashed))
    }

    /// `None` if there are no parts, or one is missing.
    fn add_parts(&mut self, kind: &Kind, item: Value<'_>, around: Surroundings<'_>) -> Option<()> {
        if kind.parts.is_empty() {
            return None;
        }
        self.add("parts");
        for part in kind.parts {
            match *part {
                Part::Word(word) => self.add(word),
                Part::Field => self.add(around.field),
                Part::Is(paths) => self.add(&*item.first(paths)?),
                Part::Maybe(paths) => self.add(&*item.first(paths).unwrap_or_default()),
                Part::TimeUnlessAdded if item.has_text("verb", "add") => self.add(""),
                Part::Time | Part::TimeUnlessAdded => self.add(&*around.time.and_then(Value::scalar)?),
            }
        }
        self.add_other_ids(kind, item);
        Some(())
    }

    /// Adds every id that no rule names: it may be what tells two items apart. Two ids for one event are better than one
    /// id for two, of which the second would be dropped.
    fn add_other_ids(&mut self, kind: &Kind, item: Value<'_>) {
        let is_other = |member: &Member<'_>| member.name().ends_with("_id") && !kind.names(member.name());
        let mut others: Vec<_> = item.members().filter(|member| is_other(member) && !member.value.is_empty()).collect();
        others.sort_by_key(|member| member.name());
        for Member { key, value } in others {
            self.add("beside");
            self.add(key.plain());
            match value.scalar() {
                Some(id) => self.add(&*id),
                None => self.add_canonical(value),
            }
        }
    }

    fn add_whole(&mut self, at: &str, item: Value<'_>, around: Surroundings<'_>) {
        self.add("whole");
        self.add(at);
        self.add(&*around.time.and_then(Value::scalar).unwrap_or_default());
        self.add_canonical(item);
    }

    fn add_canonical(&mut self, item: Value<'_>) {
        let length_at = self.hashed.len();
        self.add("");
        write_canonical(item, &mut self.hashed);
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

/// Base32 (RFC 4648, in lower case) of the first 130 bits, behind the prefix.
fn encode(prefix: &str, digest: &[u8]) -> String {
    let mut text = [0; PREFIX_LENGTH + ENCODED_LENGTH];
    text[..PREFIX_LENGTH].copy_from_slice(prefix.as_bytes());
    BASE32_NOPAD.encode_mut(&digest[..ENCODED_BYTES], &mut text[PREFIX_LENGTH..]);
    let text = &mut text[..PREFIX_LENGTH + LENGTH];
    text.make_ascii_lowercase();
    std::str::from_utf8(text).expect("base32 is ASCII").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn id(kind: &'static str, item: &str) -> EventId {
        let document = Document::parse(item.as_bytes()).unwrap();
        let kind = crate::kinds::find(crate::kinds::WHATSAPP_ITEMS, kind);
        let identity = Identity::Item { kind, at: "messages", item: document.root(), around: Surroundings::default() };
        Ids::new().id(&Address::new("whatsapp:1"), &EventType::new("whatsapp.message"), false, &identity)
    }

    #[test]
    fn an_id_is_a_prefix_and_twenty_six_characters_of_base32() {
        // Computed by Python's hashlib and base64.b32encode: SHA-256 of address, type, standby, "parts" and the
        // message's id, each behind its length as eight bytes.
        assert_eq!(id("messages", r#"{"id":"wamid.1"}"#).as_str(), "evt_dnoshdcsibqdtcgvvxuoqwstuq");
    }

    #[test]
    fn a_whole_item_has_the_id_of_its_canonical_form() {
        // Computed in the same way from "whole", the key, no time, and {"a":1,"b":[true]}.
        let expected = "evt_yk2rweqqb4l4hmu6zytsaa3prr";
        let ids = [r#"{"b":[true],"a":1}"#, "{ \"a\": 1,\n \"b\": [ true ] }"].map(|item| id("messages", item));

        assert_eq!((ids[0].as_str(), ids[1].as_str()), (expected, expected));
    }

    #[test]
    fn parts_that_read_the_same_when_joined_give_different_ids() {
        let status = |id_: &str, status: &str| id("statuses", &format!(r#"{{"id":"{id_}","status":"{status}"}}"#));

        assert_ne!(status("ab", "c"), status("a", "bc"));
    }
}
