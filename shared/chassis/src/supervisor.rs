//! Tells the supervisor, such as systemd, when the process is ready, that it is alive, and that it stops.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::{debug, warn};

use crate::{Readiness, Shutdown};

/// The variable by which a supervisor names the socket that it listens on.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How often to look whether a process is ready that was not.
const STARTING_PERIOD: Duration = Duration::from_millis(100);
/// How often a process that has become ready looks again, and says that it is alive. It must be much shorter than any
/// `WatchdogSec=`, after which systemd kills what is silent; the units in ops/systemd allow a minute.
const RUNNING_PERIOD: Duration = Duration::from_secs(1);

/// Tells the supervisor of every change until a stop. A process that was ready once stays ready for the supervisor, which
/// shows later troubles as its status: it must restart nothing that goes on by itself.
///
/// Without a supervisor that listens, this does nothing.
pub(crate) async fn tell_until_stop(readiness: Readiness, shutdown: Shutdown) {
    if std::env::var_os(SOCKET).is_none() {
        return;
    }
    let mut told = Told { is_watched: sd_notify::watchdog_enabled().is_some(), ..Told::default() };
    loop {
        let result = tell(&told.news(&readiness()));
        told.log(result);
        if !shutdown.pause(told.period()).await {
            break;
        }
    }
    told.log(tell(&[NotifyState::Stopping, NotifyState::Status("Stopping")]));
}

fn tell(news: &[NotifyState<'_>]) -> io::Result<()> {
    if news.is_empty() { Ok(()) } else { sd_notify::notify(news) }
}

/// What the supervisor knows.
#[derive(Debug, Default)]
struct Told {
    /// Whether it kills the process if it hears nothing.
    is_watched: bool,
    is_ready: bool,
    status: String,
    /// Whether it could not be told something, which is logged once.
    has_failed: bool,
}

impl Told {
    /// What the supervisor does not know yet; `reasons` says why the process is not ready.
    fn news(&mut self, reasons: &[String]) -> Vec<NotifyState<'_>> {
        let mut news = Vec::new();
        if self.is_watched {
            news.push(NotifyState::Watchdog);
        }
        if reasons.is_empty() && !self.is_ready {
            self.is_ready = true;
            news.push(NotifyState::Ready);
        }
        let status = status(reasons);
        if status != self.status {
            self.status = status;
            news.push(NotifyState::Status(&self.status));
        }
        news
    }

    fn period(&self) -> Duration {
        if self.is_ready { RUNNING_PERIOD } else { STARTING_PERIOD }
    }

    fn log(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        if self.has_failed {
            debug!(%error, "Still could not tell the supervisor: {error}");
        } else {
            self.has_failed = true;
            warn!(%error, "Could not tell the supervisor that named {SOCKET}: {error}");
        }
    }
}

/// One line for people: a line break would begin a message of its own to the supervisor.
fn status(reasons: &[String]) -> String {
    if reasons.is_empty() {
        return "Ready".to_owned();
    }
    let text = format!("Not ready: {}", reasons.join("; "));
    text.replace(|letter: char| letter.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(told: &mut Told, reasons: &[&str]) -> Vec<String> {
        let reasons: Vec<String> = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        told.news(&reasons).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_supervisor_hears_once_that_a_process_is_ready_and_then_only_what_changes() {
        let mut told = Told::default();

        assert_eq!(news(&mut told, &["no connection"]), ["STATUS=Not ready: no connection"]);
        assert_eq!(news(&mut told, &["no connection"]), [""; 0]);
        assert_eq!(news(&mut told, &[]), ["READY=1", "STATUS=Ready"]);
        assert_eq!(news(&mut told, &["no connection", "no disk"]), ["STATUS=Not ready: no connection; no disk"]);
        assert_eq!(news(&mut told, &[]), ["STATUS=Ready"], "it is ready already");
    }

    #[test]
    fn a_supervisor_that_watches_hears_each_time_that_the_process_is_alive() {
        let mut told = Told { is_watched: true, ..Told::default() };

        assert_eq!(news(&mut told, &[]), ["WATCHDOG=1", "READY=1", "STATUS=Ready"]);
        assert_eq!(news(&mut told, &[]), ["WATCHDOG=1"]);
    }

    #[test]
    fn a_reason_cannot_begin_a_message_of_its_own() {
        assert_eq!(status(&["it says\nREADY=1".to_owned()]), "Not ready: it says READY=1");
    }
}
