//! Decides whose turn it is: groups take turns at the window, so that none of them keeps the others waiting. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// While another group has something ready, a group has at most this part of the window under way.
const SHARE: usize = 4;
/// This part of the window is kept for groups that have little under way.
const RESERVE: usize = 8;
/// A group that has less than this part of the window under way has little.
const LITTLE: usize = 16;

/// What is ready, by group, and how much each group has under way. Three rules:
///
/// 1. Groups that have something ready begin one after the other.
/// 2. While another group has something ready, a group that has its share of the window under way begins nothing more.
/// 3. The last part of the window is for groups that have little under way. A group that was alone may fill all but this
///    part with attempts that take 10 s each; the next group still begins at once.
#[derive(Debug)]
pub(crate) struct Turns<G, M> {
    window: usize,
    groups: HashMap<G, Group<M>>,
    /// Groups that have something ready, in the order of their turns.
    order: VecDeque<G>,
    under_way: usize,
}

#[derive(Debug)]
struct Group<M> {
    /// By their place in the order of arrival.
    ready: BTreeMap<u64, M>,
    under_way: usize,
}

impl<M> Default for Group<M> {
    fn default() -> Self {
        Self { ready: BTreeMap::new(), under_way: 0 }
    }
}

/// A member whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn<G, M> {
    pub(crate) group: G,
    pub(crate) member: M,
}

impl<G: Clone + Eq + Hash, M> Turns<G, M> {
    pub(crate) fn new(window: usize) -> Self {
        Self { window, groups: HashMap::new(), order: VecDeque::new(), under_way: 0 }
    }

    /// A member is ready, at its place in the order of arrival within its group.
    pub(crate) fn enter(&mut self, group: &G, serial: u64, member: M) {
        let entry = self.groups.entry(group.clone()).or_default();
        if entry.ready.is_empty() {
            self.order.push_back(group.clone());
        }
        entry.ready.insert(serial, member);
    }

    /// A member that is ready leaves without its turn.
    pub(crate) fn remove(&mut self, group: &G, serial: u64) {
        let Some(entry) = self.groups.get_mut(group) else { return };
        if entry.ready.remove(&serial).is_some() && entry.ready.is_empty() {
            self.order.retain(|other| other != group);
            self.remove_if_idle(group);
        }
    }

    /// Begins with the member whose turn it is; `None` if nothing is ready, or nothing that is ready may begin now.
    pub(crate) fn next(&mut self) -> Option<Turn<G, M>> {
        let place = self.order.iter().position(|group| self.may_begin(group))?;
        let group = self.order.remove(place)?;
        let entry = self.groups.get_mut(&group)?;
        let (_, member) = entry.ready.pop_first()?;
        entry.under_way += 1;
        self.under_way += 1;
        if !entry.ready.is_empty() {
            self.order.push_back(group.clone());
        }
        Some(Turn { group, member })
    }

    /// Whether [`Self::next`] would give a member.
    pub(crate) fn may_any_begin(&self) -> bool {
        self.order.iter().any(|group| self.may_begin(group))
    }

    /// Whether as much is under way as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way >= self.window
    }

    /// What a member of `from` began turns out to belong to `to`. Returns whether it may go on there. If not, it is not
    /// under way any more.
    pub(crate) fn transfer(&mut self, from: &G, to: &G) -> bool {
        if from == to {
            return true;
        }
        self.end(from);
        if !self.may_begin(to) {
            return false;
        }
        self.groups.entry(to.clone()).or_default().under_way += 1;
        self.under_way += 1;
        true
    }

    /// What a member of the group began has ended.
    pub(crate) fn end(&mut self, group: &G) {
        let Some(entry) = self.groups.get_mut(group) else { return };
        entry.under_way -= 1;
        self.under_way -= 1;
        self.remove_if_idle(group);
    }

    fn may_begin(&self, group: &G) -> bool {
        let own = self.groups.get(group).map_or(0, |entry| entry.under_way);
        let are_others_ready = self.order.len() > 1 || self.order.front().is_some_and(|other| other != group);
        let share = if are_others_ready { part(self.window, SHARE) } else { self.window };
        let has_little = own < part(self.window, LITTLE);
        let reserve = if has_little { 0 } else { self.window / RESERVE };
        own < share && self.under_way + reserve < self.window
    }

    fn remove_if_idle(&mut self, group: &G) {
        if self.groups.get(group).is_some_and(|entry| entry.under_way == 0 && entry.ready.is_empty()) {
            self.groups.remove(group);
        }
    }
}

/// A part of the window, but at least one place.
fn part(window: usize, part: usize) -> usize {
    (window / part).max(1)
}

#[cfg(test)]
mod tests;
