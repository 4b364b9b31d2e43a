//! A bounded memory of what was met lately.

use std::collections::HashMap;
use std::hash::Hash;

/// Remembers at least the last `max` different keys, and at most twice as many. What is met again is remembered longer.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    newer: HashMap<K, V>,
    older: HashMap<K, V>,
    max: usize,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self { newer: HashMap::new(), older: HashMap::new(), max }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.newer.get(key).or_else(|| self.older.get(key)).cloned()
    }

    pub(crate) fn remember(&mut self, key: K, value: V) {
        if self.newer.len() >= self.max && !self.newer.contains_key(&key) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_keys_are_remembered_and_older_ones_are_forgotten() {
        let mut recent = Recent::new(2);
        for key in 0..6 {
            recent.remember(key, ());
            recent.remember(0, ());
        }

        let remembered: Vec<i32> = (0..6).filter(|key| recent.get(key).is_some()).collect();

        assert!(remembered.contains(&0) && remembered.contains(&5) && remembered.contains(&4), "{remembered:?}");
        assert!(remembered.len() <= 4, "{remembered:?}");
    }
}
