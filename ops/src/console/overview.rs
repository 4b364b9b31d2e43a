//! The page Overview: whether the service is well, and what to do if it is not. The runbook is a page beside it.

mod attention;
mod exposition;
mod fetch;
mod figures;
mod history;
mod page;
mod plot;
mod prometheus_source;
mod readings;
mod runbook;
pub(crate) mod settings;
mod standing;
mod tables;
mod watch;
mod words;

use std::sync::Arc;
use std::time::Duration;

use ::channels::ChannelStore;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, Redirect, Response};
use axum::routing::get;
use chassis::{Problem, Shutdown, now};
use maud::Markup;
use queue::Queue;

use super::layout::{self, Place};
use super::live::live;
use page::{FIGURES_PATH, Look, WRONG_PATH};
use settings::OverviewSettings;
use standing::Standings;
use watch::Watch;

/// How often the parts of the page are sent anew.
const PERIOD: Duration = Duration::from_secs(5);

/// What the page shows, kept fresh.
#[derive(Clone)]
pub(crate) struct Overview {
    watch: Arc<Watch>,
    standings: Arc<Standings>,
    shutdown: Shutdown,
}

impl Overview {
    /// Begins to read the figures.
    pub(crate) fn start(
        settings: &OverviewSettings,
        queue: Queue,
        store: ChannelStore,
        shutdown: &Shutdown,
    ) -> Result<Self, Problem> {
        let watch = Arc::new(Watch::new(settings)?);
        let standings = Arc::new(Standings::new(queue, store));
        let reader = Arc::clone(&watch);
        let stop = shutdown.clone();
        shutdown.spawn(async move { reader.run(&stop).await });
        Ok(Self { watch, standings, shutdown: shutdown.clone() })
    }

    /// Its pages and their parts.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/", get(async || Redirect::to(Place::Overview.path())))
            .route(Place::Overview.path(), get(overview))
            .route(WRONG_PATH, get(fresh_wrong))
            .route(FIGURES_PATH, get(fresh_figures))
            .route(Place::Runbook.path(), get(show_runbook))
            .with_state(self)
    }

    async fn show(&self, show: fn(&Look<'_>) -> Markup) -> Markup {
        let standing = self.standings.get().await;
        self.watch.look(|seen| show(&Look { seen, standing: &standing, now: now() }))
    }

    /// Sends a part of the page anew until it is closed.
    fn live(self, show: fn(&Look<'_>) -> Markup) -> Response {
        live(self.shutdown.clone(), PERIOD, move || {
            let overview = self.clone();
            async move { overview.show(show).await }
        })
    }
}

async fn overview(State(overview): State<Overview>) -> Html<String> {
    layout::page("Overview", Place::Overview, &overview.show(page::content).await)
}

async fn fresh_wrong(State(overview): State<Overview>) -> Response {
    overview.live(page::wrong)
}

async fn fresh_figures(State(overview): State<Overview>) -> Response {
    overview.live(page::figures)
}

async fn show_runbook() -> Html<String> {
    layout::page("Runbook", Place::Runbook, &runbook::content())
}
