//! `GET /profile/<platform>/<channel id>/<contact id>`: who wrote to an Instagram account or a Page, because Meta's events
//! about them hold no name. What Meta says is passed on, and stored nowhere.

mod cache;
mod error;
mod pauses;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::HeaderMap;
use channels::{ChannelRecord, StoredToken};
use event::{Address, Family};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::access::{self, AccessError};
use crate::graph::profile::Profile;
use crate::graph::{GraphError, PAUSE_USUAL};
use crate::metrics::FetchOutcome;
use crate::state::AppState;
pub(crate) use cache::{PROFILE_TIME, ProfileCache};
use error::ProfileError;
pub(crate) use pauses::Pauses;

/// Which person, as Meta names them for which channel.
#[derive(Deserialize)]
pub(crate) struct ProfilePath {
    platform: String,
    channel: String,
    contact: String,
}

/// `GET /profile/<platform>/<channel id>/<contact id>` takes the channel's own DSK token as bearer. It answers 200 with
/// `name`, `username` and `picture` as far as Meta gives them; otherwise a JSON object with `error` and `detail`, as for
/// files: 404 means that Meta does not show this person.
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    Path(path): Path<ProfilePath>,
    headers: HeaderMap,
) -> Result<Json<Profile>, ProfileError> {
    let address = Address::new(format!("{}:{}", path.platform, path.channel));
    let profile = find(&state, &address, &path.contact, &headers).await;
    let outcome = profile.as_ref().map_or_else(ProfileError::outcome, |_| Some(FetchOutcome::Served));
    outcome.into_iter().for_each(|outcome| state.metrics.profiles_total.inc(outcome));
    match &profile {
        // The contact's id is personal data, so no line holds it.
        Ok(_) => info!(channel = %address, "Passing on a profile of {address}"),
        Err(error) if outcome.is_some() => warn!(channel = %address, %error, "DSK got no profile of {address}"),
        // Anybody may have asked, so nothing of the request is logged.
        Err(error) => warn!(%error, "Refused a request for a profile: {error}"),
    }
    profile.map(Json)
}

async fn find(
    state: &AppState,
    address: &Address,
    contact: &str,
    headers: &HeaderMap,
) -> Result<Profile, ProfileError> {
    let record = access::authorize(state, address, headers).await?;
    if !matches!(address.family(), Family::Instagram | Family::Messenger) {
        return Err(ProfileError::OtherPlatform);
    }
    if !is_contact(contact) {
        return Err(ProfileError::Unknown);
    }
    let token = access::access_token(&record)?;
    if let Some(profile) = state.profiles.get(token, contact, Instant::now()) {
        return Ok(profile);
    }
    if let Some(left) = state.profile_pauses.left(address, Instant::now()) {
        return Err(AccessError::Throttled(left).into());
    }
    let profile = ask(state, &record, token, contact).await?;
    state.profiles.put(token, contact, &profile, Instant::now());
    Ok(profile)
}

/// The ids of people are numbers. Words such as `me` mean something else to Meta.
fn is_contact(id: &str) -> bool {
    access::is_id(id) && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Asks Meta, and heeds what its answer says about the token and about a pause.
async fn ask(
    state: &AppState,
    record: &ChannelRecord,
    token: StoredToken<'_>,
    contact: &str,
) -> Result<Profile, ProfileError> {
    let _place = state.profile_places.take(&record.tenant).ok_or(AccessError::Full)?;
    let opened = access::open(state, token.sealed)?;
    let answer = state.graphs.profiles.profile(&record.address, contact, &opened).await;
    let pause = match &answer {
        Ok(answer) => answer.pause,
        Err(GraphError::Throttled { pause }) => Some(pause.unwrap_or(PAUSE_USUAL)),
        Err(_) => None,
    };
    if let Some(pause) = pause {
        state.profile_pauses.begin(&record.address, pause, Instant::now());
    }
    let profile = match answer {
        Ok(answer) => answer.content,
        Err(error) => {
            access::heed(state, token, &error).await?;
            return Err(error.into());
        }
    };
    if profile.is_empty() { Err(ProfileError::NoProfile) } else { Ok(profile) }
}
