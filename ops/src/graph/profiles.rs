//! Plays the User Profile API of Instagram and of Messenger.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::profile_answer::ProfileAnswer;
use super::state::{Parameters, SharedState, bears, error, is, lock, step};
use super::{instagram, media};

/// What the Graph API has below an id: a file or, if its fields are asked for, a person.
pub(super) async fn of_facebook(
    State(state): State<SharedState>,
    Path(id): Path<String>,
    Query(given): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    if !given.contains_key("fields") {
        return media::resolve(State(state), Path(id), Query(given), headers).await.map(IntoResponse::into_response);
    }
    let checks = [
        ("token", bears(&headers, "page-token")),
        ("fields", is(&given, "fields", "name,first_name,last_name,profile_pic")),
    ];
    Ok(answer(&state, &id, &checks).await)
}

/// What Instagram's Graph API has below an id.
pub(super) async fn of_instagram(
    State(state): State<SharedState>,
    Path(id): Path<String>,
    Query(given): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let checks =
        [("token", instagram::bears_long(&headers)), ("fields", is(&given, "fields", "name,username,profile_pic"))];
    answer(&state, &id, &checks).await
}

/// Both answers and errors say how much of the limits is used.
async fn answer(state: &SharedState, id: &str, checks: &[(&str, bool)]) -> Response {
    let mut answer = profile(state, id, checks).await.map_or_else(|error| error, IntoResponse::into_response);
    for header in &lock(state).behaviour.usage {
        if let Ok(value) = HeaderValue::try_from(&header.value) {
            answer.headers_mut().insert(HeaderName::from_static(header.name), value);
        }
    }
    answer
}

async fn profile(state: &SharedState, id: &str, checks: &[(&str, bool)]) -> Result<Json<Value>, Response> {
    let behaviour = step(state, "profile", checks).await?;
    match behaviour.profiles.get(id) {
        Some(ProfileAnswer::Known(members)) => Ok(Json(members.clone())),
        Some(ProfileAnswer::Refused { status, code, subcode }) => {
            let error = json!({ "message": "the stand-in's error", "code": code, "error_subcode": subcode });
            Err((*status, Json(json!({ "error": error }))).into_response())
        }
        None => Err(error(StatusCode::BAD_REQUEST, 100)),
    }
}
