//! Instagram's login and Graph API as far as connecting an account needs them. Source: Meta, Instagram API with
//! Instagram Login, "Business Login".

use chassis::Secret;
use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client::{GraphClient, GraphList, GraphRequest, below, id};
use super::error::GraphError;
use crate::settings::meta::{MetaApp, MetaSettings};

/// What the account's owner has to allow.
const PERMISSIONS_NEEDED: [&str; 2] = ["instagram_business_basic", "instagram_business_manage_messages"];
/// What we ask for: comments are delivered, too, if the owner allows it.
const SCOPE: &str = "instagram_business_basic,instagram_business_manage_messages,instagram_business_manage_comments";
/// What Meta posts for the account.
const FIELDS: &str = "messages,messaging_postbacks,messaging_seen,message_reactions,messaging_referral,comments";

/// Instagram's login and Graph API, used by one app.
#[derive(Clone, Debug)]
pub(crate) struct InstagramGraph {
    client: GraphClient,
    app: MetaApp,
    app_ids: Vec<String>,
    login_url: Url,
    api_url: Url,
    graph_url: Url,
    version: String,
}

/// The token that a code was exchanged for; it lives for an hour.
#[derive(Debug)]
pub(crate) struct ShortToken {
    token: Secret,
    permissions: Vec<String>,
}

impl ShortToken {
    /// A permission that is needed and was not granted.
    pub(crate) fn missing_permission(&self) -> Option<&'static str> {
        PERMISSIONS_NEEDED.into_iter().find(|needed| !self.permissions.iter().any(|granted| granted == needed))
    }
}

/// A token that lives for 60 days.
#[derive(Debug)]
pub(crate) struct LongToken {
    pub(crate) token: Secret,
    expires_in_seconds: i64,
}

impl LongToken {
    /// When the token ends, given that Meta issued it `now`.
    pub(crate) fn expires_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(SignedDuration::from_secs(self.expires_in_seconds)).unwrap_or(now)
    }
}

/// An Instagram account.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    /// How webhooks name it.
    #[serde(deserialize_with = "id")]
    pub(crate) user_id: String,
    /// How Meta's data-rights callbacks name it.
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) username: String,
}

#[derive(Debug, Deserialize)]
struct LongTokenAnswer {
    access_token: String,
    expires_in: i64,
}

#[derive(Debug, Deserialize)]
struct UserSubscription {
    #[serde(default, deserialize_with = "some_id")]
    id: Option<String>,
    #[serde(default)]
    subscribed_fields: Vec<String>,
}

impl UserSubscription {
    fn has_all_fields(&self) -> bool {
        FIELDS.split(',').all(|wanted| self.subscribed_fields.iter().any(|field| field == wanted))
    }
}

fn some_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    id(deserializer).map(Some)
}

impl InstagramGraph {
    pub(super) fn new(client: GraphClient, app: MetaApp, settings: &MetaSettings) -> Self {
        // Meta does not document which of the two apps a subscription names.
        let app_ids = [Some(app.id.clone()), settings.meta_app_id.clone()].into_iter().flatten().collect();
        Self {
            client,
            app,
            app_ids,
            login_url: settings.instagram_url.clone(),
            api_url: settings.instagram_api_url.clone(),
            graph_url: settings.instagram_graph_url.clone(),
            version: settings.graph_version.clone(),
        }
    }

    /// Where the account's owner logs in and allows us access.
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

    /// Exchanges the code, which can be used once, for a short token. The answer may be flat or in a list.
    pub(crate) async fn exchange(&self, code: &str, return_url: &Url) -> Result<ShortToken, GraphError> {
        let parameters = [
            ("client_id", self.app.id.as_str()),
            ("client_secret", self.app.secret.expose()),
            ("grant_type", "authorization_code"),
            ("redirect_uri", return_url.as_str()),
            ("code", code),
        ];
        let request = GraphRequest {
            name: "exchange code",
            method: Method::POST,
            url: below(&self.api_url, &["oauth", "access_token"]),
            parameters: &parameters,
            token: None,
        };
        let answer: Value = self.client.ask(request).await?;
        let answer = answer.pointer("/data/0").unwrap_or(&answer);
        let token = answer.get("access_token").and_then(Value::as_str).ok_or(GraphError::Unexpected)?;
        Ok(ShortToken { token: Secret::new(token), permissions: permissions(answer.get("permissions")) })
    }

