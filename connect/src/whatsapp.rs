//! Connecting a WhatsApp number: Meta's Embedded Signup in the browser, and what the browser says, confirmed here.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channels::{ChannelState, NewChannel, StoreError};
use chassis::{now, random};
use event::{Address, Family};
use jiff::Timestamp;
use maud::{PreEscaped, html};
use serde::Deserialize;
use tracing::info;

use crate::app::App;
use crate::graph::GraphError;
use crate::graph::whatsapp::{BusinessToken, Number, WhatsAppGraph};
use crate::guard::{Holder, policy, refuse_form};
use crate::metrics::Connection;
use crate::signed::random_id;
use crate::{pages, texts};

/// Opens Meta's window, and sends what it says in a form: no other script runs on our pages.
const SCRIPT: &str = include_str!("whatsapp.js");

/// Why a number was not connected. Nothing is left half connected after any of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Graph(#[from] GraphError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the account was not granted")]
    NotGranted,
    #[error("the account has no number, or several and none was chosen")]
    NoNumber,
    #[error("the number could not be registered: {0}")]
    Register(GraphError),
}

/// What was connected.
struct Connected {
    number: Number,
    /// The PIN that was set, if the number had to be registered.
    pin: Option<String>,
}

/// `GET /whatsapp`.
pub(crate) async fn page(State(app): State<Arc<App>>, holder: Holder) -> Response {
    let Some(whatsapp) = &app.whatsapp else {
        return pages::not_found().await.into_response();
    };
    let nonce = random_id();
    let sdk_origin = app.sdk_url.origin().ascii_serialization();
    let content = html! {
        p { (texts::WHATSAPP) }
        p class="quiet" { (texts::WHATSAPP_POPUP) }
        noscript { p class="note" { (texts::WHATSAPP_NO_SCRIPT) } }
        form id="signup" method="post" action="/whatsapp" data-app-id=(whatsapp.app_id())
            data-configuration-id=(app.configuration_id) data-version=(app.graph_version) data-sdk-origin=(sdk_origin) {
            input type="hidden" name="form_token" value=(holder.form_token(&app));
            @for name in ["outcome", "code", "account_id", "number_id"] { input type="hidden" name=(name); }
            p class="note" role="alert" id="missing" hidden { (texts::WHATSAPP_MISSING) }
            p role="status" id="waiting" hidden { (texts::WHATSAPP_WAITING) }
            div class="actions" {
                button { (texts::WHATSAPP_BUTTON) }
                a class="button second" href="/channels" { (texts::BACK) }
            }
        }
        script nonce=(nonce) { (PreEscaped(SCRIPT)) }
        script nonce=(nonce) src=(app.sdk_url) async defer crossorigin="anonymous" {}
    };
    let policy = policy(&format!(
        "img-src 'self' https://*.facebook.com; script-src 'nonce-{nonce}' {sdk_origin}; connect-src \
         https://*.facebook.com {sdk_origin}; frame-src https://*.facebook.com {sdk_origin}; form-action 'self'"
    ));
    ([("content-security-policy", policy)], pages::page(texts::WHATSAPP_TITLE, &content)).into_response()
}

/// What the browser says. None of it is believed before Meta has confirmed it.
#[derive(Deserialize)]
pub(crate) struct Said {
    form_token: String,
    /// The event's name in Embedded Signup, or `CANCEL`.
    outcome: String,
    code: String,
    account_id: String,
    number_id: String,
}

/// `POST /whatsapp`.
pub(crate) async fn connect(State(app): State<Arc<App>>, holder: Holder, Form(said): Form<Said>) -> Response {
    if !holder.sent(&app, &said.form_token) {
        return refuse_form(&app);
    }
    let Some(whatsapp) = &app.whatsapp else { return pages::not_found().await.into_response() };
    if said.code.is_empty() || !said.outcome.starts_with("FINISH") {
        app.metrics.connection(Connection::Cancelled);
        return pages::once_more(texts::CANCELLED_TITLE, texts::CANCELLED, "/whatsapp").into_response();
    }
    match carry_out(&app, whatsapp, &holder, &said).await {
        Ok(connected) => {
            app.metrics.connection(Connection::Connected);
            info!(channel = connected.number.id, "Connected whatsapp:{}", connected.number.id);
            connected_page(&connected)
        }
        Err(failure) => {
            app.metrics.connection(Connection::Failed);
            info!(%failure, "Could not connect a WhatsApp number: {failure}");
            failed(&failure, "/whatsapp")
        }
    }
}

/// Everything is confirmed before anything is changed; what was changed is undone if the last step fails.
async fn carry_out(app: &App, whatsapp: &WhatsAppGraph, holder: &Holder, said: &Said) -> Result<Connected, Failure> {
    let granted = whatsapp.exchange(&said.code).await?;
    if !granted.covers(&said.account_id) {
        return Err(Failure::NotGranted);
    }
    let numbers = whatsapp.numbers(&said.account_id, &granted.token).await?;
    let number = chosen(numbers, &said.number_id)?;
    let address = Address::of(Family::WhatsApp, &number.id);
    free_for(app, holder, &address).await?;
    free_for(app, holder, &Address::of(Family::WhatsAppAccount, &said.account_id)).await?;

    whatsapp.subscribe(&said.account_id, &granted.token).await?;
    let finished = finish(app, whatsapp, (holder, said), (&granted, &number)).await;
    if finished.is_err() && numbers_connected(app, &said.account_id).await == 0 {
        whatsapp.unsubscribe(&said.account_id, &granted.token).await.ok();
    }
    Ok(Connected { pin: finished?, number })
}

