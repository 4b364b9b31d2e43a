//! Connecting an Instagram account: the owner logs in at Instagram and comes back with a code.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use channels::NewChannel;
use chassis::now;
use event::{Address, Family};
use maud::html;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tracing::info;
use url::Url;

use crate::app::App;
use crate::graph::GraphError;
use crate::graph::instagram::{Account, InstagramGraph, LongToken};
use crate::guard::{Holder, SESSION_TIME, refuse_form};
use crate::metrics::{Connection, Refused};
use crate::signed::random_id;
use crate::whatsapp::{Failure, failed, free_for};
use crate::{pages, texts};

/// A permission of the login that was switched off.
const PERMISSION_CODE: i64 = 10;

#[derive(Deserialize)]
pub(crate) struct Begin {
    form_token: String,
}

/// `POST /instagram`: leads to Instagram's login.
pub(crate) async fn begin(State(app): State<Arc<App>>, holder: Holder, Form(form): Form<Begin>) -> Response {
    if !holder.sent(&app, &form.form_token) {
        return refuse_form(&app);
    }
    let Some(instagram) = &app.instagram else {
        return pages::not_found().await.into_response();
    };
    let state = random_id();
    match app.store.set_session_state(&holder.id, Some(&state), SESSION_TIME).await {
        Ok(()) => Redirect::to(instagram.login(&return_url(&app), &state).as_str()).into_response(),
        Err(error) => pages::store_trouble(&error),
    }
}

/// The same, byte for byte, in both steps.
fn return_url(app: &App) -> Url {
    let mut url = app.url.clone();
    url.set_path("/instagram/return");
    url
}

/// What Instagram sends back.
#[derive(Deserialize)]
pub(crate) struct Returned {
    code: Option<String>,
    state: Option<String>,
}

/// `GET /instagram/return`.
pub(crate) async fn finish(State(app): State<Arc<App>>, holder: Holder, Query(returned): Query<Returned>) -> Response {
    let Some(instagram) = &app.instagram else { return pages::not_found().await.into_response() };
    let (given, expected) = (returned.state.unwrap_or_default(), holder.state.clone().unwrap_or_default());
    if expected.is_empty() || !bool::from(given.as_bytes().ct_eq(expected.as_bytes())) {
        app.metrics.refused(Refused::State);
        let back = (texts::BACK, "/channels");
        let page = pages::message_with_way_back(texts::FAILED_TITLE, texts::FAILED_STATE, back);
        return (StatusCode::FORBIDDEN, page).into_response();
    }
    // Used up, whatever comes of it.
    if let Err(error) = app.store.set_session_state(&holder.id, None, SESSION_TIME).await {
        return pages::store_trouble(&error);
    }
    // Without a code its owner said no. Instagram puts `#_` behind the code; browsers keep that to themselves.
    let Some(code) = returned.code else {
        app.metrics.connection(Connection::Cancelled);
        let back = (texts::BACK, "/channels");
        return pages::message_with_way_back(texts::CANCELLED_TITLE, texts::CANCELLED, back).into_response();
    };
    match carry_out(&app, instagram, &holder, code.trim_end_matches("#_")).await {
        Ok(account) => {
            app.metrics.connection(Connection::Connected);
            info!(channel = account.user_id, "Connected instagram:{}", account.user_id);
            let content = html! {
                p { strong { "@" (account.username) } }
                p { (texts::CONNECTED) }
            };
            pages::success(texts::CONNECTED_TITLE, &content).into_response()
        }
        Err(failure) => {
            app.metrics.connection(Connection::Failed);
            info!(%failure, "Could not connect an Instagram account: {failure}");
            failed(&failure, "/channels")
        }
    }
}

/// Everything is confirmed before anything is changed; what was changed is undone if the last step fails.
async fn carry_out(app: &App, instagram: &InstagramGraph, holder: &Holder, code: &str) -> Result<Account, Failure> {
    let short = instagram.exchange(code, &return_url(app)).await?;
    if short.missing().is_some() {
        return Err(GraphError::Permission(PERMISSION_CODE).into());
    }
    let long = instagram.lengthen(&short).await?;
    let account = instagram.account(&long.token).await?;
    let address = Address::of(Family::Instagram, &account.user_id);
    free_for(app, holder, &address).await?;

    instagram.subscribe(&account.user_id, &long.token).await?;
    if let Err(error) = app.store.add(&channel(app, holder, (&account, &long), address), now()).await {
        instagram.unsubscribe(&account.user_id, &long.token).await.ok();
        return Err(error.into());
    }
    Ok(account)
}

fn channel(app: &App, holder: &Holder, (account, long): (&Account, &LongToken), address: Address) -> NewChannel {
    NewChannel {
        access_token_expires_at: Some(long.expires_at(now())),
        app_user_id: Some(account.id.clone()),
        name: (!account.username.is_empty()).then(|| format!("@{}", account.username)),
        ..holder.channel(address, app.key_ring.seal(&long.token))
    }
}
