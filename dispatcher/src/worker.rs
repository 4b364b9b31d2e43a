//! A class at work: takes envelopes, keeps each lane in order, and gives back what a stop or a long pause interrupts.

mod done;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use channels::LookupAnswer;
use event::Class;
use futures_util::FutureExt as _;
use queue::{Taken, Taker, Tier};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use crate::app::App;
use crate::hand::{Hand, Held, Wait};
use crate::pauses::{Admission, Target};
use crate::settle::{Remainder, settle};
use crate::status::InHand;
use crate::steps::{self, Forgotten};
use crate::{Cause, DispatcherSettings, Next, Reason};
use done::{Attempted, Done};

/// Envelopes moved from the queue's hand at once.
const TAKE_MANY: usize = 64;
/// Look-ups in one pipeline.
const LOOK_UP_MANY: usize = 256;
/// How often ages are looked at.
const TICK: Duration = Duration::from_secs(1);
/// A destination whose last answer was good, and came this lately, is kept waiting by those who crowd the window.
const WELL_LATELY: Duration = Duration::from_secs(10);
/// The same for a window that is full: nothing new could show who is well.
const WELL_BEFORE: Duration = Duration::from_hours(1);
/// How often a record that can't be used is read again.
const DAMAGED_WAIT: Duration = Duration::from_secs(5);

/// The worker of one class.
pub(crate) struct Worker {
    app: Arc<App>,
    class: Class,
    hand: Hand<Taken>,
    /// Look-ups, attempts and settlements under way, each a task of its own, the envelopes that are out with them, and
    /// what came of them.
    running: usize,
    out: usize,
    done: mpsc::UnboundedSender<(usize, Done)>,
    ended: mpsc::UnboundedReceiver<(usize, Done)>,
    /// What DSK has and is not marked yet.
    delivered: Vec<Taken>,
    is_looking_up: bool,
    is_marking: bool,
    /// Nothing new is begun: what is in hand is about to be given back.
    is_draining: bool,
    /// What a stop interrupted.
    left: Vec<Taken>,
}

impl Worker {
    pub(crate) fn new(app: Arc<App>, class: Class, window: u16) -> Self {
        // Unbounded in name only: it holds at most one message for each envelope in hand.
        let (done, ended) = mpsc::unbounded_channel();
        let (hand, delivered, left) = (Hand::new(usize::from(window)), Vec::new(), Vec::new());
        let (running, out) = (0, 0);
        let (is_looking_up, is_marking, is_draining) = (false, false, false);
        Self { app, class, hand, running, out, done, ended, delivered, is_looking_up, is_marking, is_draining, left }
    }

    /// Works until a stop is asked for, then finishes the attempts under way and gives back the rest.
    pub(crate) async fn run(mut self, mut taker: Taker) {
        let (mut is_away, mut reopened) = (self.app.lookups.is_away(), self.app.reopened.subscribe());
        let shutdown = self.app.shutdown.clone();
        let (mut taken, mut ended) = (Vec::with_capacity(TAKE_MANY), Vec::with_capacity(TAKE_MANY));
        let mut ticks = tokio::time::interval(TICK);
        loop {
            self.begin();
            let due = self.hand.next_due().filter(|_| !self.is_looking_up && !self.is_draining);
            tokio::select! {
                () = shutdown.requested() => break,
                _ = self.ended.recv_many(&mut ended, TAKE_MANY) => ended.drain(..).for_each(|done| self.done(done)),
                count = taker.take_many(&mut taken, TAKE_MANY) => {
                    if count == 0 {
                        break;
                    }
                    taken.drain(..).for_each(|taken| self.enter(taken));
                }
                Ok(()) = is_away.changed() => {
                    let is_held = *is_away.borrow_and_update();
                    if is_held { taker.hold().await } else { taker.resume().await }
                }
                Ok(()) = reopened.changed() => reopened.mark_changed(),
                () = until(due) => {}
                _ = ticks.tick() => self.tick(),
            }
            // Before room is made: whoever may go on again is in nobody's way.
            if reopened.has_changed().is_ok_and(|has_changed| has_changed) {
                reopened.mark_unchanged();
                self.hand.ask_again();
            }
            self.make_room();
            if self.is_draining && self.is_idle() {
                self.give_back(&mut taker).await;
            }
        }
        self.stop(taker).await;
    }

