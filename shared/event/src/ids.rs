//! An event's id: the same for the same event however often, and in whatever batch, Meta sends it.
//!
//! `evt_` and 26 characters of base32 (130 bits) of a SHA-256 over address, type and the identifying parts of
//! `kinds`. Each part goes in with its length, so that no two lists of parts look alike. An item without identifying
//! parts is identified by its field or key, `entry.time`, and its canonical JSON.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::json::Value;
use crate::kinds::Kind;
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
#[derive(Debug)]
pub(crate) enum Identity<'d> {
    /// Its identifying parts.
    Parts(Vec<Cow<'d, str>>),
    /// All of it.
    Whole { at: &'d str, time: Option<Cow<'d, str>>, item: Value<'d> },
    /// Bytes that are no item at all.
    Bytes(&'d [u8]),
}

impl<'d> Identity<'d> {
    /// By the kind's parts where all are there, else by the whole item.
    pub(crate) fn of(kind: &'static Kind, item: Value<'d>, around: Surroundings<'d>) -> Self {
        let parts = kind.parts.iter().map(|part| read(part, item, around)).collect::<Option<Vec<_>>>();
        match parts {
            Some(parts) if !parts.is_empty() => Self::Parts(parts),
            _ => Self::whole(kind.at, item, around),
        }
    }

    pub(crate) fn whole(at: &'d str, item: Value<'d>, around: Surroundings<'d>) -> Self {
        let time = around.time.and_then(Value::scalar);
        Self::Whole { at: if around.field.is_empty() { at } else { around.field }, time, item }
    }
}

/// A part's text; `None` where it is missing and not optional.
fn read<'d>(part: &'static str, item: Value<'d>, around: Surroundings<'d>) -> Option<Cow<'d, str>> {
    let added = || item.scalar_at("value.verb").as_deref() == Some("add");
    match part {
        "@field" => return Some(Cow::Borrowed(around.field)),
        "@time-unless-added" if added() => return Some(Cow::Borrowed("")),
        "@time" | "@time-unless-added" => return around.time.and_then(Value::scalar),
        _ => {}
    }
    if let Some(word) = part.strip_prefix('=') {
        return Some(Cow::Borrowed(word));
    }
    let (paths, optional) = part.strip_suffix('?').map_or((part, false), |paths| (paths, true));
    first(item, paths).or_else(|| optional.then_some(Cow::Borrowed("")))
}

/// The first scalar at any of `a|b|c`.
pub(crate) fn first<'d>(item: Value<'d>, paths: &str) -> Option<Cow<'d, str>> {
    paths.split('|').find_map(|path| item.scalar_at(path))
}

/// The id.
pub(crate) fn id(address: &Address, event_type: &EventType, standby: bool, identity: &Identity<'_>) -> EventId {
    let mut hash = Parts(Sha256::new());
    hash.add(address.as_str());
    hash.add(event_type.as_str());
    // A second app on the same conversation: its copy is an event of its own.
    hash.add(if standby { "standby" } else { "" });
    match identity {
        Identity::Parts(parts) => {
            hash.add("parts");
            for part in parts {
                hash.add(part.as_ref());
            }
        }
        Identity::Whole { at, time, item } => {
            let mut canonical = String::with_capacity(item.raw().len());
            item.write_canonical(&mut canonical);
            hash.add("whole");
            hash.add(at);
            hash.add(time.as_deref().unwrap_or_default());
            hash.add(&canonical);
        }
        Identity::Bytes(bytes) => {
            hash.add("bytes");
            hash.add(bytes);
        }
    }
    hash.finish()
}

struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn finish(self) -> EventId {
        let digest = self.0.finalize();
        let mut text = String::with_capacity(4 + LENGTH);
        text.push_str("evt_");
        let (mut bits, mut held) = (0_u32, 0_u32);
        for byte in digest.iter().take(LENGTH * 5 / 8 + 1) {
            (bits, held) = (bits << 8 | u32::from(*byte), held + 8);
            while held >= 5 && text.len() < 4 + LENGTH {
                held -= 5;
                text.push(char::from(BASE32[(bits >> held & 31) as usize]));
            }
            bits &= 0xff;
        }
        EventId::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_parts(parts: &[&str]) -> EventId {
        let parts = parts.iter().map(|part| Cow::Owned((*part).to_owned())).collect();
        id(&Address::new("whatsapp:1"), &EventType::new("whatsapp.message"), false, &Identity::Parts(parts))
    }

    #[test]
    fn an_id_is_a_prefix_and_twenty_six_characters_of_base32() {
        // SHA-256 of the six parts with their lengths, by Python's hashlib and base64.b32encode.
        assert_eq!(with_parts(&["wamid.1"]).as_str(), "evt_dnoshdcsibqdtcgvvxuoqwstuq");
    }

    #[test]
    fn parts_that_read_the_same_when_joined_are_different_ids() {
        assert_ne!(with_parts(&["ab", "c"]), with_parts(&["a", "bc"]));
        assert_ne!(with_parts(&["ab"]), with_parts(&["ab", ""]));
    }
}
