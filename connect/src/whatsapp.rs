//! Connecting a WhatsApp number: Meta's Embedded Signup runs in the browser, and Meta confirms here what the browser says.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{IntoResponse, Response};
use channels::NewChannel;
use chassis::{now, random};
use event::{Address, Family};
use jiff::Timestamp;
use maud::{PreEscaped, html};
use serde::Deserialize;

use crate::connecting::{ConnectError, ensure_not_taken, numbers_connected, record_outcome};
use crate::graph::whatsapp::{BusinessToken, Number, WhatsAppGraph};
use crate::headers::content_security_policy;
use crate::metrics::ConnectionOutcome;
use crate::page_error::PageError;
use crate::session::PageSession;
use crate::signer::random_id;
use crate::state::AppState;
use crate::{pages, texts};

/// Loads Meta's script when the button is pressed, opens Meta's window, and sends its answer in a form. No other script of
/// ours runs on our pages.
const SCRIPT: &str = include_str!("whatsapp.js");
/// The outcome of Embedded Signup for a number that stays in the WhatsApp Business app.
const COEXISTENCE: &str = "FINISH_WHATSAPP_BUSINESS_APP_ONBOARDING";
const PAGE: &str = "/whatsapp";

/// A number that was connected.
struct NumberConnection {
    address: Address,
    number: Number,
    /// The PIN that was set, if the number had to be registered.
    pin: Option<String>,
}

/// `GET /whatsapp`.
pub(crate) async fn page(State(state): State<Arc<AppState>>, session: PageSession) -> Result<Response, PageError> {
    let whatsapp = state.graphs.whatsapp.as_ref().ok_or(PageError::NotFound)?;
    let signup = &state.signup;
    let nonce = random_id();
    let sdk_origin = signup.sdk_url.origin().ascii_serialization();
    let content = html! {
        p { (texts::WHATSAPP) }
        p class="quiet" { (texts::WHATSAPP_LOADS) " " (texts::WHATSAPP_POPUP) }
        noscript { p class="note" { (texts::WHATSAPP_NO_SCRIPT) } }
        form id="signup" method="post" action=(PAGE) data-app-id=(whatsapp.app_id())
            data-configuration-id=(signup.configuration_id) data-version=(signup.graph_version)
            data-sdk-url=(signup.sdk_url) {
            input type="hidden" name="form_token" value=(session.form_token(&state));
            @for name in ["outcome", "code", "account_id", "number_id"] { input type="hidden" name=(name); }
            p class="note" role="alert" id="missing" hidden { (texts::WHATSAPP_MISSING) }
            p role="status" id="loading" hidden { (texts::WHATSAPP_LOADING) }
            p role="status" id="ready" hidden { (texts::WHATSAPP_READY) }
            p role="status" id="waiting" hidden { (texts::WHATSAPP_WAITING) }
            div class="actions" {
                button { (texts::WHATSAPP_BUTTON) }
                a class="button second" href=(pages::CHANNELS) { (texts::BACK) }
            }
        }
        script nonce=(nonce) { (PreEscaped(SCRIPT)) }
    };
    let policy = content_security_policy(&format!(
        "img-src 'self' https://*.facebook.com; script-src 'nonce-{nonce}' {sdk_origin}; connect-src \
         https://*.facebook.com {sdk_origin}; frame-src https://*.facebook.com {sdk_origin}; form-action 'self'"
    ));
    Ok(([(CONTENT_SECURITY_POLICY, policy)], pages::page(texts::WHATSAPP_TITLE, &content)).into_response())
}

/// What the browser says about the signup. Nothing of it is believed before Meta has confirmed it.
#[derive(Deserialize)]
pub(crate) struct SignupForm {
    form_token: String,
    /// The name of the event in Embedded Signup, or `CANCEL`.
    outcome: String,
    code: String,
    account_id: String,
    number_id: String,
}

