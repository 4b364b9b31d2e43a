//! Says why a signed body is not a notification, for the person who looks at the dead letter.

use jiff::Timestamp;
use serde::de::IgnoredAny;

use crate::entry::Platform;
use crate::events::Events;
use crate::json::{Document, Value};
use crate::scan::DEPTH_MAX;
use crate::split::split_notification;

/// Why `split` makes one `meta.unrecognized` of a body. It repeats nothing of the body except its `object`.
#[derive(Debug, thiserror::Error)]
pub enum UnrecognizedReason {
    /// The body is not text.
    #[error("it is not UTF-8: {0}")]
    NotText(#[from] std::str::Utf8Error),
    /// The body is text but not JSON; the error says where it stops being JSON.
    #[error("it is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// The body is JSON that is nested deeper than any notification.
    #[error("it is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The body has no member `object`, or is no object at all.
    #[error("it has no `object`, which every notification has")]
    NoObject,
    /// The notification is about an `object` whose channels we do not connect.
    #[error("its `object` is {0:?}, not whatsapp_business_account, instagram or page: unsubscribe the app from it")]
    OtherObject(String),
    /// The notification holds nothing.
    #[error("its `entry` is missing or empty")]
    NoEntry,
    /// The body has many times more items than Meta would put into its size.
    #[error("it has more items than a notification of its size can have")]
    TooMany,
}

impl UnrecognizedReason {
    /// Whether the body is not even JSON (RFC 8259). Meta never posts that to a webhook, but signs other things with the
    /// same secret, such as the `signed_request` of its callbacks.
    pub fn is_not_json(body: &[u8]) -> bool {
        serde_json::from_slice::<IgnoredAny>(body).is_err()
    }

    /// The reason, or `None` if the body is a notification.
    pub fn of(body: &[u8]) -> Option<Self> {
        Self::check(body).err()
    }

    fn check(body: &[u8]) -> Result<(), Self> {
        let text = std::str::from_utf8(body)?;
        let Some(document) = Document::parse(body) else {
            serde_json::from_str::<IgnoredAny>(text)?;
            return Err(Self::TooDeep);
        };
        let object = document.root().get("object").and_then(Value::scalar).ok_or(Self::NoObject)?;
        if Platform::of_object(&object) == Platform::Unknown {
            return Err(Self::OtherObject(object.into_owned()));
        }
        let mut events = Events::of(body, Timestamp::UNIX_EPOCH);
        split_notification(document.root(), &mut events);
        match events.count() {
            _ if events.overflows() => Err(Self::TooMany),
            0 => Err(Self::NoEntry),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meta_signs_elsewhere_is_not_json_and_a_deep_or_strange_notification_is() {
        for callback in ["eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiJ9", "", "{\"object\":", "\u{feff}{}"] {
            assert!(UnrecognizedReason::is_not_json(callback.as_bytes()), "{callback:?}");
        }
        let deep = ["[".repeat(5_000), "]".repeat(5_000)].concat();
        for strange in ["[]", "{}", "7", "{\"object\":\"\\ud83e\"}", &deep] {
            assert!(!UnrecognizedReason::is_not_json(strange.as_bytes()), "{strange:?}");
        }
    }
}
