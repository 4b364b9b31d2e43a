//! Names the groups of lanes that take turns, and remembers which group each channel's lanes belong to.

use std::collections::HashMap;

use event::Address;

use crate::destination::Destination;

/// Lanes that take turns together. A group decides when a lane goes on and never where its events go: the channel's
/// record is read before each attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Group {
    /// Of channels that have not been looked up yet.
    Unknown,
    /// Of all channels of one destination.
    Destination(Destination),
    /// Of one channel whose record names no destination that can be used.
    Channel(Address),
}

impl Group {
    pub(crate) fn destination(&self) -> Option<&Destination> {
        match self {
            Self::Destination(destination) => Some(destination),
            Self::Unknown | Self::Channel(_) => None,
        }
    }
}

/// The group that the last look-up of each channel found.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    groups: HashMap<Address, Group>,
}

impl Hints {
    /// Most channels remembered. When there are more, all are looked up again.
    const MAX: usize = 65_536;

    pub(crate) fn learn(&mut self, address: &Address, group: &Group) {
        if self.groups.get(address) == Some(group) {
            return;
        }
        if self.groups.len() >= Self::MAX {
            self.groups.clear();
        }
        self.groups.insert(address.clone(), group.clone());
    }

    pub(crate) fn group_of(&self, address: &Address) -> Group {
        self.groups.get(address).cloned().unwrap_or(Group::Unknown)
    }
}
