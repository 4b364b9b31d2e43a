//! The form that filters the list.

use maud::{Markup, html};

use super::choice::Choice;
use crate::console::layout::Place;
use crate::dead_letters::reasons;

/// Spans of time to choose from. An address may name others.
const AGES: [&str; 6] = ["10min", "1h", "6h", "24h", "2days", "7days"];

pub(super) fn form(choice: &Choice) -> Markup {
    html! {
        form method="get" action=(Place::DeadLetters.path()) role="search" aria-label="Filter" {
            @for id in &choice.ids { input type="hidden" name=(super::choice::ID) value=(id); }
            div class="fields" {
                (options("Reason", "reason", choice.reason.as_deref(), &reasons()))
                (text("Tenant", "tenant", choice.tenant.as_deref()))
                (text("Channel", "address", choice.address.as_deref()))
                (text("Type", "type", choice.event_type.as_deref()))
                (options("Parked within", "newer_than", choice.newer_than.as_deref(), &AGES))
                (options("Parked before", "older_than", choice.older_than.as_deref(), &AGES))
            }
            div class="actions" {
                button { "Filter" }
                @if *choice != Choice::default() { a class="button second" href=(Place::DeadLetters.path()) { "Show all" } }
            }
        }
    }
}

fn text(label: &str, name: &str, value: Option<&str>) -> Markup {
    html! { label { (label) input name=(name) value=(value.unwrap_or_default()) autocomplete="off" spellcheck="false"; } }
}

fn options(label: &str, name: &str, chosen: Option<&str>, values: &[&str]) -> Markup {
    let other = chosen.filter(|chosen| !values.contains(chosen));
    html! {
        label {
            (label)
            select name=(name) {
                option value="" { "any" }
                @for value in values.iter().copied().chain(other) {
                    option value=(value) selected[chosen == Some(value)] { (value) }
                }
            }
        }
    }
}
