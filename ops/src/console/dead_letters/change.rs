//! Replaying or discarding dead letters: first a page says what would happen, then it happens in the background.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Form, State};
use axum::response::{Html, Redirect};
use chassis::now;
use maud::{Markup, html};

use super::choice::{Choice, RATE};
use super::index::{RowKey, Summary};
use super::selecting::select;
use crate::console::forms::{Fields, needed, parsed};
use crate::console::layout::{self, Place, form_token};
use crate::console::page_error::PageError;
use crate::console::state::ConsoleState;
use crate::console::times::when;
use crate::console::work::{Plan, Work};
use crate::dead_letters::{Bulk, BulkMode, BulkStep, Change, Selection, Tally};
use crate::failure::Failure;
use crate::output::counted;

/// The most that may be replayed in a second, as on the command line.
const RATE_MAX: u32 = 100_000;

/// `POST /dead-letters/preview`: what the change would be about.
pub(super) async fn preview(
    State(state): State<Arc<ConsoleState>>,
    Form(fields): Form<Fields>,
) -> Result<Html<String>, PageError> {
    let wanted = needed(&fields, "change")?;
    let choice = chosen(&fields, wanted)?;
    let change = change_of(wanted.strip_suffix("-all").unwrap_or(wanted), RATE)?;
    let index = state.reader.shelf().index;
    let index = index.ok_or_else(|| Failure::usage("the dead letters are not read yet: try again in a moment"))?;
    let summary = index.summary(&select(&state, choice.filter()?)?, now());
    let count = affected(change, &summary);
    let content = html! {
        (description(change, &summary))
        @if count > 0 {
            form method="post" action="/dead-letters/change" {
                (form_token(&state))
                @for (name, value) in choice.fields() { input type="hidden" name=(name) value=(value); }
                input type="hidden" name="change" value=(change.verb());
                @if let Change::Replay { rate } = change {
                    div class="fields" {
                        label { "Events a second" input type="number" name="rate" value=(rate) min="1" max=(RATE_MAX); }
                    }
                    p class="quiet" { "DSK gets them on top of its usual traffic." }
                }
                div class="actions" {
                    @let style = if change == Change::Discard { "danger" } else { "" };
                    button class=(style) { (capital(change.verb())) " " (count) }
                    a class="button second" href=(Place::DeadLetters.path()) { "Do nothing" }
                }
            }
        }
        (layout::command(&choice.change_command(change)))
    };
    let title = format!("{} {}?", capital(change.verb()), counted(count, "dead letter"));
    Ok(layout::page(&title, Place::DeadLetters, &content))
}

/// Either what was ticked, or everything that the filter of the list chooses.
fn chosen(fields: &Fields, wanted: &str) -> Result<Choice, Failure> {
    let mut choice = Choice::of_fields(fields);
    if wanted.ends_with("-all") {
        choice.ids = fields.iter().filter(|(name, _)| name == "chosen").map(|(_, id)| id.clone()).collect();
        return Ok(choice);
    }
    if choice.ids.is_empty() {
        return Err(Failure::usage("tick the dead letters that you mean first"));
    }
    Ok(Choice { ids: choice.ids, ..Choice::default() })
}

fn change_of(verb: &str, rate: u32) -> Result<Change, Failure> {
    let changes = [Change::Replay { rate }, Change::Discard];
    let change = changes.into_iter().find(|change| change.verb() == verb);
    change.ok_or_else(|| Failure::usage(format!("{verb} is neither replay nor discard")))
}

/// How many it is about: what nobody can deliver is not replayed.
fn affected(change: Change, summary: &Summary) -> usize {
    match change {
        Change::Replay { .. } => summary.count() - summary.undeliverable,
        Change::Discard => summary.count(),
    }
}

fn description(change: Change, summary: &Summary) -> Markup {
    html! {
        dl {
            @if let Some(oldest) = summary.oldest { dt { "Oldest" } dd { (when(oldest, now())) } }
            @if let Some(newest) = summary.newest { dt { "Newest" } dd { (when(newest, now())) } }
            @for (reason, count) in &summary.by_reason { dt { (reason) } dd { (count) } }
        }
        @if change != Change::Discard && summary.undeliverable > 0 {
            p class="heed" {
                (summary.undeliverable) " of them are left out: they are not an envelope or not a notification, so nobody \
                 can deliver them."
            }
        }
        @if change == Change::Discard { p class="note" { "What is discarded can't be brought back." } }
    }
}

/// `POST /dead-letters/change`: begins it. The page of dead letters shows how far it is.
pub(super) async fn begin(
    State(state): State<Arc<ConsoleState>>,
    Form(fields): Form<Fields>,
) -> Result<Redirect, PageError> {
    let rate = parsed::<u32>(&fields, "rate")?.unwrap_or(RATE).clamp(1, RATE_MAX);
    let change = change_of(needed(&fields, "change")?, rate)?;
    let choice = Choice::of_fields(&fields);
    let selection = select(&state, choice.filter()?)?;
    let steps = state.reader.shelf().index.map(|index| affected(change, &index.summary(&selection, now())));
    let what = steps.map_or_else(|| "dead letters".to_owned(), |steps| counted(steps, "dead letter"));
    let title = format!("{} {what}", capital(change.verb()));
    let plan = Plan { title, command: Some(choice.change_command(change)), steps };
    let desk_state = Arc::clone(&state);
    state.desk.begin(plan, now(), &state.shutdown, move |work| carry_out(desk_state, work, change, selection))?;
    Ok(Redirect::to(Place::DeadLetters.path()))
}

async fn carry_out(
    state: Arc<ConsoleState>,
    work: Arc<Work>,
    change: Change,
    selection: Selection,
) -> Result<String, Failure> {
    let scanning = state.desk.scanning();
    let turn = tokio::select! {
        turn = scanning.lock() => turn,
        () = work.stop_signal().requested() => return Err(Failure::runtime("stopped before it began")),
    };
    let bulk = Bulk { change, selection: &selection, mode: BulkMode::CarryOut, limit: usize::MAX };
    let mut tally = Tally::default();
    let mut gone = BTreeSet::new();
    let mut watch = |step: BulkStep<'_>| {
        tally.add(step);
        if let BulkStep::Done(letters) = step {
            gone.extend(letters.iter().map(RowKey::of));
        }
        work.note(|progress| progress.done = tally.count());
    };
    let result = bulk.run(&state.queue, work.stop_signal(), &mut watch).await;
    drop(turn);
    state.reader.forget(&gone);
    work.note(|progress| progress.lines = lines(&tally));
    result.map(|()| format!("{} {}. {}", change.past(), tally.count(), what_next(change)))
}

fn lines(tally: &Tally) -> Vec<String> {
    let reasons = tally.by_reason.iter().map(|(reason, count)| format!("{reason}: {count}"));
    let left_out = (tally.undeliverable > 0)
        .then(|| format!("left out, because nobody can deliver them: {}", tally.undeliverable));
    reasons.chain(left_out).collect()
}

const fn what_next(change: Change) -> &'static str {
    match change {
        Change::Replay { .. } => "Those that fail again return to this page.",
        Change::Discard => "They can't be brought back.",
    }
}

fn capital(verb: &str) -> String {
    let mut letters = verb.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
