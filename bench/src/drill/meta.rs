//! Meta in a drill: many conversations, each of which writes its next message after the 200 to the one before. What got no
//! 200 is posted again, and some of what did, in other batches.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::{Drained, Secret, Shutdown};
use ops::webhook::Meta;

use super::evidence::{Accepted, Place};
use super::notification::notification;
use crate::notifications::SECRET;

/// Notifications that are under way at once.
const POSTERS: usize = 24;
/// The most new events in one notification.
const BATCH_MAX: usize = 8;
/// The most repeats in one notification.
const REPEATS_MAX: usize = 3;
/// One notification in this many holds repeats of what was accepted.
const REPEATED: usize = 10;
/// How far back such repeats go.
const REMEMBERED: usize = 2_000;
/// Longer than Meta waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The load.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    ingests: Vec<Meta>,
    state: Arc<Mutex<State>>,
    start: Instant,
    period: Duration,
    shutdown: Shutdown,
}

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    /// The next event of each conversation that waits for no answer.
    next: VecDeque<Place>,
    accepted: Vec<Accepted>,
    /// Answers that were not 200, or did not come.
    refused: usize,
    repeated: usize,
}

/// What Meta has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) refused: usize,
    pub(crate) repeated: usize,
    pub(crate) ended: Duration,
}

/// What is in a notification.
struct Batch {
    ingest: usize,
    new: Vec<Place>,
    repeats: Vec<Place>,
}

impl Load {
    /// Begins to post `rate` events a second, spread over these ingests by chance. Times count from `start`.
    pub(crate) fn begin(seed: u64, listens: &[SocketAddr], rate: f64, start: Instant) -> Self {
        let to = |address: &SocketAddr| {
            let url = format!("http://{address}/webhook").parse().expect("it is an address");
            Meta::new(url, Secret::new(SECRET))
        };
        // So many that conversations wait for their turn, not the posters for conversations.
        let conversations = POSTERS * BATCH_MAX * 2;
        let state = State {
            random: fastrand::Rng::with_seed(seed),
            next: (0..conversations).map(|conversation| Place { conversation, turn: 0 }).collect(),
            accepted: Vec::new(),
            refused: 0,
            repeated: 0,
        };
        let each = crate::report::count(POSTERS * (1 + BATCH_MAX)) / 2.0;
        let load = Self {
            ingests: listens.iter().map(to).collect(),
            state: Arc::new(Mutex::new(state)),
            start,
            period: Duration::from_secs_f64(each / rate),
            shutdown: Shutdown::default(),
        };
        (0..POSTERS).for_each(|_| load.shutdown.spawn(load.clone().post_again_and_again()));
        load
    }

    /// Ceases to post, and returns what was seen.
    pub(crate) async fn end(self) -> Seen {
        let ended = self.start.elapsed();
        self.shutdown.request();
        assert_eq!(self.shutdown.drain(PATIENCE).await, Drained::Cleanly, "every poster ends");
        let state = self.lock();
        Seen { accepted: state.accepted.clone(), refused: state.refused, repeated: state.repeated, ended }
    }

    async fn post_again_and_again(self) {
        while self.shutdown.pause(self.pause()).await {
            let batch = self.lock().batch(self.ingests.len());
            let places = [batch.new.as_slice(), &batch.repeats].concat();
            if places.is_empty() {
                continue;
            }
            let posted = self.start.elapsed();
            let answer = self.ingests[batch.ingest].post(notification(&places)).await;
            let is_accepted = answer.is_ok_and(|status| status.as_u16() == 200);
            self.lock().note(batch, is_accepted, posted, self.start.elapsed());
        }
    }

    fn pause(&self) -> Duration {
        self.period.mul_f64(0.5 + self.lock().random.f64())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn batch(&mut self, ingests: usize) -> Batch {
        let count = self.random.usize(1..=BATCH_MAX).min(self.next.len());
        let new: Vec<Place> = self.next.drain(..count).collect();
        let count = if self.random.usize(..REPEATED) == 0 { self.random.usize(1..=REPEATS_MAX) } else { 0 };
        let repeats = (0..count).filter_map(|_| self.remembered()).collect();
        Batch { ingest: self.random.usize(..ingests), new, repeats }
    }

    /// Something that was accepted before.
    fn remembered(&mut self) -> Option<Place> {
        let from = self.accepted.len().saturating_sub(REMEMBERED);
        let recent = &self.accepted[from..];
        (!recent.is_empty()).then(|| recent[self.random.usize(..recent.len())].place)
    }

    fn note(&mut self, batch: Batch, is_accepted: bool, posted: Duration, at: Duration) {
        self.refused += usize::from(!is_accepted);
        self.repeated += batch.repeats.len();
        for place in batch.new {
            if is_accepted {
                self.accepted.push(Accepted { place, ingest: batch.ingest, posted, at });
            }
            let turn = place.turn + usize::from(is_accepted);
            self.next.push_back(Place { turn, ..place });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn state() -> State {
        let next = (0..50).map(|conversation| Place { conversation, turn: 0 }).collect();
        State { random: fastrand::Rng::with_seed(1), next, accepted: Vec::new(), refused: 0, repeated: 0 }
    }

    #[test]
    fn a_conversation_goes_on_after_its_200_and_what_got_none_comes_again_in_other_batches() {
        let mut state = state();
        let mut turns: BTreeMap<usize, usize> = BTreeMap::new();
        let mut companions: BTreeMap<Place, Vec<Vec<Place>>> = BTreeMap::new();
        for serial in 0..2_000 {
            let batch = state.batch(2);
            let is_accepted = serial % 3 == 0;
            for place in &batch.new {
                assert_eq!(place.turn, turns.get(&place.conversation).copied().unwrap_or_default());
                turns.insert(place.conversation, place.turn + usize::from(is_accepted));
                companions.entry(*place).or_default().push(batch.new.clone());
            }
            for repeat in &batch.repeats {
                assert!(state.accepted.iter().any(|accepted| accepted.place == *repeat), "{repeat:?} got no 200");
            }
            state.note(batch, is_accepted, Duration::ZERO, Duration::ZERO);
        }

        let again: Vec<&Vec<Vec<Place>>> = companions.values().filter(|batches| batches.len() > 1).collect();
        assert!(again.len() > 500 && again.iter().any(|batches| batches[0] != batches[1]), "{}", again.len());
        assert!(state.repeated > 100 && state.refused > 1_000, "{} {}", state.repeated, state.refused);
    }

    #[test]
    fn while_every_conversation_waits_for_its_answer_there_is_no_new_event() {
        let mut state = state();
        let batches: Vec<Batch> = (0..60).map(|_| state.batch(1)).collect();

        assert_eq!(batches.iter().map(|batch| batch.new.len()).sum::<usize>(), 50);
        assert!(batches.last().is_some_and(|batch| batch.new.is_empty()));
    }
}