    async fn stop(mut self, taker: Taker) {
        taker.hold().await;
        self.is_draining = true;
        let drained = timeout(DispatcherSettings::DRAIN, async {
            self.begin();
            while self.running > 0
                && let Some(done) = self.ended.recv().await
            {
                self.done(done);
                self.begin();
            }
        });
        drained.await.ok();
        let unfinished = self.out;
        self.left.extend(self.hand.clear());
        info!(class = self.class.as_str(), unfinished, given_back = self.left.len(), "Giving back what is not settled");
        // First the queue gives all of them back in their order; then they may be dropped.
        taker.finish().await;
        drop(self.left);
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.delivered.is_empty()
    }

    /// Envelopes taken and not settled yet.
    fn in_hand(&self) -> usize {
        self.hand.len() + self.out + self.delivered.len()
    }

    /// The broker would close the AMQP channel on who holds an envelope for half an hour.
    async fn give_back(&mut self, taker: &mut Taker) {
        taker.give_back().await;
        let given_back = self.hand.clear().len();
        self.is_draining = false;
        self.app.metrics.given_back(given_back);
        info!(
            class = self.class.as_str(),
            given_back, "Gave back what was held for long, to take it again in its order"
        );
    }

    fn tick(&mut self) {
        let held_for = self.hand.oldest(Instant::now());
        let oldest = self.hand.items().map(|taken| App::age(&taken.envelope)).max().unwrap_or_default();
        self.app.holds(self.class, InHand { envelopes: self.in_hand(), oldest });
        if held_for >= self.app.hold_time && !self.is_draining {
            warn!(class = self.class.as_str(), held_for_s = held_for.as_secs(), "Held for too long: giving back");
            self.is_draining = true;
        }
    }

    fn enter(&mut self, taken: Taken) {
        let (lane, now) = (taken.envelope.lane.clone(), Instant::now());
        match steps::fault(&taken) {
            Some(reason) => self.settle(Held::alone(taken, lane, now), Remainder::DeadLetter(reason, None)),
            None => self.hand.enter(lane, taken, now),
        }
    }

    /// Begins all that can begin now: a look-up for those who may go on, and the markers of those that DSK has.
    fn begin(&mut self) {
        let now = Instant::now();
        if !self.is_looking_up && !self.is_draining && self.hand.is_ready(now) {
            let asking: Vec<_> = std::iter::from_fn(|| self.hand.next(now)).take(LOOK_UP_MANY).collect();
            self.is_looking_up = true;
            let app = Arc::clone(&self.app);
            self.start(asking.len(), async move {
                let found = app.lookups.look_up(asking.iter().map(|held| &held.item.envelope)).await;
                Done::LookedUp(asking, found)
            });
        }
        if !self.is_marking && !self.delivered.is_empty() {
            let delivered = std::mem::take(&mut self.delivered);
            self.is_marking = true;
            let app = Arc::clone(&self.app);
            self.start(delivered.len(), async move { steps::mark(&app, delivered).await }.map(|()| Done::Marked));
        }
    }

    /// Starts a task that has so many envelopes.
    fn start(&mut self, envelopes: usize, work: impl Future<Output = Done> + Send + 'static) {
        (self.running, self.out) = (self.running + 1, self.out + envelopes);
        let (done, shutdown) = (self.done.clone(), self.app.shutdown.clone());
        // Boxed at once: what wraps it then moves a pointer instead of some kilobytes (6 % of the time went into that).
        let work = AssertUnwindSafe(Box::pin(work)).catch_unwind();
        self.app.shutdown.spawn(async move {
            match work.await {
                Ok(ended) => drop(done.send((envelopes, ended))),
                // What it had in hand is the queue's again once this process has ended.
                Err(_) => shutdown.fail("a step of a delivery panicked"),
            }
        });
    }

    fn done(&mut self, (envelopes, done): (usize, Done)) {
        (self.running, self.out) = (self.running - 1, self.out - envelopes);
        match done {
            Done::LookedUp(held, found) => {
                self.is_looking_up = false;
                match found {
                    Some(found) => held.into_iter().zip(found).for_each(|(held, found)| self.looked_up(held, found)),
                    None => self.left.extend(held.into_iter().map(|held| held.item)),
                }
            }
            Done::Attempted(attempted) => self.attempted(*attempted),
            Done::Marked => self.is_marking = false,
            Done::Copied(left) => self.left.extend(left.map(|left| *left)),
        }
    }

