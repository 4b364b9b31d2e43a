//! Conversations whose order is checked: who wrote which message, and what reached DSK out of order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ops::dsk::DskRequest;

use crate::support::bodies::{self, NUMBER};

/// The message that a person writes as the one with this number.
pub(crate) fn message(person: usize, turn: usize) -> Bytes {
    bodies::from(NUMBER, &format!("491777{person:05}"), &format!("order.{person}.{turn}."))
}

/// The person and the turn of a message.
fn place(request: &DskRequest) -> (usize, usize) {
    let body = String::from_utf8_lossy(&request.body);
    let mut numbers = body.split("wamid.order.").nth(1).into_iter().flat_map(|rest| rest.split('.'));
    let mut number = || numbers.next().and_then(|number| number.parse().ok()).expect("it is a message of this drill");
    (number(), number())
}

/// What came out of order.
#[derive(Debug, Default)]
pub(crate) struct Disorder {
    /// Retried later, because DSK failed: these may be overtaken.
    pub(crate) excepted: usize,
    pub(crate) violations: Vec<String>,
    pub(crate) repeats: usize,
}

/// What came out of order among the requests that DSK answered with 200.
pub(crate) fn disorder(seen: &[DskRequest]) -> Disorder {
    let mut disorder = Disorder::default();
    let mut arrived: BTreeSet<&str> = BTreeSet::new();
    let mut latest: BTreeMap<usize, usize> = BTreeMap::new();
    for request in seen.iter().filter(|request| request.status == 200) {
        if !arrived.insert(&request.id) {
            disorder.repeats += 1;
            continue;
        }
        let (person, turn) = place(request);
        let latest = latest.entry(person).or_insert(turn);
        if turn < *latest && request.attempt > 1 {
            disorder.excepted += 1;
        } else if turn < *latest {
            disorder.violations.push(format!("person {person}: {turn} after {latest}"));
        }
        *latest = turn.max(*latest);
    }
    disorder
}
