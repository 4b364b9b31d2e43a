//! The events of one notification: from each draft its type, id, lane and conversation, and the body for DSK.

use bytes::Bytes;
use jiff::Timestamp;

use crate::body::Names;
use crate::draft::Draft;
use crate::ids::Ids;
use crate::{Event, EventType, Lane};

/// A notification may give this many events, and one more for each `BYTES_PER_EVENT` of its body. Meta's items are too
/// large to reach this. A body that would exceed it is no notification, and must not take more memory than its size
/// warrants.
const EVENTS_MIN: usize = 64;
const BYTES_PER_EVENT: usize = 32;
/// What a body has around its item, in bytes, roughly.
const AROUND_BYTES: usize = 1000;

/// The events of one notification, in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) received_at: Timestamp,
    received_text: String,
    list: Vec<Event>,
    count_max: usize,
    overflows: bool,
    ids: Ids,
    /// A buffer for the names that are put together from parts.
    text: String,
}

impl Events {
    pub(crate) fn of(body: &[u8], received_at: Timestamp) -> Self {
        Self {
            received_at,
            received_text: received_at.to_string(),
            list: Vec::new(),
            count_max: EVENTS_MIN + body.len() / BYTES_PER_EVENT,
            overflows: false,
            ids: Ids::new(),
            text: String::with_capacity(128),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Whether the body has more events than a body of its size may have.
    pub(crate) fn overflows(&self) -> bool {
        self.overflows
    }

    /// All events, unless there are none or too many. Empty afterwards.
    pub(crate) fn finish(&mut self) -> Option<Vec<Event>> {
        let list = std::mem::take(&mut self.list);
        (!list.is_empty() && !std::mem::take(&mut self.overflows)).then_some(list)
    }

    /// Adds an event, with the body that DSK will get; `payload` writes the payload into it.
    pub(crate) fn push(&mut self, draft: Draft<'_>, payload: impl FnOnce(&mut String)) {
        if self.list.len() == self.count_max {
            self.overflows = true;
            return;
        }
        let address = draft.channel.address.clone();
        let event_type = EventType::new(self.joined([draft.platform.as_str(), ".", &draft.name]));
        let other_end = draft.group_name().or(draft.contact.id.as_deref());
        let lane = match other_end {
            Some(other_end) => Lane::new(self.joined([address.as_str(), "/", other_end])),
            None => Lane::new(address.as_str()),
        };
        let id = self.ids.id(&address, &event_type, draft.standby, &draft.identity);
        let conversation = other_end.map(|_| self.ids.conversation(&lane));
        let names = Names {
            id: &id,
            event_type: &event_type,
            received_at: &self.received_text,
            conversation: conversation.as_deref(),
        };
        let mut body = String::with_capacity(draft.identity.size() + AROUND_BYTES);
        draft.write(&mut body, names, payload);
        self.list.push(Event {
            id,
            event_type,
            address,
            lane,
            class: draft.class,
            timestamp: draft.time.at,
            timestamp_replaced: draft.time.is_replaced,
            effect: draft.effect,
            body: Bytes::from(body),
        });
    }

    fn joined(&mut self, parts: [&str; 3]) -> &str {
        self.text.clear();
        parts.iter().for_each(|part| self.text.push_str(part));
        &self.text
    }
}
