//! Turns what a person chose into a selection of dead letters.

use std::collections::BTreeSet;

use crate::console::state::ConsoleState;
use crate::dead_letters::{Filter, Selection};
use crate::failure::Failure;

/// The selection of a filter. Which channels are a tenant's is known from the directory.
pub(super) fn select(state: &ConsoleState, filter: Filter) -> Result<Selection, Failure> {
    let Some(tenant) = filter.tenant() else { return Ok(filter.among(None)) };
    let seen = state.directory.look(&state.store, &state.shutdown);
    let Some(listing) = seen.listing else {
        let trouble = seen.trouble.map_or_else(|| "try again in a moment".to_owned(), |error| error.to_string());
        return Err(Failure::runtime(format!("the channels are not read yet: {trouble}")));
    };
    let addresses: BTreeSet<String> = listing.addresses_of(tenant).map(|address| address.as_str().to_owned()).collect();
    if addresses.is_empty() {
        return Err(Failure::usage(format!("no channel is stored for tenant {tenant}: the page Channels lists them")));
    }
    Ok(filter.among(Some(addresses)))
}
