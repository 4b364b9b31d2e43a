//! Plays Instagram's login and Graph API.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Form, Json};
use serde_json::{Value, json};

use super::accounts::{INSTAGRAM_APP, INSTAGRAM_APP_USER, INSTAGRAM_USER};
use super::state::{Parameters, SharedState, bearer, error, is, is_fresh, lock, new_code, step};

/// The login page, whose links lead back with a code and without one.
pub(super) async fn authorize(
    State(state): State<SharedState>,
    Query(given): Query<Parameters>,
) -> Result<Html<String>, Response> {
    let checks = [
        ("client_id", is(&given, "client_id", INSTAGRAM_APP.0)),
        ("response_type", is(&given, "response_type", "code")),
        ("state", given.get("state").is_some_and(|state| state.len() >= 32)),
    ];
    step(&state, "authorize", &checks).await?;
    let back = given.get("redirect_uri").cloned().unwrap_or_default();
    let sent = given["state"].clone();
    let code = new_code(&state);
    Ok(Html(format!(
        "<!doctype html><html lang=en><title>Instagram, played</title>\
         <link rel=icon href=data:,>\
         <a id=allow href=\"{back}?code={code}&state={sent}#_\">Allow</a> \
         <a id=refuse href=\"{back}?error=access_denied&error_reason=user_denied&state={sent}\">Refuse</a>"
    )))
}

pub(super) async fn instagram_exchange(
    State(state): State<SharedState>,
    Form(given): Form<Parameters>,
) -> Result<Json<Value>, Response> {
    let checks = [
        ("client_id", is(&given, "client_id", INSTAGRAM_APP.0)),
        ("client_secret", is(&given, "client_secret", INSTAGRAM_APP.1)),
        ("grant_type", is(&given, "grant_type", "authorization_code")),
        ("redirect_uri", given.get("redirect_uri").is_some_and(|uri| uri.ends_with("/instagram/return"))),
    ];
    let behaviour = step(&state, "instagram_exchange", &checks).await?;
    if !is_fresh(&state, &given) {
        return Err(error(StatusCode::BAD_REQUEST, 100));
    }
    let answer = json!({
        "access_token": "short-token", "user_id": INSTAGRAM_APP_USER, "permissions": behaviour.permissions,
    });
    Ok(Json(if behaviour.in_a_list { json!({ "data": [answer] }) } else { answer }))
}

pub(super) async fn lengthen(
    State(state): State<SharedState>,
    Query(given): Query<Parameters>,
) -> Result<Json<Value>, Response> {
    let checks = [
        ("grant_type", is(&given, "grant_type", "ig_exchange_token")),
        ("client_secret", is(&given, "client_secret", INSTAGRAM_APP.1)),
        ("access_token", is(&given, "access_token", "short-token")),
    ];
    step(&state, "lengthen", &checks).await?;
    Ok(Json(json!({ "access_token": "long-token", "token_type": "bearer", "expires_in": 5_183_944 })))
}

pub(super) async fn me(State(state): State<SharedState>, headers: HeaderMap) -> Result<Response, Response> {
    step(&state, "me", &[("token", bears_long(&headers))]).await?;
    // Meta writes the id as a number, larger than a float can hold.
    let body = format!(
        r#"{{"user_id":{INSTAGRAM_USER},"id":"{INSTAGRAM_APP_USER}","username":"cafe.sample","account_type":"BUSINESS"}}"#
    );
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Whether the request has a token that lives 60 days: the first one, or one that came from a refresh.
pub(super) fn bears_long(headers: &HeaderMap) -> bool {
    bearer(headers).is_some_and(|token| token.starts_with("long-token"))
}

pub(super) async fn refresh(
    State(state): State<SharedState>,
    Query(given): Query<Parameters>,
) -> Result<Json<Value>, Response> {
    let old = given.get("access_token").cloned().unwrap_or_default();
    let checks =
        [("grant_type", is(&given, "grant_type", "ig_refresh_token")), ("access_token", old.starts_with("long-token"))];
    step(&state, "refresh", &checks).await?;
    let mut state = lock(&state);
    state.refreshed.push(old);
    let token = format!("long-token-{}", state.refreshed.len());
    Ok(Json(json!({ "access_token": token, "token_type": "bearer", "expires_in": 5_183_944 })))
}
