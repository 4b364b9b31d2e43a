//! The page Overview: what is wrong, the plots of the last hour, and the tables. It shows no personal data.

use jiff::Timestamp;
use maud::{Markup, html};

use super::attention::{Concern, Severity, View, concerns};
use super::figures::Figure;
use super::history::History;
use super::plot::{Line, Measure, Plot};
use super::standing::Standing;
use super::watch::Seen;
use super::{runbook, tables, words};
use crate::console::layout;

/// Where the part is sent anew that says what is wrong.
pub(super) const WRONG_PATH: &str = "/overview/wrong";
/// Where the figures are sent anew.
pub(super) const FIGURES_PATH: &str = "/overview/figures";

/// What both parts show.
pub(super) struct Look<'a> {
    pub(super) seen: &'a Seen,
    pub(super) standing: &'a Standing,
    pub(super) now: Timestamp,
}

/// The content of the page. Only what is wrong is read aloud when it changes.
pub(super) fn content(look: &Look<'_>) -> Markup {
    html! {
        section aria-labelledby="wrong-title" {
            h2 id="wrong-title" { "What is wrong" }
            div aria-live="polite" { (layout::live("wrong", WRONG_PATH, &wrong(look))) }
        }
        (layout::live("figures", FIGURES_PATH, &figures(look)))
        (layout::command("ops status --watch"))
    }
}

/// What is wrong, each with the entry of the runbook. The text is the same as long as the same is wrong.
pub(super) fn wrong(look: &Look<'_>) -> Markup {
    let view = View { history: &look.seen.history, standing: look.standing, now: look.now };
    let concerns = concerns(&view);
    html! {
        @if let Some(blindness) = blindness(look) {
            p class="heed" { (blindness) }
        }
        @if concerns.is_empty() {
            p class="done" { "Nothing is wrong, as far as the console can see." }
        } @else {
            ul class="concerns" { @for concern in &concerns { (entry(concern)) } }
        }
    }
}

fn entry(concern: &Concern) -> Markup {
    let Concern { alert, severity, says } = *concern;
    let (class, word) = match severity {
        Severity::Page => ("note", "now"),
        Severity::Ticket => ("heed", "soon"),
    };
    html! {
        li class=(class) {
            strong { (alert) } " (" (word) "). " (says) " "
            a href=(runbook::entry(alert)) { "What to do about " (alert) }
        }
    }
}

/// Why the figures say nothing.
fn blindness(look: &Look<'_>) -> Option<&'static str> {
    if look.seen.prometheus_trouble.is_some() {
        return Some("Prometheus does not answer, so the plots end, and not everything that is wrong shows here.");
    }
    let processes = &look.seen.processes;
    let is_silent = !processes.is_empty() && processes.iter().all(|watched| watched.trouble.is_some());
    is_silent.then_some(
        "No process shows its metrics to the console, so there are no plots: give the addresses of their admin ports with \
         --scrape, or that of a Prometheus with --prometheus.",
    )
}

/// Plots and tables.
pub(super) fn figures(look: &Look<'_>) -> Markup {
    let Look { seen, standing, now } = *look;
    html! {
        (at_a_glance(&seen.history, standing, now))
        div class="plots" { @for plot in plots(&seen.history, now) { (plot.draw()) } }
        (tables::standing(standing, now))
        @if let Some(trouble) = &seen.prometheus_trouble {
            p class="note" { "Prometheus does not answer: " (trouble) }
        }
        @if !seen.processes.is_empty() { (tables::processes(&seen.processes, now)) }
    }
}

/// The few numbers that a person looks for first.
fn at_a_glance(history: &History, standing: &Standing, now: Timestamp) -> Markup {
    let dead = standing.queues.as_deref().ok().and_then(|queues| {
        queues.iter().find(|queue| queue.name == queue::QueueName::Dead).map(|queue| words::counted(queue.waiting))
    });
    let figure = |figure: Figure, text: fn(f64) -> String| history.now(figure, now).map(text);
    let oldest = figure(Figure::OldestInFlight, words::seconds);
    let unknown = || "–".to_owned();
    html! {
        dl class="glance" {
            div { dt { "In flight" } dd { (figure(Figure::InFlight, words::count).unwrap_or_else(unknown)) } }
            div { dt { "Oldest in flight" } dd { (oldest.unwrap_or_else(unknown)) } }
            div { dt { "Dead letters" } dd { (dead.or_else(|| figure(Figure::DeadLetters, words::count)).unwrap_or_else(unknown)) } }
        }
    }
}

fn plots(history: &History, now: Timestamp) -> [Plot; 5] {
    let line = |name, figure| Line { name, points: history.points(figure, now) };
    let by_class = |messages, updates| vec![line("messages", messages), line("updates", updates)];
    let ages = |median, slowest| vec![line("half within", median), line("99 in 100 within", slowest)];
    let mut waiting = by_class(Figure::WaitingMessages, Figure::WaitingUpdates);
    waiting.push(line("retry queues", Figure::WaitingForRetry));
    let plot = |id, title, measure, lines| Plot { id, title, measure, lines };
    [
        plot("accepted", "Accepted", Measure::PerSecond, by_class(Figure::AcceptedMessages, Figure::AcceptedUpdates)),
        plot(
            "delivered",
            "Delivered",
            Measure::PerSecond,
            by_class(Figure::DeliveredMessages, Figure::DeliveredUpdates),
        ),
        plot(
            "message-age",
            "Age of messages when DSK has them",
            Measure::Seconds,
            ages(Figure::AgeMedianMessages, Figure::AgeSlowestMessages),
        ),
        plot(
            "update-age",
            "Age of updates when DSK has them",
            Measure::Seconds,
            ages(Figure::AgeMedianUpdates, Figure::AgeSlowestUpdates),
        ),
        plot("waiting", "Waiting in the queues", Measure::Count, waiting),
    ]
}

#[cfg(test)]
mod tests;
