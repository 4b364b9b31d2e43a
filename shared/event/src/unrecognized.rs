//! Why a signed body is no notification that we know: for the person who looks at the dead letter.

use jiff::Timestamp;
use serde::de::IgnoredAny;

use crate::draft::{Events, Platform};
use crate::json::{Document, Value};
use crate::scan::DEPTH_MAX;
use crate::split::notification;

/// Why `split` makes one `meta.unrecognized` of a body. No text of the body is told but its `object`.
#[derive(Debug, thiserror::Error)]
pub enum Unrecognized {
    /// Bytes that are no text.
    #[error("it is not UTF-8: {0}")]
    NotText(#[from] std::str::Utf8Error),
    /// Text that is not JSON; where it stops being so.
    #[error("it is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// JSON, but not of this world.
    #[error("it is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// No member `object`, or no object at all.
    #[error("it has no `object`, which every notification has")]
    NoObject,
    /// An `object` that we do not connect channels of.
    #[error("its `object` is {0:?}, not whatsapp_business_account, instagram or page: unsubscribe the app from it")]
    OtherObject(String),
    /// Nothing in it.
    #[error("its `entry` is missing or empty")]
    NoEntry,
    /// Many times more items than bytes would hold.
    #[error("it has more items than a notification of its size can have")]
    TooMany,
}

impl Unrecognized {
    /// `None` for a notification.
    pub fn reason(body: &[u8]) -> Option<Self> {
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
        notification(document.root(), &mut events);
        match events.count() {
            _ if events.overflows() => Err(Self::TooMany),
            0 => Err(Self::NoEntry),
            _ => Ok(()),
        }
    }
}
