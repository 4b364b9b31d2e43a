//! The list of dead letters: a page of those that were chosen, each with a box to tick.

use maud::{Markup, html};

use super::choice::{Choice, ID};
use super::index::{Index, Listed};
use crate::console::directory::Listing;
use crate::console::layout::{self, Place, form_token};
use crate::console::state::ConsoleState;
use crate::console::times::ago;
use crate::dead_letters::Selection;

/// How many a page shows.
const PAGE_SIZE: usize = 50;

/// The page that is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    pub(super) choice: &'a Choice,
    pub(super) selection: &'a Selection,
    /// Counted from 1.
    pub(super) number: usize,
}

pub(super) fn table(state: &ConsoleState, index: &Index, page: &Page<'_>) -> Markup {
    let now = chassis::now();
    let chosen = index.select(page.selection, now).count();
    let pages = chosen.div_ceil(PAGE_SIZE).max(1);
    let number = page.number.min(pages);
    let skip = (number - 1) * PAGE_SIZE;
    let listed: Vec<Listed<'_>> = index.select(page.selection, now).skip(skip).take(PAGE_SIZE).collect();
    let listing = state.directory.look(&state.store, &state.shutdown).listing;
    html! {
        p { (matching(chosen, index.len())) }
        @if !listed.is_empty() {
            form method="post" action="/dead-letters/preview" {
                (form_token(state))
                @for (name, value) in page.choice.fields().into_iter().filter(|(name, _)| *name != ID) {
                    input type="hidden" name=(name) value=(value);
                }
                @for id in &page.choice.ids { input type="hidden" name="chosen" value=(id); }
                table class="fold" {
                    thead {
                        tr {
                            th { "Select" } th { "Parked" } th { "Reason" } th class="number" { "Status" }
                            th class="number" { "Attempts" } th { "Type" } th { "Channel" } th { "Event" }
                        }
                    }
                    tbody { @for one in &listed { (row(one, listing.as_deref())) } }
                }
                (buttons(chosen))
            }
        }
        (paging(page.choice, number, pages))
        (layout::command(&page.choice.list_command(skip, PAGE_SIZE)))
    }
}

fn matching(chosen: usize, all: usize) -> Markup {
    html! {
        @match (chosen, all) {
            (0, 0) => "There are no dead letters.",
            (0, _) => { "None of the " (all) " dead letters matches." }
            (_, _) if chosen == all => { strong { (all) } @if all == 1 { " dead letter." } @else { " dead letters." } }
            (_, _) => { strong { (chosen) } " of " (all) " dead letters match." }
        }
    }
}

fn row(one: &Listed<'_>, listing: Option<&Listing>) -> Markup {
    let now = chassis::now();
    let traits = one.traits;
    let tenant = listing.and_then(|listing| listing.tenant_of(traits.address));
    html! {
        tr {
            td { input type="checkbox" name=(ID) value=(traits.id) aria-label={ "Select " (traits.id) }; }
            td data-name="Parked" {
                span { time datetime=(traits.parked_at) { (traits.parked_at.strftime("%F %T")) }
                    " " span class="quiet" { (ago(traits.parked_at, now)) } }
            }
            td data-name="Reason" { span class="state bad" { (traits.reason) } }
            td data-name="Status" class="number" { @match one.status { Some(status) => (status), None => "–" } }
            td data-name="Attempts" class="number" { (one.attempts) }
            td data-name="Type" { (traits.event_type) }
            td data-name="Channel" {
                span { (traits.address) @if let Some(tenant) = tenant { " " span class="quiet" { (tenant) } } }
            }
            td data-name="Event" { a href={ "/dead-letters/show?id=" (traits.id) } { (traits.id) } }
        }
    }
}

/// A press leads to a page that says what would happen.
fn buttons(chosen: usize) -> Markup {
    html! {
        div class="actions" {
            button name="change" value="replay" { "Replay selected…" }
            button name="change" value="discard" class="second" { "Discard selected…" }
            button name="change" value="replay-all" class="second" { "Replay all " (chosen) "…" }
            button name="change" value="discard-all" class="second" { "Discard all " (chosen) "…" }
        }
    }
}

fn paging(choice: &Choice, number: usize, pages: usize) -> Markup {
    let query = choice.query();
    let joint = if query.is_empty() { "" } else { "&" };
    let link = |number: usize| format!("{}?{query}{joint}page={number}", Place::DeadLetters.path());
    html! {
        @if pages > 1 {
            div class="actions" {
                @if number > 1 { a class="button second" href=(link(number - 1)) { "Earlier" } }
                span { "Page " (number) " of " (pages) ", oldest first" }
                @if number < pages { a class="button second" href=(link(number + 1)) { "Later" } }
            }
        }
    }
}
