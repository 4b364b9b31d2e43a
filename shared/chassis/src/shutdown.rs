//! Stopping in two steps: first nothing new is taken, then the tasks under way get a bounded time to finish.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

/// The stop signal of a process, and the tracker of its tasks.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<OnceLock<String>>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every task finished.
    Cleanly,
    /// The grace ran out. What was cut short was never acknowledged, so it is late but not lost.
    CutShort {
        /// How many tasks were still running.
        unfinished: usize,
    },
}

impl Shutdown {
    /// Stops on SIGTERM (from an orchestrator) and SIGINT (a person's Ctrl-C).
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let stop = shutdown.clone();
        shutdown.spawn(async move {
            tokio::select! {
                _ = term.recv() => info!("Stopping on SIGTERM"),
                _ = int.recv() => info!("Stopping on SIGINT"),
                () = stop.requested() => return,
            }
            stop.request();
        });
        Ok(shutdown)
    }

    /// Asks every task to stop.
    pub fn request(&self) {
        self.stop.cancel();
    }

    /// Asks every task to stop because something broke. The process will exit with a failure.
    pub fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        error!(error = reason, "Stopping because of a failure: {reason}");
        self.failure.set(reason).ok();
        self.stop.cancel();
    }

    /// Why the process has to stop, if something broke.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Waits until a stop is requested.
    pub async fn requested(&self) {
        self.stop.cancelled().await;
    }

    /// Whether a stop is requested.
    pub fn is_requested(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits for `time`. A stop ends the wait early, and then the result is `false`.
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stop.cancelled()).await.is_err()
    }

    /// Spawns a task that the drain waits for. If it panics, the process stops with a failure: without one of its tasks
    /// it would look live and ready, and do nothing.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shutdown = self.clone();
        // Boxed at once: what wraps it then moves a pointer instead of some kilobytes (6 % of a delivery went into that).
        let task = AssertUnwindSafe(Box::pin(task)).catch_unwind();
        self.tasks.spawn(async move {
            if task.await.is_err() {
                shutdown.fail("a task panicked; its message is above");
            }
        });
    }

    /// Spawns the task of one client's connection, which the drain waits for. If it panics, only this connection ends: a
    /// client must not be able to stop the process.
    pub(crate) fn spawn_connection<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Waits until a stop is requested, then at most `grace` until every task has finished.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.requested().await;
        self.tasks.close();
        match tokio::time::timeout(grace, self.tasks.wait()).await {
            Ok(()) => Drained::Cleanly,
            Err(_) => Drained::CutShort { unfinished: self.tasks.len() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_tasks_under_way() {
        let shutdown = Shutdown::default();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        shutdown.spawn(async { finished.await.unwrap() });

        shutdown.request();
        finish.send(()).unwrap();

        assert_eq!(shutdown.drain(Duration::from_secs(1)).await, Drained::Cleanly);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_gives_up_after_its_grace() {
        let shutdown = Shutdown::default();
        shutdown.spawn(std::future::pending());

        shutdown.request();

        assert_eq!(shutdown.drain(Duration::from_secs(1)).await, Drained::CutShort { unfinished: 1 });
    }

    #[tokio::test]
    async fn a_task_that_panics_stops_the_process_with_a_failure() {
        let shutdown = Shutdown::default();

        shutdown.spawn(async { panic!("for the test") });

        assert_eq!(shutdown.drain(Duration::from_secs(5)).await, Drained::Cleanly);
        assert!(shutdown.failure().is_some_and(|reason| reason.contains("panicked")));
    }

    #[tokio::test]
    async fn a_connection_that_panics_ends_alone() {
        let shutdown = Shutdown::default();

        shutdown.spawn_connection(async { panic!("for the test") });
        tokio::task::yield_now().await;
        shutdown.request();

        assert_eq!(shutdown.drain(Duration::from_secs(5)).await, Drained::Cleanly);
        assert_eq!(shutdown.failure(), None);
    }

    #[tokio::test]
    async fn a_failure_asks_for_the_same_stop_and_is_remembered() {
        let shutdown = Shutdown::default();

        shutdown.fail("queue meta.dead.v1 has other arguments");

        assert!(shutdown.is_requested());
        assert_eq!(shutdown.failure(), Some("queue meta.dead.v1 has other arguments"));
    }
}
