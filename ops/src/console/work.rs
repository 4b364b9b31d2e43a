//! Long work that a page has started, such as a replay: one at a time, in a task of the server, so that it goes on whatever
//! becomes of the page.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::Shutdown;
use jiff::Timestamp;
use tracing::{info, warn};

use crate::failure::Failure;

/// What is to be done. The texts hold no personal data: they are logged and shown to whoever opens the page.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Such as `Replay 12 dead letters`.
    pub(crate) title: String,
    /// The command that does the same.
    pub(crate) command: Option<String>,
    /// How many steps there are, if that is known.
    pub(crate) steps: Option<usize>,
}

/// Work that was begun, and what has become of it.
#[derive(Debug)]
pub(crate) struct Work {
    /// Tells it from the work before.
    pub(crate) number: u64,
    pub(crate) plan: Plan,
    pub(crate) began_at: Timestamp,
    /// Requested by a person or by the stop of the process.
    stop: Shutdown,
    progress: Mutex<Progress>,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) done: usize,
    /// What it has found or done so far, one line each.
    pub(crate) lines: Vec<String>,
    /// How it ended: what to know about it, or why it failed.
    pub(crate) end: Option<Result<String, String>>,
}

impl Work {
    pub(crate) fn progress(&self) -> Progress {
        self.locked().clone()
    }

    /// Notes that it got further.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.locked());
    }

    pub(crate) fn is_over(&self) -> bool {
        self.locked().end.is_some()
    }

    /// Asks it to come to an end.
    pub(crate) fn stop(&self) {
        self.stop.request();
    }

    /// The stop signal for what it does.
    pub(crate) fn stop_signal(&self) -> &Shutdown {
        &self.stop
    }

    fn locked(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, result: Result<String, Failure>) {
        let title = &self.plan.title;
        let done = self.locked().done;
        let end = match result {
            Ok(text) => {
                info!(work = %title, done, "Ended in the console: {title}");
                Ok(text)
            }
            Err(failure) => {
                let text = failure.text().unwrap_or("the output was closed").to_owned();
                warn!(work = %title, done, error = %text, "Failed in the console: {title}: {text}");
                Err(text)
            }
        };
        self.locked().end = Some(end);
    }
}

/// Where the work is kept: what is under way, or was last.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    current: Mutex<Option<Arc<Work>>>,
    /// Held by whoever looks through the dead letters: the queue lets one do so at a time.
    scanning: Arc<tokio::sync::Mutex<()>>,
}

impl Desk {
    /// What is under way, or was last.
    pub(crate) fn current(&self) -> Option<Arc<Work>> {
        self.locked().clone()
    }

    /// Forgets what was last, if it is over.
    pub(crate) fn clear(&self) {
        self.locked().take_if(|work| work.is_over());
    }

    /// Whose turn it is to look through the dead letters.
    pub(crate) fn scanning(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.scanning)
    }

    /// Begins work, unless other work is under way. `run` makes what is carried out; it says at its end what a person
    /// should know, and ends early once the work's stop signal is requested.
    pub(crate) fn begin<F>(
        &self,
        plan: Plan,
        now: Timestamp,
        shutdown: &Shutdown,
        run: impl FnOnce(Arc<Work>) -> F,
    ) -> Result<Arc<Work>, Failure>
    where
        F: Future<Output = Result<String, Failure>> + Send + 'static,
    {
        let mut current = self.locked();
        if let Some(work) = current.as_ref().filter(|work| !work.is_over()) {
            return Err(Failure::usage(format!("wait until this is done, or stop it: {}", work.plan.title)));
        }
        let number = current.as_ref().map_or(0, |work| work.number) + 1;
        let progress = Mutex::default();
        let work = Arc::new(Work { number, plan, began_at: now, stop: Shutdown::default(), progress });
        info!(work = %work.plan.title, "Begun in the console: {}", work.plan.title);
        shutdown.spawn(carry_out(Arc::clone(&work), run(Arc::clone(&work)), shutdown.clone()));
        *current = Some(Arc::clone(&work));
        Ok(work)
    }

    fn locked(&self) -> MutexGuard<'_, Option<Arc<Work>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries it out to its end. A stop of the process asks it to end, and never cuts it off.
async fn carry_out(work: Arc<Work>, run: impl Future<Output = Result<String, Failure>> + Send, shutdown: Shutdown) {
    let pass_on_stop = async {
        shutdown.requested().await;
        work.stop.request();
        pending::<Infallible>().await
    };
    let result = tokio::select! {
        result = run => result,
        never = pass_on_stop => match never {},
    };
    work.end(result);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn plan(title: &str) -> Plan {
        Plan { title: title.to_owned(), command: None, steps: Some(2) }
    }

    /// Goes on until it is asked to stop.
    async fn until_stopped(work: Arc<Work>) -> Result<String, Failure> {
        work.note(|progress| progress.done = 1);
        work.stop_signal().requested().await;
        Err(Failure::runtime("interrupted"))
    }

    #[tokio::test(start_paused = true)]
    async fn other_work_waits_until_this_is_over() {
        let desk = Desk::default();
        let shutdown = Shutdown::default();
        let first = desk.begin(plan("first"), chassis::now(), &shutdown, until_stopped).unwrap();

        let refused = desk.begin(plan("second"), chassis::now(), &shutdown, until_stopped).unwrap_err();
        assert!(refused.text().unwrap_or_default().contains("first"));
        desk.clear();
        assert!(desk.current().is_some(), "what is under way is not forgotten");

        first.stop();
        testkit::eventually("it is over", async || first.is_over().then_some(())).await;
        let second = desk.begin(plan("second"), chassis::now(), &shutdown, until_stopped).unwrap();
        assert_ne!(second.number, first.number);
        second.stop();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_of_the_process_asks_the_work_to_end_and_waits_for_it() {
        let desk = Desk::default();
        let shutdown = Shutdown::default();
        let work = desk.begin(plan("first"), chassis::now(), &shutdown, until_stopped).unwrap();

        shutdown.request();
        shutdown.drain(Duration::from_secs(1)).await;

        assert_eq!(work.progress().end, Some(Err("interrupted".to_owned())));
    }
}