/// Registers the number where needed, and stores the channel. Gives the PIN that was set.
async fn finish(
    app: &App,
    whatsapp: &WhatsAppGraph,
    (holder, said): (&Holder, &Said),
    (granted, number): (&BusinessToken, &Number),
) -> Result<Option<String>, Failure> {
    // A number that is shared with the WhatsApp Business app must not be registered (Meta, "Coexistence").
    let is_shared = said.outcome == "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING";
    let mut pin = None;
    if !number.is_registered() && !is_shared {
        let new = new_pin();
        whatsapp.register(&number.id, &new, &granted.token).await.map_err(Failure::Register)?;
        pin = Some(new);
    }
    let address = Address::of(Family::WhatsApp, &number.id);
    let channel = NewChannel {
        access_token_expires_at: granted.expires_at.and_then(|at| Timestamp::from_second(at).ok()),
        account_id: Some(said.account_id.clone()),
        app_user_id: granted.user_id.clone(),
        name: (!number.shown.is_empty()).then(|| number.shown.clone()),
        ..holder.channel(address, app.key_ring.seal(&granted.token))
    };
    app.store.add(&channel, now()).await?;
    Ok(pin)
}

/// The number that the browser names, if the account has it; or its only one.
fn chosen(mut numbers: Vec<Number>, number_id: &str) -> Result<Number, Failure> {
    if number_id.is_empty() && numbers.len() == 1 {
        return Ok(numbers.remove(0));
    }
    if number_id.is_empty() {
        return Err(Failure::NoNumber);
    }
    numbers.into_iter().find(|number| number.id == number_id).ok_or(Failure::NotGranted)
}

/// Six digits that nobody can guess.
fn new_pin() -> String {
    format!("{:06}", u32::from_le_bytes(random()) % 1_000_000)
}

/// Told before anything is changed at Meta; the store makes sure once more.
pub(crate) async fn free_for(app: &App, holder: &Holder, address: &Address) -> Result<(), StoreError> {
    let record = app.store.get(address).await?;
    let is_taken = |tenant: &str, state| tenant != holder.ticket.tenant && state != ChannelState::Disconnected;
    match record {
        Some(record) if is_taken(&record.tenant, record.state) => {
            Err(StoreError::OtherTenant { address: address.to_string() })
        }
        Some(_) | None => Ok(()),
    }
}

/// How many numbers of an account are connected.
pub(crate) async fn numbers_connected(app: &App, account_id: &str) -> usize {
    let account = app.store.get(&Address::of(Family::WhatsAppAccount, account_id)).await;
    account.ok().flatten().map_or(0, |account| account.channels.len())
}

fn connected_page(connected: &Connected) -> Response {
    let content = html! {
        p { strong { (connected.number.shown) } }
        p { (texts::CONNECTED) }
        @if let Some(pin) = &connected.pin {
            p { (texts::PIN) }
            p class="pin" { (pin) }
            p { (texts::PIN_KEEP) }
        }
    };
    pages::success(texts::CONNECTED_TITLE, &content).into_response()
}

/// Says what happened and what to do.
pub(crate) fn failed(failure: &Failure, again: &str) -> Response {
    let (status, text) = match failure {
        Failure::Store(StoreError::OtherTenant { .. }) => (StatusCode::CONFLICT, texts::FAILED_OTHER_TENANT),
        Failure::Store(error) => return pages::store_trouble(error),
        Failure::NotGranted => (StatusCode::FORBIDDEN, texts::FAILED_NOT_GRANTED),
        Failure::NoNumber => (StatusCode::BAD_REQUEST, texts::FAILED_NO_NUMBER),
        Failure::Register(_) => (StatusCode::BAD_GATEWAY, texts::FAILED_REGISTER),
        Failure::Graph(error) => graph_text(error),
    };
    (status, pages::once_more(texts::FAILED_TITLE, text, again)).into_response()
}

fn graph_text(error: &GraphError) -> (StatusCode, &'static str) {
    match error {
        GraphError::Away | GraphError::TimedOut | GraphError::Trouble => (StatusCode::BAD_GATEWAY, texts::FAILED_AWAY),
        GraphError::Throttled => (StatusCode::SERVICE_UNAVAILABLE, texts::FAILED_THROTTLED),
        GraphError::Token { .. } => (StatusCode::BAD_REQUEST, texts::FAILED_TOKEN),
        GraphError::Permission(_) => (StatusCode::FORBIDDEN, texts::FAILED_PERMISSION),
        GraphError::Refused { .. } | GraphError::Unexpected => (StatusCode::BAD_GATEWAY, texts::FAILED_REFUSED),
    }
}
