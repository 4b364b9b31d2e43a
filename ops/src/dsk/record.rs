//! What the stand-in for DSK remembers of the requests that it answered.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use axum::http::HeaderMap;
use bytes::Bytes;

use super::behaviour::Keeps;

/// How many ids [`Keeps::LatestIds`] keeps. They take 110 MB, and a container of `ops dsk` may have 256 MB. A repeat
/// of an older event counts as a new one.
const LATEST_IDS_MAX: usize = 1_000_000;

/// One request, and how it was answered.
#[derive(Clone, Debug)]
pub struct DskRequest {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-attempt`.
    pub attempt: u32,
    /// The status that was answered.
    pub status: u16,
    /// Why the request was not a good one, if it was not.
    pub fault: Option<&'static str>,
    /// Whether DSK had the event already.
    pub is_repeat: bool,
    /// `type` of the body.
    pub event_type: String,
    /// Every header, if the stand-in keeps them.
    pub headers: HeaderMap,
    /// The body, if the stand-in keeps requests.
    pub body: Bytes,
}

/// The requests so far: how many there were, and what is kept of them.
#[derive(Debug)]
pub(super) struct Record {
    /// Every request, if they are kept.
    pub(super) requests: Vec<DskRequest>,
    pub(super) answered: usize,
    /// Requests that were not answered with 200.
    pub(super) failed: usize,
    /// Events that were answered with 200, each counted once while its id is kept.
    pub(super) delivered: usize,
    ids: BTreeSet<Arc<str>>,
    /// The same ids, the oldest first.
    order: VecDeque<Arc<str>>,
    ids_max: usize,
    keeps_requests: bool,
}

impl Record {
    pub(super) fn new(keeps: Keeps) -> Self {
        let ids_max = match keeps {
            Keeps::Everything | Keeps::Ids => usize::MAX,
            Keeps::LatestIds => LATEST_IDS_MAX,
        };
        Self::with(keeps == Keeps::Everything, ids_max)
    }

    fn with(keeps_requests: bool, ids_max: usize) -> Self {
        Self {
            requests: Vec::new(),
            answered: 0,
            failed: 0,
            delivered: 0,
            ids: BTreeSet::new(),
            order: VecDeque::new(),
            ids_max,
            keeps_requests,
        }
    }

    /// Whether DSK has an event, as far as it remembers.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Ids of the events that DSK has, each once.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.ids.iter().map(ToString::to_string).collect()
    }

    /// A request was answered.
    pub(super) fn add(&mut self, request: &DskRequest) {
        self.answered += 1;
        if request.status == 200 {
            self.deliver(&request.id);
        } else {
            self.failed += 1;
        }
        if self.keeps_requests {
            self.requests.push(request.clone());
        }
    }

    fn deliver(&mut self, id: &str) {
        let id: Arc<str> = Arc::from(id);
        if !self.ids.insert(Arc::clone(&id)) {
            return;
        }
        self.delivered += 1;
        self.order.push_back(id);
        if self.order.len() > self.ids_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS_MAX: usize = 100;

    fn request(id: usize) -> DskRequest {
        DskRequest {
            id: format!("evt_{id}"),
            attempt: 1,
            status: 200,
            fault: None,
            is_repeat: false,
            event_type: "whatsapp.message".to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn the_latest_ids_are_kept_and_no_request_and_everything_is_counted() {
        let mut record = Record::with(false, IDS_MAX);

        for id in 0..10_000 {
            record.add(&request(id));
            record.add(&request(id));
        }

        assert_eq!((record.answered, record.delivered, record.failed), (20_000, 10_000, 0));
        assert_eq!((record.requests.len(), record.ids.len(), record.order.len()), (0, IDS_MAX, IDS_MAX));
        assert!(record.has("evt_9999") && record.has("evt_9900") && !record.has("evt_9899"));
    }
}
