//! Stopping in two steps: take nothing new, then wait a bounded time for what was taken.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

/// How a process learns that it has to stop, and knows who is still running.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<OnceLock<String>>,
}

/// How the stop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every task finished.
    Cleanly,
    /// The grace ran out; what was cut short was never acknowledged, so it is late, never lost.
    CutShort {
        /// Tasks still running.
        unfinished: usize,
    },
}

impl Shutdown {
    /// Stops on SIGTERM (orchestrators) and SIGINT (a person's Ctrl-C).
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
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

    /// Asks everyone to stop.
    pub fn request(&self) {
        self.stop.cancel();
    }

    /// Asks everyone to stop because something broke; the process will exit with a failure.
    pub fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        error!(reason, "Stopping because of a failure: {reason}");
        self.failure.set(reason).ok();
        self.stop.cancel();
    }

    /// Why the process has to stop, if something broke.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Returns once a stop was asked for.
    pub async fn requested(&self) {
        self.stop.cancelled().await;
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits; a stop ends the wait early and gives `false`.
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stop.cancelled()).await.is_err()
    }

    /// Starts a task that the drain waits for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Waits until a stop is asked for, then at most `grace` for every task.
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
    async fn a_failure_asks_for_the_same_stop_and_is_remembered() {
        let shutdown = Shutdown::default();

        shutdown.fail("queue meta.dead.v1 has other arguments");

        assert!(shutdown.is_requested());
        assert_eq!(shutdown.failure(), Some("queue meta.dead.v1 has other arguments"));
    }
}
