//! Instagram's login and Graph API as far as connecting an account needs them. Source: Meta, Instagram API with
//! Instagram Login, "Business Login".

use chassis::Secret;
use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Graph, GraphError, Question, below, id};
use crate::settings::{App, MetaSettings};

/// What the account's owner has to allow.
pub(crate) const NEEDED: [&str; 2] = ["instagram_business_basic", "instagram_business_manage_messages"];
/// What we ask for: comments are delivered, too, if they are allowed.
const SCOPE: &str = "instagram_business_basic,instagram_business_manage_messages,instagram_business_manage_comments";
/// What Meta posts for the account.
const FIELDS: &str = "messages,messaging_postbacks,messaging_seen,message_reactions,messaging_referral,comments";

/// Instagram, for one app.
#[derive(Clone, Debug)]
pub(crate) struct InstagramGraph {
    graph: Graph,
    app: App,
    app_ids: Vec<String>,
    login_url: Url,
    api_url: Url,
    graph_url: Url,
    version: String,
}

/// What the code was exchanged for; lives an hour.
#[derive(Debug)]
pub(crate) struct ShortToken {
    token: Secret,
    permissions: Vec<String>,
}

impl ShortToken {
    /// What is needed and was not allowed.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        NEEDED.into_iter().find(|needed| !self.permissions.iter().any(|given| given == needed))
    }
}

/// Lives 60 days.
#[derive(Debug)]
pub(crate) struct LongToken {
    pub(crate) token: Secret,
    expires_in_seconds: i64,
}

impl LongToken {
    /// When it ends, if it was given now.
    pub(crate) fn expires_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(SignedDuration::from_secs(self.expires_in_seconds)).unwrap_or(now)
    }
}

/// An account, as webhooks and as callbacks name it.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: String,
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) username: String,
}

#[derive(Debug, Deserialize)]
struct Exchanged {
    access_token: String,
    expires_in: i64,
}

#[derive(Debug, Deserialize)]
struct Subscriptions {
    data: Vec<Subscribed>,
}

#[derive(Debug, Deserialize)]
struct Subscribed {
    #[serde(default, deserialize_with = "some_id")]
    id: Option<String>,
    #[serde(default)]
    subscribed_fields: Vec<String>,
}

impl Subscribed {
    fn is_whole(&self) -> bool {
        FIELDS.split(',').all(|wanted| self.subscribed_fields.iter().any(|field| field == wanted))
    }
}

fn some_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    id(deserializer).map(Some)
}

impl InstagramGraph {
    pub(crate) fn new(graph: Graph, app: App, settings: &MetaSettings) -> Self {
        // Which of the two apps Meta names here is not documented.
        let app_ids = [Some(app.id.clone()), settings.meta_app_id.clone()].into_iter().flatten().collect();
        Self {
            graph,
            app,
            app_ids,
            login_url: settings.instagram_url.clone(),
            api_url: settings.instagram_api_url.clone(),
            graph_url: settings.instagram_graph_url.clone(),
            version: settings.graph_version.clone(),
        }
    }

    /// Where the account's owner logs in and allows it.
    pub(crate) fn login(&self, return_url: &Url, state: &str) -> Url {
        let mut url = below(&self.login_url, &["oauth", "authorize"]);
        url.query_pairs_mut()
            .append_pair("client_id", &self.app.id)
            .append_pair("redirect_uri", return_url.as_str())
            .append_pair("response_type", "code")
            .append_pair("scope", SCOPE)
            .append_pair("state", state);
        url
    }

    /// The code, which can be used once. The answer comes in two forms: flat, or in a list.
    pub(crate) async fn exchange(&self, code: &str, return_url: &Url) -> Result<ShortToken, GraphError> {
        let parameters = [
            ("client_id", self.app.id.as_str()),
            ("client_secret", self.app.secret.expose()),
            ("grant_type", "authorization_code"),
            ("redirect_uri", return_url.as_str()),
            ("code", code),
        ];
        let url = below(&self.api_url, &["oauth", "access_token"]);
        let question =
            Question { what: "exchange code", method: Method::POST, url, parameters: &parameters, token: None };
        let answer: Value = self.graph.ask(question).await?;
        let answer = answer.pointer("/data/0").unwrap_or(&answer);
        let token = answer.get("access_token").and_then(Value::as_str).ok_or(GraphError::Unexpected)?;
        Ok(ShortToken { token: Secret::new(token), permissions: permissions(answer.get("permissions")) })
    }

