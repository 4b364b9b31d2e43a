//! Which delivery tags are settled, and how to acknowledge them in as few frames as is safe.

use std::collections::VecDeque;

/// One `basic.ack` to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) tag: u64,
    /// Whether it acknowledges every outstanding tag below, too.
    pub(crate) multiple: bool,
}

/// The tags of one AMQP channel that are not acknowledged yet: one byte for each, because a scan holds a million.
///
/// Acknowledging a tag twice closes the AMQP channel and hands its whole window out again, so a tag leaves the
/// ledger at the moment when its acknowledgement is made.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The tag to which the first state belongs. A broker counts tags from 1, and leaves none out.
    first: u64,
    states: VecDeque<TagState>,
    outstanding: usize,
    settled: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TagState {
    Unsettled,
    Settled,
    /// Acknowledged, or never ours.
    Gone,
}

impl Ledger {
    /// The broker handed out a tag, which is above every earlier one.
    pub(crate) fn arrive(&mut self, tag: u64) {
        if self.states.is_empty() {
            self.first = tag;
        }
        let missing = tag.saturating_sub(self.first + self.states.len() as u64);
        self.states.extend((0..missing).map(|_| TagState::Gone));
        self.states.push_back(TagState::Unsettled);
        self.outstanding += 1;
    }

    /// Notes that a tag may be acknowledged.
    pub(crate) fn settle(&mut self, tag: u64) {
        if let Some(state @ TagState::Unsettled) = self.state_of(tag) {
            *state = TagState::Settled;
            self.settled += 1;
        }
    }

    fn state_of(&mut self, tag: u64) -> Option<&mut TagState> {
        let place = usize::try_from(tag.checked_sub(self.first)?).ok()?;
        self.states.get_mut(place)
    }

    /// How many tags are not acknowledged. The broker counts them against our window.
    pub(crate) fn len(&self) -> usize {
        self.outstanding
    }

    /// How many tags are settled and not acknowledged.
    pub(crate) fn settled(&self) -> usize {
        self.settled
    }

    /// The tags to give back with `multiple`, one after the other, so that each gives back at most `chunk` tags.
    pub(crate) fn chunks(&self, chunk: usize) -> Vec<u64> {
        let outstanding = (self.first..).zip(&self.states).filter(|(_, state)| **state != TagState::Gone);
        let tags: Vec<u64> = outstanding.map(|(tag, _)| tag).collect();
        tags.chunks(chunk).filter_map(|chunk| chunk.last().copied()).collect()
    }

    /// What to send now: one frame for all tags below the lowest unsettled one, and one frame for each settled tag above.
    pub(crate) fn acknowledge(&mut self) -> Vec<Ack> {
        let mut acks = Vec::new();
        let mut last_below = None;
        while let Some(state @ (TagState::Settled | TagState::Gone)) = self.states.front() {
            if *state == TagState::Settled {
                last_below = Some(self.first);
                self.outstanding -= 1;
                self.settled -= 1;
            }
            self.states.pop_front();
            self.first += 1;
        }
        acks.extend(last_below.map(|tag| Ack { tag, multiple: true }));
        if self.settled > 0 {
            for (tag, state) in (self.first..).zip(&mut self.states) {
                if *state == TagState::Settled {
                    *state = TagState::Gone;
                    acks.push(Ack { tag, multiple: false });
                }
            }
        }
        self.outstanding -= self.settled;
        self.settled = 0;
        acks
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_settled_prefix_takes_one_frame_and_tags_above_a_gap_take_one_each() {
        let mut ledger = Ledger::default();
        (1..=6).for_each(|tag| ledger.arrive(tag));
        [1, 2, 4, 6].into_iter().for_each(|tag| ledger.settle(tag));

        let single = |tag| Ack { tag, multiple: false };
        assert_eq!(ledger.acknowledge(), [Ack { tag: 2, multiple: true }, single(4), single(6)]);

        ledger.settle(3);
        assert_eq!(ledger.acknowledge(), [Ack { tag: 3, multiple: true }]);
        assert_eq!(ledger.chunks(32), [5]);
    }

    #[test]
    fn chunks_that_are_given_back_leave_no_tag_out() {
        let mut ledger = Ledger::default();
        (1..=70).filter(|tag| tag % 10 != 0).for_each(|tag| ledger.arrive(tag));

        assert_eq!(ledger.chunks(32), [35, 69]);
    }

    /// What RabbitMQ does with an ack: refuses a tag that is not outstanding, takes all below for `multiple`.
    fn broker_takes(outstanding: &mut BTreeSet<u64>, ack: Ack) -> Vec<u64> {
        assert!(outstanding.contains(&ack.tag), "tag {} acknowledged twice: 406", ack.tag);
        let done: Vec<u64> =
            outstanding.iter().copied().filter(|tag| *tag == ack.tag || (ack.multiple && *tag < ack.tag)).collect();
        done.iter().for_each(|tag| assert!(outstanding.remove(tag)));
        done
    }

    proptest! {
        #[test]
        fn each_tag_is_acknowledged_exactly_once_and_none_before_it_is_settled(
            order in Just((1..=60_u64).collect::<Vec<_>>()).prop_shuffle(),
            flushes in prop::collection::vec(any::<bool>(), 60),
        ) {
            let mut ledger = Ledger::default();
            let mut outstanding: BTreeSet<u64> = (1..=60).collect();
            let mut settled = BTreeSet::new();
            outstanding.iter().for_each(|tag| ledger.arrive(*tag));

            for (tag, flush) in order.into_iter().zip(flushes) {
                ledger.settle(tag);
                settled.insert(tag);
                if flush {
                    for ack in ledger.acknowledge() {
                        for done in broker_takes(&mut outstanding, ack) {
                            prop_assert!(settled.contains(&done), "{done} acknowledged before it was settled");
                        }
                    }
                }
            }
            for ack in ledger.acknowledge() {
                broker_takes(&mut outstanding, ack);
            }

            prop_assert!(outstanding.is_empty(), "never acknowledged: {outstanding:?}");
        }
    }
}
