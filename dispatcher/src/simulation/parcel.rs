//! Plays an envelope that was taken.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use event::{DecodeError, Envelope};
use queue::Partition;

use crate::worker::Item;

/// Plays [`queue::Taken`].
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) envelope: Rc<Envelope>,
    pub(super) fault: Option<DecodeError>,
    pub(super) deliveries: u32,
    pub(super) partition: Partition,
    pub(super) possession: Possession,
    /// How often everything of its partition had been given back.
    pub(super) round: u64,
    pub(super) dispositions: Dispositions,
    pub(super) is_settled: bool,
}

/// Knows whether an envelope is still ours.
#[derive(Clone, Debug)]
pub(super) struct Possession {
    /// How many connections had been lost when the queue last handed it out.
    pub(super) last: Rc<Cell<u64>>,
    pub(super) losses: Rc<Cell<u64>>,
}

/// What a dispatcher did with its envelopes since this was last read.
pub(super) type Dispositions = Rc<RefCell<Vec<Disposition>>>;

/// An envelope stops being in flight.
#[derive(Debug)]
pub(super) struct Disposition {
    pub(super) envelope: Rc<Envelope>,
    pub(super) partition: Partition,
    pub(super) round: u64,
    /// If not, it was dropped.
    pub(super) is_acknowledged: bool,
}

impl Parcel {
    pub(super) fn is_lost(&self) -> bool {
        self.possession.last.get() != self.possession.losses.get()
    }

    fn leave(&mut self, is_acknowledged: bool) {
        self.is_settled = true;
        self.dispositions.borrow_mut().push(Disposition {
            envelope: Rc::clone(&self.envelope),
            partition: self.partition,
            round: self.round,
            is_acknowledged,
        });
    }
}

impl Item for Parcel {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn fault(&self) -> Option<DecodeError> {
        self.fault
    }

    fn deliveries(&self) -> u32 {
        self.deliveries
    }

    fn partition(&self) -> Partition {
        self.partition
    }

    fn is_lost(&self) -> bool {
        Self::is_lost(self)
    }

    fn acknowledge(mut self) {
        self.leave(true);
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if !self.is_settled {
            self.leave(false);
        }
    }
}
