//! Puts the dispatcher together: settings in, a worker for each class out.

use std::collections::BTreeMap;
use std::sync::Arc;

use channels::{ChannelStore, KeyRing};
use chassis::{Admin, Problem, Problems, Shutdown, dice};
use event::Class;
use prometheus::Registry;
use queue::Queue;
use tracing::info;

use crate::attempt::Attempts;
use crate::destination::Targets;
use crate::lookups::Lookups;
use crate::metrics::Metrics;
use crate::runner::Runner;
use crate::settings::{DispatcherSettings, Settings};
use crate::state::State;
use crate::systems::Systems;
use crate::{eraser, status};

/// The dispatcher as part of a process.
#[derive(Debug)]
pub struct Dispatcher;

/// What a dispatcher is given by the process that it is part of.
#[derive(Debug)]
pub struct DispatcherParts {
    /// Where envelopes are taken from, and where copies of them go.
    pub queue: Queue,
    /// Where the channels are.
    pub store: ChannelStore,
    /// Opens the channels' tokens.
    pub key_ring: KeyRing,
    /// Counts what the dispatcher does.
    pub metrics: Metrics,
}

impl Dispatcher {
    /// Works until a stop is asked for.
    pub fn start(settings: &DispatcherSettings, parts: DispatcherParts, shutdown: &Shutdown) -> Result<(), Problems> {
        settings.check_times()?;
        let DispatcherParts { queue, store, key_ring, metrics } = parts;
        let mut problems = Problems::default();
        let targets = problems.collect(Targets::new(settings));
        let attempts = problems.collect(Attempts::new(settings, key_ring));
        problems.finish()?;
        let (Some(targets), Some(attempts)) = (targets, attempts) else { return Ok(()) };

        let state = Arc::new(State::new(targets, settings.hold_time, metrics.clone(), dice));
        let systems = Arc::new(Systems {
            attempts,
            lookups: Lookups::new(store.clone(), shutdown),
            store: store.clone(),
            publisher: queue.publisher(),
            metrics,
            trails: Arc::clone(&state.trails),
            instance: status::instance(),
            shutdown: shutdown.clone(),
        });
        let writer = Arc::clone(&systems);
        shutdown.spawn(async move {
            let Systems { trails, store, instance, shutdown, .. } = &*writer;
            trails.write_each_second(store, instance, shutdown).await;
        });
        shutdown.spawn(store.clone().forget_what_was_erased(status::instance(), shutdown.clone()));
        shutdown.spawn(eraser::run(Arc::clone(&systems), queue.clone()));
        let mut receipts = BTreeMap::new();
        for class in Class::ALL {
            let window = settings.window(class);
            let taker = queue.taker(class, Runner::WINDOW, &status::instance()).map_err(Problem::from)?;
            receipts.insert(class.as_str(), taker.receipts());
            let runner = Runner::new(Arc::clone(&state), Arc::clone(&systems), class, window, taker);
            shutdown.spawn(runner.run());
        }
        shutdown.spawn(status::report(state, receipts, store, shutdown.clone()));
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
    let store = store.with_key_ring(&key_ring);

    let queue = Queue::open(&settings.queue, queue_metrics, shutdown).await.map_err(Problem::from)?;
    let parts = DispatcherParts { queue: queue.clone(), store: store.clone(), key_ring, metrics };
    Dispatcher::start(&settings.dispatcher, parts, shutdown)?;
    let readiness = Arc::new(move || {
        let store_trouble = store.trouble().map(|error| error.to_string());
        queue.trouble().map(str::to_owned).into_iter().chain(store_trouble).collect()
    });
    Admin { registry, readiness }.start(settings.admin_listen, shutdown).await?;
    Ok(())
}