/// `POST /whatsapp`.
pub(crate) async fn connect(
    State(state): State<Arc<AppState>>,
    session: PageSession,
    Form(form): Form<SignupForm>,
) -> Result<Response, PageError> {
    session.verify_form(&state, &form.form_token)?;
    let whatsapp = state.graphs.whatsapp.as_ref().ok_or(PageError::NotFound)?;
    if form.code.is_empty() || !form.outcome.starts_with("FINISH") {
        state.metrics.connections_total.inc(ConnectionOutcome::Cancelled);
        return Ok(pages::try_again(texts::CANCELLED_TITLE, texts::CANCELLED, PAGE).into_response());
    }
    let connection = connect_number(&state, whatsapp, &session, &form).await;
    let outcome = connection.as_ref().map(|connection| &connection.address);
    record_outcome(&state.metrics, Family::WhatsApp, outcome);
    let connection = connection.map_err(|error| PageError::not_connected(error, PAGE))?;
    let content = html! {
        p { strong { bdi { (connection.number.display) } } }
        p { (texts::CONNECTED) }
        @if let Some(pin) = &connection.pin {
            p { (texts::PIN) }
            p dir="ltr" class="pin" { (pin) }
            p { (texts::PIN_KEEP) }
        }
    };
    Ok(pages::success(texts::CONNECTED_TITLE, &content).into_response())
}

/// Confirms everything before it changes anything, and undoes the change if the last step fails.
async fn connect_number(
    state: &AppState,
    whatsapp: &WhatsAppGraph,
    session: &PageSession,
    form: &SignupForm,
) -> Result<NumberConnection, ConnectError> {
    let token = whatsapp.exchange(&form.code).await?;
    let account_id = form.account_id.as_str();
    if !token.covers(account_id) {
        return Err(ConnectError::NotGranted);
    }
    let numbers = whatsapp.numbers(account_id, &token.token).await?;
    let number = choose(numbers, &form.number_id)?;
    let address = Address::of(Family::WhatsApp, &number.id);
    let tenant = &session.ticket.tenant;
    ensure_not_taken(&state.store, tenant, &address).await?;
    ensure_not_taken(&state.store, tenant, &Address::of(Family::WhatsAppAccount, account_id)).await?;

    whatsapp.subscribe(account_id, &token.token).await?;
    let pin = register_and_store(state, whatsapp, session, form, &token, &number).await;
    // The account stays subscribed for the sake of its other numbers.
    if pin.is_err() && numbers_connected(&state.store, account_id).await == Ok(0) {
        whatsapp.unsubscribe(account_id, &token.token).await.ok();
    }
    Ok(NumberConnection { pin: pin?, address, number })
}

/// Registers the number where that is needed, stores the channel, and gives the PIN that was set.
async fn register_and_store(
    state: &AppState,
    whatsapp: &WhatsAppGraph,
    session: &PageSession,
    form: &SignupForm,
    token: &BusinessToken,
    number: &Number,
) -> Result<Option<String>, ConnectError> {
    let mut pin = None;
    // A number that stays in the WhatsApp Business app must not be registered (Meta, "Coexistence").
    if !number.is_registered() && form.outcome != COEXISTENCE {
        let new_pin = random_pin();
        whatsapp.register(&number.id, &new_pin, &token.token).await.map_err(ConnectError::Register)?;
        pin = Some(new_pin);
    }
    let address = Address::of(Family::WhatsApp, &number.id);
    let channel = NewChannel {
        access_token_expires_at: token.expires_at.and_then(|at| Timestamp::from_second(at).ok()),
        account_id: Some(form.account_id.clone()),
        app_user_id: token.user_id.clone(),
        app_id: state.apps.whatsapp.as_ref().map(|app| app.id.clone()),
        name: (!number.display.is_empty()).then(|| number.display.clone()),
        ..session.new_channel(address, state.key_ring.seal(&token.token))
    };
    state.store.add(&channel, now()).await?;
    Ok(pin)
}

/// The number that the browser names, if the account has it, or the account's only number.
fn choose(mut numbers: Vec<Number>, number_id: &str) -> Result<Number, ConnectError> {
    if number_id.is_empty() && numbers.len() == 1 {
        return Ok(numbers.remove(0));
    }
    if number_id.is_empty() {
        return Err(ConnectError::NoNumber);
    }
    numbers.into_iter().find(|number| number.id == number_id).ok_or(ConnectError::NotGranted)
}

/// Six digits that nobody can guess.
fn random_pin() -> String {
    format!("{:06}", u32::from_le_bytes(random()) % 1_000_000)
}
