//! The dispatcher put together: settings in, a worker for each class out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use channels::{ChannelStore, KeyRing};
use chassis::{Admin, Problem, Problems, Shutdown, dice, now};
use event::{Class, Envelope, EventId};
use prometheus::Registry;
use queue::{Publisher, Queue};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use crate::attempt::Attempts;
use crate::lookups::Lookups;
use crate::pauses::{Pauses, Target};
use crate::status::{self, InHand};
use crate::worker::Worker;
use crate::{Cause, DispatcherSettings, Metrics, Policy, Settings, eraser};

/// What the workers share.
pub(crate) struct App {
    pub(crate) attempts: Attempts,
    pub(crate) lookups: Lookups,
    pub(crate) store: ChannelStore,
    pub(crate) publisher: Publisher,
    pub(crate) policy: Policy,
    pauses: Mutex<Pauses>,
    /// Changes whenever somebody who waits for a pause should ask again.
    pub(crate) reopened: watch::Sender<u64>,
    pub(crate) hold_time: Duration,
    in_hand: Mutex<[InHand; 2]>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
}

impl App {
    /// Since the event was queued. Never judged by Meta's clock: seven days old events are legitimate.
    pub(crate) fn age(envelope: &Envelope) -> Duration {
        let age = now().duration_since(envelope.queued_at);
        Duration::try_from(age).unwrap_or_default()
    }

    pub(crate) fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the worker of a class has in hand.
    pub(crate) fn in_hand(&self, class: Class) -> InHand {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)[class as usize]
    }

    /// A worker tells what it has in hand.
    pub(crate) fn holds(&self, class: Class, in_hand: InHand) {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)[class as usize] = in_hand;
        self.metrics.oldest_in_hand(class, in_hand.oldest);
        self.metrics.in_hand(class, in_hand.envelopes);
        // Some pauses end without an attempt: a record was replaced, or nobody waits any more.
        let mut pauses = self.pauses();
        pauses.forget_unasked(Instant::now());
        self.metrics.pauses(pauses.scopes());
    }

    /// Takes note of how an attempt ended, and says whether its event has to wait for a pause now.
    pub(crate) fn ended(&self, attempt: (&Target, bool), id: &EventId, cause: &Cause) -> bool {
        let mut pauses = self.pauses();
        let had = pauses.count();
        let has_changed = pauses.ended(attempt, (id, cause), (Instant::now(), dice()));
        if had > 0 || pauses.count() > 0 {
            self.metrics.pauses(pauses.scopes());
        }
        let is_paused = pauses.is_paused(attempt.0);
        drop(pauses);
        if has_changed {
            self.reopened.send_modify(|count| *count += 1);
        }
        is_paused
    }

    /// An admitted attempt told nothing.
    pub(crate) fn abandoned(&self, target: &Target) {
        if self.pauses().abandoned(target) {
            self.reopened.send_modify(|count| *count += 1);
        }
    }
}

/// The dispatcher as part of a process: whoever starts it has the queue, the store and the registry.
#[derive(Debug)]
pub struct Dispatcher;

impl Dispatcher {
    /// Works until a stop is asked for.
    pub fn start(
        settings: &DispatcherSettings,
        (queue, store): (&Queue, ChannelStore),
        (key_ring, metrics): (KeyRing, Metrics),
        shutdown: &Shutdown,
    ) -> Result<(), Problems> {
        settings.check_times()?;
        let app = Arc::new(App {
            attempts: Attempts::new(settings, key_ring)?,
            lookups: Lookups::new(store.clone(), shutdown),
            store,
            publisher: queue.publisher(),
            policy: Policy::default(),
            pauses: Mutex::default(),
            reopened: watch::Sender::new(0),
            hold_time: settings.hold_time,
            in_hand: Mutex::default(),
            metrics,
            shutdown: shutdown.clone(),
        });
        shutdown.spawn(status::report(Arc::clone(&app)));
        shutdown.spawn(eraser::run(Arc::clone(&app), queue.clone()));
        for class in Class::ALL {
            let window = settings.window(class);
            let taker = queue.taker(class, window).map_err(Problem::from)?;
            shutdown.spawn(Worker::new(Arc::clone(&app), class, window).run(taker));
        }
        info!(messages = settings.messages_window, updates = settings.updates_window, "Taking from the queue");
        Ok(())
    }
}

/// Starts the process `dispatcher`.
pub async fn start(settings: Settings, shutdown: &Shutdown) -> Result<(), Problems> {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).map_err(Problem::from)?;
    let queue_metrics = queue::Metrics::register(&registry).map_err(Problem::from)?;
    let channel_metrics = channels::Metrics::register(&registry).map_err(Problem::from)?;

    let mut problems = Problems::default();
    problems.collect(settings.queue.check());
    problems.collect(settings.dispatcher.check());
    let key_ring = problems.collect(KeyRing::load(&settings.key_ring, &channel_metrics));
    let store = problems.collect(ChannelStore::open(&settings.channels, channel_metrics, shutdown));
    problems.finish()?;
    let (Some(key_ring), Some(store)) = (key_ring, store) else { return Ok(()) };

    let queue = Queue::open(&settings.queue, queue_metrics, shutdown).await.map_err(Problem::from)?;
    Dispatcher::start(&settings.dispatcher, (&queue, store.clone()), (key_ring, metrics), shutdown)?;
    let readiness = Arc::new(move || {
        let store_trouble = (!store.is_connected()).then_some("the channel store can't be reached");
        queue.trouble().into_iter().chain(store_trouble).map(str::to_owned).collect()
    });
    Admin { registry, readiness }.start(settings.admin_listen, shutdown).await?;
    Ok(())
}
