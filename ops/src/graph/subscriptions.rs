//! Plays the subscriptions of WhatsApp and Instagram accounts, for which Meta posts events to the app.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::APP;
use super::instagram;
use super::state::{Parameters, SharedState, bears, error, lock, step};

/// An account at one of Meta's two Graph APIs, as the path of a request names it.
#[derive(Deserialize)]
pub(super) struct Account {
    /// `graph` or `instagram`.
    host: String,
    id: String,
}

impl Account {
    fn is_at_instagram(&self) -> bool {
        self.host == "instagram"
    }

    fn is_token(&self, headers: &HeaderMap) -> bool {
        if self.is_at_instagram() { instagram::bears_long(headers) } else { bears(headers, "business-token") }
    }
}

pub(super) async fn subscribe(
    State(state): State<SharedState>,
    Path(account): Path<Account>,
    headers: HeaderMap,
    Form(given): Form<Parameters>,
) -> Result<Json<Value>, Response> {
    let fields = given.get("subscribed_fields").map(String::as_str).unwrap_or_default();
    let fields: Vec<String> = fields.split(',').map(str::to_owned).collect();
    let names_messages = fields.iter().any(|field| field == "messages");
    let checks =
        [("token", account.is_token(&headers)), ("subscribed_fields", !account.is_at_instagram() || names_messages)];
    step(&state, "subscribe", &checks).await?;
    lock(&state).subscribed.insert(account.id, fields);
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn unsubscribe(
    State(state): State<SharedState>,
    Path(account): Path<Account>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    step(&state, "unsubscribe", &[("token", account.is_token(&headers))]).await?;
    lock(&state).subscribed.remove(&account.id);
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn show(
    State(state): State<SharedState>,
    Path(account): Path<Account>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    let behaviour = step(&state, "subscription", &[("token", account.is_token(&headers))]).await?;
    if behaviour.unreadable.contains(&account.id) {
        return Err(error(StatusCode::INTERNAL_SERVER_ERROR, 2));
    }
    let fields = lock(&state).subscribed.get(&account.id).cloned();
    let entry = |fields: Vec<String>| {
        if account.is_at_instagram() {
            return json!({ "subscribed_fields": fields });
        }
        json!({ "whatsapp_business_api_data": { "id": APP.0, "name": "played", "link": "https://example.com" } })
    };
    Ok(Json(json!({ "data": fields.map(entry).into_iter().collect::<Vec<_>>() })))
}
