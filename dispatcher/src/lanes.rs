//! Lanes: one lane's envelopes one after the other, many lanes at once. Pure.

use std::collections::{HashMap, VecDeque};

use event::Lane;

/// What waits, by lane. A lane that is busy has an entry, be it empty.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    busy: HashMap<Lane, VecDeque<T>>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { busy: HashMap::new() }
    }
}

impl<T> Lanes<T> {
    /// Gives the item back if its lane is free, and makes the lane busy with it; else the item waits.
    pub(crate) fn enter(&mut self, lane: &Lane, item: T) -> Option<T> {
        if let Some(waiting) = self.busy.get_mut(lane) {
            waiting.push_back(item);
            return None;
        }
        self.busy.insert(lane.clone(), VecDeque::new());
        Some(item)
    }

    /// The lane's item is through: gives the next one, or makes the lane free.
    pub(crate) fn leave(&mut self, lane: &Lane) -> Option<T> {
        let next = self.busy.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.busy.remove(lane);
        }
        next
    }

    /// Everything that waits.
    pub(crate) fn into_waiting(self) -> Vec<T> {
        self.busy.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lane(number: u8) -> Lane {
        Lane::new(format!("whatsapp:1/{number}"))
    }

    #[test]
    fn different_lanes_do_not_wait_for_each_other() {
        let mut lanes = Lanes::default();

        assert_eq!(lanes.enter(&lane(1), "a"), Some("a"));
        assert_eq!(lanes.enter(&lane(2), "b"), Some("b"));
        assert_eq!(lanes.enter(&lane(1), "c"), None);
        assert_eq!(lanes.leave(&lane(1)), Some("c"));
    }

    proptest! {
        #[test]
        fn a_lane_keeps_its_order_and_never_has_two_items_out(
            arrivals in prop::collection::vec(0_u8..4, 1..80), finishes in prop::collection::vec(any::<bool>(), 80),
        ) {
            let mut lanes = Lanes::default();
            let mut out: HashMap<u8, usize> = HashMap::new();
            let mut done: HashMap<u8, Vec<usize>> = HashMap::new();

            for ((serial, number), finish) in arrivals.iter().copied().enumerate().zip(finishes) {
                if let Some(item) = lanes.enter(&lane(number), serial) {
                    prop_assert!(out.insert(number, item).is_none(), "two of one lane at once");
                }
                if let Some(item) = out.get(&number).copied().filter(|_| finish) {
                    done.entry(number).or_default().push(item);
                    out.remove(&number);
                    out.extend(lanes.leave(&lane(number)).map(|next| (number, next)));
                }
            }

            for order in done.values() {
                prop_assert!(order.is_sorted(), "{order:?}");
            }
        }
    }
}
