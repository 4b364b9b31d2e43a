//! Reads the figures again and again, from the processes or from Prometheus, and keeps an hour of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chassis::{Problem, Shutdown, now};
use futures_util::future::join_all;
use jiff::Timestamp;
use url::Url;

use super::fetch::Fetcher;
use super::history::History;
use super::prometheus_source::{self, PERIOD as PROMETHEUS_PERIOD};
use super::readings::{Process, Reading, round};
use super::settings::{OverviewSettings, Target};

/// The time between two looks at the processes.
const PERIOD: Duration = Duration::from_secs(5);

/// Keeps the figures.
#[derive(Debug)]
pub(super) struct Watch {
    fetcher: Fetcher,
    prometheus: Option<Url>,
    seen: Mutex<Seen>,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) history: History,
    /// The processes that the console asks itself.
    pub(super) processes: Vec<Watched>,
    /// Why Prometheus does not answer.
    pub(super) prometheus_trouble: Option<String>,
}

/// A process, and how it answered.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) target: Target,
    pub(super) process: Process,
    /// Why it did not answer when it was last asked.
    pub(super) trouble: Option<String>,
}

impl Watch {
    pub(super) fn new(settings: &OverviewSettings) -> Result<Self, Problem> {
        let prometheus = settings.console_prometheus.clone();
        let targets = if prometheus.is_none() { settings.console_scrape.as_slice() } else { &[] };
        let watched = |target: &Target| Watched { target: target.clone(), process: Process::default(), trouble: None };
        let processes = targets.iter().map(watched).collect();
        Ok(Self { fetcher: Fetcher::new()?, prometheus, seen: Mutex::new(Seen { processes, ..Seen::default() }) })
    }

    /// Reads until a stop is requested.
    pub(super) async fn run(&self, shutdown: &Shutdown) {
        loop {
            let period = match &self.prometheus {
                Some(prometheus) => {
                    self.ask(prometheus, now()).await;
                    PROMETHEUS_PERIOD
                }
                None => {
                    self.scrape(now()).await;
                    PERIOD
                }
            };
            if !shutdown.pause(period).await {
                return;
            }
        }
    }

    /// Shows what was seen.
    pub(super) fn look<T>(&self, show: impl FnOnce(&Seen) -> T) -> T {
        show(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn ask(&self, prometheus: &Url, now: Timestamp) {
        let last = self.look(|seen| seen.history.last_at());
        let rounds = prometheus_source::rounds(&self.fetcher, prometheus, last, now).await;
        self.change(|seen| match rounds {
            Ok(rounds) => {
                seen.prometheus_trouble = None;
                rounds.into_iter().for_each(|round| seen.history.push(round));
            }
            Err(trouble) => seen.prometheus_trouble = Some(trouble),
        });
    }

    /// Looks at all processes at the same time.
    async fn scrape(&self, now: Timestamp) {
        let urls: Vec<Url> = self.look(|seen| seen.processes.iter().map(|one| one.target.url.clone()).collect());
        let pages = join_all(urls.iter().map(|url| self.fetcher.get(url))).await;
        self.change(|seen| {
            seen.processes.iter_mut().zip(pages).for_each(|(watched, page)| watched.note(page, now));
            let processes: Vec<&Process> = seen.processes.iter().map(|watched| &watched.process).collect();
            let round = round(&processes, now);
            seen.history.push(round);
        });
    }
}

impl Watched {
    fn note(&mut self, page: Result<String, String>, now: Timestamp) {
        let reading = page.map(|page| Reading::of(&page));
        let reading = reading.and_then(|reading| {
            if reading.is_ours() { Ok(reading) } else { Err("what answers there is no process of ours".to_owned()) }
        });
        match reading {
            Ok(reading) => {
                self.trouble = None;
                self.process.answered(reading, now);
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                self.process.was_silent();
            }
        }
    }
}