    fn looked_up(&mut self, held: Held<Taken>, found: LookupAnswer) {
        let route = match found {
            LookupAnswer::Delivered => return self.forget(held, Forgotten::Duplicate),
            LookupAnswer::Erased => return self.forget(held, Forgotten::Erased),
            LookupAnswer::Disconnected => return self.forget(held, Forgotten::Disconnected),
            LookupAnswer::Unknown => return self.follow(held, Cause::UnknownChannel, false),
            LookupAnswer::Damaged(reason) => return self.follow(held, Cause::Damaged(reason), false),
            LookupAnswer::Channel(route) => route,
        };
        let target = match self.app.attempts.target(&held.item.envelope.address, route) {
            Ok(target) => target,
            Err(cause) => return self.follow(held, cause, false),
        };
        let now = Instant::now();
        if self.is_draining {
            return self.hand.wait(held, now, Wait::Paused);
        }
        let admission = self.app.pauses().admit(&target, now);
        match admission {
            Admission::Go { is_probe } => self.attempt(held, target, is_probe),
            Admission::Wait(until) => self.hand.wait(held.unblamed(), until, Wait::Paused),
            Admission::Park(tier) => self.leave(held, Remainder::MakeRoom(Some(tier))),
        }
    }

    fn attempt(&mut self, held: Held<Taken>, target: Target, is_probe: bool) {
        let app = Arc::clone(&self.app);
        self.start(1, async move {
            let number = held.item.envelope.attempts + held.attempts + 1;
            let started = Instant::now();
            let cause = {
                let attempt = std::pin::pin!(app.attempts.make(&held.item.envelope, &target, number));
                AssertUnwindSafe(attempt).catch_unwind().await.ok()
            };
            if cause.as_ref().is_some_and(Cause::is_attempt) {
                app.metrics.attempted(started.elapsed());
            }
            Done::Attempted(Box::new(Attempted { held, target, is_probe, cause }))
        });
    }

    fn attempted(&mut self, attempted: Attempted) {
        let Attempted { mut held, target, is_probe, cause } = attempted;
        let id = held.item.envelope.id.clone();
        let Some(cause) = cause else {
            error!(event.id = %id, trace_id = held.item.envelope.trace_id(), "Delivering event {id} panicked");
            self.app.abandoned(&target);
            return self.leave(held, Remainder::DeadLetter(Reason::Panicked, None));
        };
        held.attempts += u32::from(cause.is_attempt());
        let is_paused = self.app.ended((&target, is_probe), &id, &cause);
        self.follow(held, cause, is_paused);
    }

    /// Does what follows from the way an attempt ended, or from why there could be none.
    fn follow(&mut self, mut held: Held<Taken>, cause: Cause, is_paused: bool) {
        let now = Instant::now();
        held.failures += 1;
        let failing_since = *held.failing_since.get_or_insert(now);
        let failing_for = now.saturating_duration_since(failing_since);
        let next = steps::decide(&self.app, &held, &cause, (failing_for, is_paused));
        self.app.metrics.ended(&cause);
        match next {
            Next::Delivered => {
                self.hand.leave(&held.lane);
                steps::tell_delivered(&self.app, &held.item.envelope);
                self.delivered.push(held.item);
            }
            Next::AttemptAgain(delay) => {
                steps::tell_failed(&held, &cause, Some(delay));
                self.hand.wait(held, now + delay, Wait::Backoff);
            }
            Next::Hold => {
                steps::tell_failed(&held, &cause, None);
                let wait = if is_paused { Duration::ZERO } else { DAMAGED_WAIT };
                self.hand.wait(held.unblamed(), now + wait, Wait::Paused);
            }
            Next::Retry(tier) => self.leave(held, Remainder::Retry(tier, cause)),
            Next::DeadLetter(reason) => self.leave(held, Remainder::DeadLetter(reason, Some(cause))),
        }
    }

    fn forget(&mut self, held: Held<Taken>, why: Forgotten) {
        self.hand.leave(&held.lane);
        steps::tell_forgotten(&self.app, &held.item.envelope, why);
        held.item.acknowledge();
    }

    /// The head of a lane gives up its place: a copy goes elsewhere.
    fn leave(&mut self, held: Held<Taken>, remainder: Remainder) {
        self.hand.leave(&held.lane);
        self.settle(held, remainder);
    }

    fn settle(&mut self, held: Held<Taken>, remainder: Remainder) {
        self.start(1, settle(Arc::clone(&self.app), held, remainder).map(|left| Done::Copied(left.map(Box::new))));
    }

    /// Those who wait must not keep the window from those who need not.
    fn make_room(&mut self) {
        let (now, is_full) = (Instant::now(), self.in_hand() >= self.hand.window());
        let lately = if is_full { WELL_BEFORE } else { WELL_LATELY };
        if self.is_draining || !(is_full || self.hand.is_crowded()) || !self.app.pauses().is_anyone_well(now, lately) {
            return;
        }
        for held in self.hand.crowded() {
            self.settle(held, Remainder::MakeRoom(None));
        }
        if is_full {
            for held in self.hand.overflowing() {
                self.settle(held, Remainder::MakeRoom(Some(Tier::TenSeconds)));
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
