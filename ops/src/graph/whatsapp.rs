//! Plays the Graph API for WhatsApp.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Form, Json};
use serde_json::{Value, json};

use super::accounts::{APP, APP_USER, NUMBER};
use super::state::{Parameters, SharedState, bears, error, is, is_fresh, lock, step};

pub(super) async fn exchange(
    State(state): State<SharedState>,
    Query(given): Query<Parameters>,
) -> Result<Json<Value>, Response> {
    let checks = [
        ("client_id", is(&given, "client_id", APP.0)),
        ("client_secret", is(&given, "client_secret", APP.1)),
        ("no redirect_uri", !given.contains_key("redirect_uri")),
    ];
    step(&state, "exchange", &checks).await?;
    if !is_fresh(&state, &given) {
        return Err(error(StatusCode::BAD_REQUEST, 100));
    }
    Ok(Json(json!({ "access_token": "business-token", "token_type": "bearer" })))
}

pub(super) async fn debug_token(
    State(state): State<SharedState>,
    Query(given): Query<Parameters>,
) -> Result<Json<Value>, Response> {
    let own = format!("{}|{}", APP.0, APP.1);
    let checks = [
        ("input_token", is(&given, "input_token", "business-token")),
        ("access_token", is(&given, "access_token", &own)),
    ];
    let behaviour = step(&state, "debug", &checks).await?;
    let scope = |name: &str| json!({ "scope": name, "target_ids": [behaviour.granted] });
    Ok(Json(json!({ "data": {
        "app_id": APP.0, "type": "SYSTEM_USER", "is_valid": behaviour.is_token_valid,
        "expires_at": behaviour.token_expires_at, "user_id": APP_USER,
        "granular_scopes": [scope("whatsapp_business_management"), scope("whatsapp_business_messaging")],
    } })))
}

pub(super) async fn numbers(State(state): State<SharedState>, headers: HeaderMap) -> Result<Json<Value>, Response> {
    let behaviour = step(&state, "numbers", &[("token", bears(&headers, "business-token"))]).await?;
    let is_registered = behaviour.is_registered || lock(&state).registered.contains(NUMBER);
    let platform = if is_registered { "CLOUD_API" } else { "NOT_APPLICABLE" };
    let number = json!({ "id": NUMBER, "display_phone_number": "+49 30 000000", "platform_type": platform });
    Ok(Json(json!({ "data": [number] })))
}

pub(super) async fn register(
    State(state): State<SharedState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(given): Form<Parameters>,
) -> Result<Json<Value>, Response> {
    let pin = given.get("pin").cloned().unwrap_or_default();
    let checks = [
        ("token", bears(&headers, "business-token")),
        ("messaging_product", is(&given, "messaging_product", "whatsapp")),
        ("pin", pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit())),
        ("number", id == NUMBER),
    ];
    step(&state, "register", &checks).await?;
    lock(&state).registered.insert(id);
    Ok(Json(json!({ "success": true })))
}
