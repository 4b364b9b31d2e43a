//! Plays the subscriptions of WhatsApp and Instagram accounts, for which Meta posts events to the app.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Form, Json};
use serde_json::{Value, json};

use super::accounts::APP;
use super::instagram;
use super::state::{Parameters, SharedState, bears, error, lock, step};

pub(super) async fn subscribe(
    State(state): State<SharedState>,
    Path((host, id)): Path<(String, String)>,
    headers: HeaderMap,
    Form(given): Form<Parameters>,
) -> Result<Json<Value>, Response> {
    let fields = given.get("subscribed_fields").map(String::as_str).unwrap_or_default();
    let fields: Vec<String> = fields.split(',').map(str::to_owned).collect();
    let names_messages = fields.iter().any(|field| field == "messages");
    let checks = [("token", is_token(&host, &headers)), ("subscribed_fields", host != "instagram" || names_messages)];
    step(&state, "subscribe", &checks).await?;
    lock(&state).subscribed.insert(id, fields);
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn unsubscribe(
    State(state): State<SharedState>,
    Path((host, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    step(&state, "unsubscribe", &[("token", is_token(&host, &headers))]).await?;
    lock(&state).subscribed.remove(&id);
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn show(
    State(state): State<SharedState>,
    Path((host, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    let behaviour = step(&state, "subscription", &[("token", is_token(&host, &headers))]).await?;
    if behaviour.unreadable.contains(&id) {
        return Err(error(StatusCode::INTERNAL_SERVER_ERROR, 2));
    }
    let fields = lock(&state).subscribed.get(&id).cloned();
    let entry = |fields: Vec<String>| match host.as_str() {
        "instagram" => json!({ "subscribed_fields": fields }),
        _ => json!({ "whatsapp_business_api_data": { "id": APP.0, "name": "played", "link": "https://example.com" } }),
    };
    Ok(Json(json!({ "data": fields.map(entry).into_iter().collect::<Vec<_>>() })))
}

fn is_token(host: &str, headers: &HeaderMap) -> bool {
    if host == "instagram" { instagram::bears_long(headers) } else { bears(headers, "business-token") }
}