    /// Exchanges a token that lives for an hour for one that lives for 60 days.
    pub(crate) async fn lengthen(&self, short: &ShortToken) -> Result<LongToken, GraphError> {
        let parameters = [
            ("grant_type", "ig_exchange_token"),
            ("client_secret", self.app.secret.expose()),
            ("access_token", short.token.expose()),
        ];
        self.long_token("lengthen token", "access_token", &parameters).await
    }

    /// Exchanges a long token for a new one. Meta does so when the old one is at least a day old and has not ended.
    pub(crate) async fn refresh(&self, token: &Secret) -> Result<LongToken, GraphError> {
        let parameters = [("grant_type", "ig_refresh_token"), ("access_token", token.expose())];
        self.long_token("refresh token", "refresh_access_token", &parameters).await
    }

    async fn long_token(
        &self,
        name: &'static str,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<LongToken, GraphError> {
        let url = below(&self.graph_url, &[path]);
        let request = GraphRequest { name, method: Method::GET, url, parameters, token: None };
        let answer: LongTokenAnswer = self.client.ask(request).await?;
        Ok(LongToken { token: Secret::new(answer.access_token), expires_in_seconds: answer.expires_in })
    }

    /// Whether Meta posts all that we want of the account to our app. A subscription without an app's id is ours,
    /// because we asked with our own token.
    pub(crate) async fn is_subscribed(&self, user_id: &str, token: &Secret) -> Result<bool, GraphError> {
        let request = GraphRequest {
            name: "read subscription",
            method: Method::GET,
            url: self.subscription_url(user_id),
            parameters: &[],
            token: Some(token),
        };
        let subscriptions: GraphList<UserSubscription> = self.client.ask(request).await?;
        let is_ours = |app: &UserSubscription| app.id.as_ref().is_none_or(|id| self.app_ids.contains(id));
        Ok(subscriptions.data.iter().filter(|app| is_ours(app)).any(UserSubscription::has_all_fields))
    }

    /// Asks Meta whose token it is.
    pub(crate) async fn account(&self, token: &Secret) -> Result<Account, GraphError> {
        let request = GraphRequest {
            name: "read account",
            method: Method::GET,
            url: below(&self.graph_url, &[&self.version, "me"]),
            parameters: &[("fields", "user_id,username,id,account_type")],
            token: Some(token),
        };
        self.client.ask(request).await
    }

    /// Makes Meta post the account's events to ingest.
    pub(crate) async fn subscribe(&self, user_id: &str, token: &Secret) -> Result<(), GraphError> {
        let request = GraphRequest {
            name: "subscribe",
            method: Method::POST,
            url: self.subscription_url(user_id),
            parameters: &[("subscribed_fields", FIELDS)],
            token: Some(token),
        };
        self.client.change(request).await
    }

    /// Makes Meta stop posting the account's events.
    pub(crate) async fn unsubscribe(&self, user_id: &str, token: &Secret) -> Result<(), GraphError> {
        let request = GraphRequest {
            name: "unsubscribe",
            method: Method::DELETE,
            url: self.subscription_url(user_id),
            parameters: &[],
            token: Some(token),
        };
        self.client.change(request).await
    }

    fn subscription_url(&self, user_id: &str) -> Url {
        below(&self.graph_url, &[&self.version, user_id, "subscribed_apps"])
    }
}

/// Meta writes permissions as a list, or as words separated by commas.
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
    fn permissions_may_come_as_a_list_or_as_words() {
        for given in [json!(["instagram_business_basic", "b"]), json!("instagram_business_basic, b")] {
            let token = ShortToken { token: Secret::new("t"), permissions: permissions(Some(&given)) };
            assert_eq!(token.missing_permission(), Some("instagram_business_manage_messages"));
        }
    }
}
