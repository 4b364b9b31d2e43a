//! Connecting an Instagram account: its owner logs in at Instagram and comes back with a code.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use channels::NewChannel;
use chassis::now;
use event::{Address, Family};
use maud::html;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::connecting::{ConnectError, ensure_not_taken, record_outcome};
use crate::cookie::SESSION_TIME;
use crate::graph::GraphError;
use crate::graph::instagram::{Account, InstagramGraph};
use crate::metrics::ConnectionOutcome;
use crate::page_error::PageError;
use crate::reader::INSTAGRAM_RETURN;
use crate::session::PageSession;
use crate::signer::random_id;
use crate::state::AppState;
use crate::{pages, texts};

/// Meta's code for a missing permission, for one that was switched off in the login.
const PERMISSION_CODE: i64 = 10;

#[derive(Deserialize)]
pub(crate) struct LoginForm {
    form_token: String,
}

/// An account that was connected.
struct AccountConnection {
    address: Address,
    account: Account,
}

/// `POST /instagram` leads to Instagram's login.
pub(crate) async fn begin(
    State(state): State<Arc<AppState>>,
    session: PageSession,
    Form(form): Form<LoginForm>,
) -> Result<Redirect, PageError> {
    session.verify_form(&state, &form.form_token)?;
    let instagram = state.graphs.instagram.as_ref().ok_or(PageError::NotFound)?;
    let login_state = random_id();
    state.store.set_session_state(&session.id, Some(&login_state), SESSION_TIME).await?;
    Ok(Redirect::to(instagram.login(&return_url(&state), &login_state).as_str()))
}

/// Must be the same, byte for byte, in the login and in the exchange of its code.
fn return_url(state: &AppState) -> Url {
    state.page_url(INSTAGRAM_RETURN)
}

/// What Instagram sends back.
#[derive(Deserialize)]
pub(crate) struct LoginAnswer {
    code: Option<String>,
    state: Option<String>,
}

/// `GET /instagram/return`.
pub(crate) async fn finish(
    State(state): State<Arc<AppState>>,
    session: PageSession,
    Query(answer): Query<LoginAnswer>,
) -> Result<Response, PageError> {
    let instagram = state.graphs.instagram.as_ref().ok_or(PageError::NotFound)?;
    let expected = session.login_state.as_deref().unwrap_or_default();
    let given = answer.state.unwrap_or_default();
    if expected.is_empty() || !bool::from(given.as_bytes().ct_eq(expected.as_bytes())) {
        return Err(PageError::LoginState);
    }
    // A login counts once, whatever its result.
    state.store.set_session_state(&session.id, None, SESSION_TIME).await?;
    // There is no code if the owner declined.
    let Some(code) = answer.code else {
        state.metrics.connections_total.inc(ConnectionOutcome::Cancelled);
        return Ok(pages::message_with_way_back(texts::CANCELLED_TITLE, texts::CANCELLED).into_response());
    };
    // Instagram appends `#_` to the code; browsers usually keep it to themselves.
    let connection = connect_account(&state, instagram, &session, code.trim_end_matches("#_")).await;
    let outcome = connection.as_ref().map(|connection| &connection.address);
    record_outcome(&state.metrics, Family::Instagram, outcome);
    let connection = connection.map_err(|error| PageError::not_connected(error, pages::CHANNELS))?;
    let content = html! {
        p { strong { bdi { "@" (connection.account.username) } } }
        p { (texts::CONNECTED) }
    };
    Ok(pages::success(texts::CONNECTED_TITLE, &content).into_response())
}

/// Confirms everything before it changes anything, and undoes the change if the last step fails.
async fn connect_account(
    state: &AppState,
    instagram: &InstagramGraph,
    session: &PageSession,
    code: &str,
) -> Result<AccountConnection, ConnectError> {
    let short = instagram.exchange(code, &return_url(state)).await?;
    if short.missing_permission().is_some() {
        return Err(GraphError::Permission(PERMISSION_CODE).into());
    }
    let long = instagram.lengthen(&short).await?;
    let account = instagram.account(&long.token).await?;
    let address = Address::of(Family::Instagram, &account.user_id);
    ensure_not_taken(&state.store, &session.ticket.tenant, &address).await?;

    instagram.subscribe(&account.user_id, &long.token).await?;
    let channel = NewChannel {
        access_token_expires_at: Some(long.expires_at(now())),
        app_user_id: Some(account.id.clone()),
        app_id: state.apps.instagram.as_ref().map(|app| app.id.clone()),
        name: (!account.username.is_empty()).then(|| format!("@{}", account.username)),
        ..session.new_channel(address.clone(), state.key_ring.seal(&long.token))
    };
    if let Err(error) = state.store.add(&channel, now()).await {
        instagram.unsubscribe(&account.user_id, &long.token).await.ok();
        return Err(error.into());
    }
    Ok(AccountConnection { address, account })
}