    /// An hour becomes 60 days.
    pub(crate) async fn lengthen(&self, short: &ShortToken) -> Result<LongToken, GraphError> {
        let parameters = [
            ("grant_type", "ig_exchange_token"),
            ("client_secret", self.app.secret.expose()),
            ("access_token", short.token.expose()),
        ];
        let url = below(&self.graph_url, &["access_token"]);
        let question =
            Question { what: "lengthen token", method: Method::GET, url, parameters: &parameters, token: None };
        let exchanged: Exchanged = self.graph.ask(question).await?;
        Ok(LongToken { token: Secret::new(exchanged.access_token), expires_in_seconds: exchanged.expires_in })
    }

    /// The same again for a token that is a day old or more, and has not ended.
    pub(crate) async fn refresh(&self, token: &Secret) -> Result<LongToken, GraphError> {
        let parameters = [("grant_type", "ig_refresh_token"), ("access_token", token.expose())];
        let url = below(&self.graph_url, &["refresh_access_token"]);
        let question =
            Question { what: "refresh token", method: Method::GET, url, parameters: &parameters, token: None };
        let exchanged: Exchanged = self.graph.ask(question).await?;
        Ok(LongToken { token: Secret::new(exchanged.access_token), expires_in_seconds: exchanged.expires_in })
    }

    /// Whether Meta posts all that we want of the account to our app. An entry without an app's id is ours: it is our
    /// token that was asked with.
    pub(crate) async fn is_subscribed(&self, user_id: &str, token: &Secret) -> Result<bool, GraphError> {
        let (url, token) = (self.subscription(user_id), Some(token));
        let question = Question { what: "read subscription", method: Method::GET, url, parameters: &[], token };
        let Subscriptions { data } = self.graph.ask(question).await?;
        let is_ours = |app: &Subscribed| app.id.as_ref().is_none_or(|id| self.app_ids.contains(id));
        Ok(data.iter().filter(|app| is_ours(app)).any(Subscribed::is_whole))
    }

    /// Whose token it is.
    pub(crate) async fn account(&self, token: &Secret) -> Result<Account, GraphError> {
        let question = Question {
            what: "read account",
            method: Method::GET,
            url: below(&self.graph_url, &[&self.version, "me"]),
            parameters: &[("fields", "user_id,username,id,account_type")],
            token: Some(token),
        };
        self.graph.ask(question).await
    }

    /// From now on Meta posts the account's events to ingest.
    pub(crate) async fn subscribe(&self, user_id: &str, token: &Secret) -> Result<(), GraphError> {
        let parameters = [("subscribed_fields", FIELDS)];
        let (url, token) = (self.subscription(user_id), Some(token));
        self.graph
            .change(Question { what: "subscribe", method: Method::POST, url, parameters: &parameters, token })
            .await
    }

    /// No longer.
    pub(crate) async fn unsubscribe(&self, user_id: &str, token: &Secret) -> Result<(), GraphError> {
        let (url, token) = (self.subscription(user_id), Some(token));
        self.graph.change(Question { what: "unsubscribe", method: Method::DELETE, url, parameters: &[], token }).await
    }

    fn subscription(&self, user_id: &str) -> Url {
        below(&self.graph_url, &[&self.version, user_id, "subscribed_apps"])
    }
}

/// A list, or words separated by commas.
fn permissions(value: Option<&Value>) -> Vec<String> {
    let words = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect();
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => words(text),
        Some(_) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn permissions_come_as_a_list_or_as_words() {
        for given in [json!(["instagram_business_basic", "b"]), json!("instagram_business_basic, b")] {
            let token = ShortToken { token: Secret::new("t"), permissions: permissions(Some(&given)) };
            assert_eq!(token.missing(), Some("instagram_business_manage_messages"));
        }
    }
}
