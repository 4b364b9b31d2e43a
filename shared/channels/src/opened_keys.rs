//! The keys of a store's erasures as a process has opened them: once, and again when another process has changed them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::now;

use crate::erasure_keys::ErasureKeys;
use crate::error::ErasureKeyError;
use crate::fields::Fields;
use crate::key_ring::KeyRing;

/// How long a failure counts. A dispatcher that holds events tries again every two seconds.
const TROUBLE_TIME: Duration = Duration::from_mins(1);

/// What a process has opened. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenedKeys {
    /// `None`: this process neither looks up nor changes what depends on erasures.
    ring: Option<KeyRing>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<ErasureKeys>,
    trouble: Option<Trouble>,
}

/// That the keys could not be opened.
#[derive(Clone, Debug)]
struct Trouble {
    error: ErasureKeyError,
    at: Instant,
}

impl Trouble {
    /// A process that is not asked, because it is not ready, could not find out that the keys open again.
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.at) >= TROUBLE_TIME
    }
}

impl OpenedKeys {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self { ring: Some(ring), state: Arc::default() }
    }

    /// Why the keys could not be opened when they were last needed, if that was just now.
    pub(crate) fn trouble(&self) -> Option<ErasureKeyError> {
        let trouble = self.state().trouble.clone();
        trouble.filter(|trouble| !trouble.is_over(Instant::now())).map(|trouble| trouble.error)
    }

    /// The keys that were opened last.
    pub(crate) fn last(&self) -> Arc<ErasureKeys> {
        Arc::clone(&self.state().keys)
    }

    /// The ring that opens them.
    pub(crate) fn ring(&self) -> Result<&KeyRing, ErasureKeyError> {
        self.ring.as_ref().ok_or(ErasureKeyError::NoKeyRing)
    }

    /// The keys in these fields, which are opened only if they are not those that were opened last.
    pub(crate) fn opened(&self, fields: Fields) -> Result<Arc<ErasureKeys>, ErasureKeyError> {
        let mut state = self.state();
        if state.keys.fields == fields {
            state.trouble = None;
            return Ok(Arc::clone(&state.keys));
        }
        match ErasureKeys::open(fields, self.ring.as_ref(), now()) {
            Ok(keys) => *state = State { keys: Arc::new(keys), trouble: None },
            Err(error) => {
                state.trouble = Some(Trouble { error: error.clone(), at: Instant::now() });
                return Err(error);
            }
        }
        Ok(Arc::clone(&state.keys))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_for_a_minute_after_it_was_last_met() {
        let at = Instant::now();
        let trouble = Trouble { error: ErasureKeyError::NoKeyRing, at };

        assert!(!trouble.is_over(at + Duration::from_secs(59)));
        assert!(trouble.is_over(at + Duration::from_mins(1)));
    }
}
