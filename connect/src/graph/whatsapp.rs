//! The Graph API as far as connecting a WhatsApp number needs it. Source: Meta, WhatsApp Business Platform, Embedded
//! Signup and "Onboarding customers".

use chassis::Secret;
use hyper::Method;
use serde::Deserialize;
use url::Url;

use super::{Graph, GraphError, Question, below, id};
use crate::settings::{App, MetaSettings};

/// What a customer's token must allow for its account.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// The Graph API, for one app.
#[derive(Clone, Debug)]
pub(crate) struct WhatsAppGraph {
    pub(super) graph: Graph,
    app: App,
    pub(super) url: Url,
    version: String,
}

/// A token with what `debug_token` says about it.
#[derive(Debug)]
pub(crate) struct BusinessToken {
    pub(crate) token: Secret,
    /// Seconds since 1970; `None` is never.
    pub(crate) expires_at: Option<i64>,
    /// How Meta's callbacks name who granted it.
    pub(crate) user_id: Option<String>,
    granted: Vec<(String, Vec<String>)>,
}

impl BusinessToken {
    /// Whether it was granted for this account.
    pub(crate) fn covers(&self, account_id: &str) -> bool {
        SCOPES.iter().all(|wanted| {
            let scope = self.granted.iter().find(|(scope, _)| scope == wanted);
            scope.is_some_and(|(_, accounts)| accounts.iter().any(|account| account == account_id))
        })
    }
}

/// One number of an account.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Number {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    #[serde(default, rename = "display_phone_number")]
    pub(crate) shown: String,
    /// `CLOUD_API` once it is registered there.
    #[serde(default)]
    platform_type: String,
}

impl Number {
    pub(crate) fn is_registered(&self) -> bool {
        self.platform_type == "CLOUD_API"
    }
}

#[derive(Debug, Deserialize)]
struct Exchanged {
    access_token: String,
}

#[derive(Debug, Deserialize)]
struct Debugged {
    data: Debug,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Debug {
    app_id: String,
    is_valid: bool,
    expires_at: i64,
    user_id: Option<serde_json::Value>,
    granular_scopes: Vec<Granted>,
}

#[derive(Debug, Deserialize)]
struct Granted {
    scope: String,
    #[serde(default)]
    target_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Numbers {
    data: Vec<Number>,
}

#[derive(Debug, Deserialize)]
struct Subscriptions {
    data: Vec<Subscribed>,
}

#[derive(Debug, Deserialize)]
struct Subscribed {
    #[serde(rename = "whatsapp_business_api_data")]
    app: SubscribedApp,
}

#[derive(Debug, Deserialize)]
struct SubscribedApp {
    #[serde(deserialize_with = "id")]
    id: String,
}

impl WhatsAppGraph {
    pub(crate) fn new(graph: Graph, app: App, settings: &MetaSettings) -> Self {
        Self { graph, app, url: settings.graph_url.clone(), version: settings.graph_version.clone() }
    }

    pub(crate) fn app_id(&self) -> &str {
        &self.app.id
    }

    pub(super) fn at(&self, path: &[&str]) -> Url {
        below(&self.url, &[&[self.version.as_str()], path].concat())
    }

    /// The code, which lives 30 s, for the customer's token.
    pub(crate) async fn exchange(&self, code: &str) -> Result<BusinessToken, GraphError> {
        let parameters =
            [("client_id", self.app.id.as_str()), ("client_secret", self.app.secret.expose()), ("code", code)];
        let question = Question {
            what: "exchange code",
            method: Method::GET,
            url: self.at(&["oauth", "access_token"]),
            parameters: &parameters,
            token: None,
        };
        let exchanged: Exchanged = self.graph.ask(question).await?;
        self.inspect(Secret::new(exchanged.access_token)).await
    }

    /// What Meta says about a token: whose, for which accounts, until when.
    pub(crate) async fn inspect(&self, token: Secret) -> Result<BusinessToken, GraphError> {
        let own = format!("{}|{}", self.app.id, self.app.secret.expose());
        let parameters = [("input_token", token.expose()), ("access_token", own.as_str())];
        let url = self.at(&["debug_token"]);
        let question = Question { what: "debug token", method: Method::GET, url, parameters: &parameters, token: None };
        // Asked with our own token: an error about a token is about that one, and no fault of the customer's.
        let Debugged { data } = match self.graph.ask(question).await {
            Err(GraphError::Token { code, .. }) => return Err(GraphError::Refused { status: 401, code }),
            answer => answer?,
        };
        if !data.is_valid || data.app_id != self.app.id {
            return Err(GraphError::Token { code: 190, subcode: 0 });
        }
        let user_id = data.user_id.map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        let granted = data.granular_scopes.into_iter().map(|granted| (granted.scope, granted.target_ids)).collect();
        Ok(BusinessToken { token, expires_at: (data.expires_at > 0).then_some(data.expires_at), user_id, granted })
    }

    /// The numbers of an account.
    pub(crate) async fn numbers(&self, account_id: &str, token: &Secret) -> Result<Vec<Number>, GraphError> {
        let parameters = [("fields", "id,display_phone_number,platform_type"), ("limit", "100")];
        let question = Question {
            what: "list numbers",
            method: Method::GET,
            url: self.at(&[account_id, "phone_numbers"]),
            parameters: &parameters,
            token: Some(token),
        };
        let Numbers { data } = self.graph.ask(question).await?;
        Ok(data)
    }

    /// Whether Meta posts the account's events to our app.
    pub(crate) async fn is_subscribed(&self, account_id: &str, token: &Secret) -> Result<bool, GraphError> {
        let (url, token) = (self.at(&[account_id, "subscribed_apps"]), Some(token));
        let question =
            Question { what: "read subscription", method: Method::GET, url, parameters: &[("limit", "100")], token };
        let Subscriptions { data } = self.graph.ask(question).await?;
        Ok(data.iter().any(|subscribed| subscribed.app.id == self.app.id))
    }

    /// From now on Meta posts the account's events to ingest.
    pub(crate) async fn subscribe(&self, account_id: &str, token: &Secret) -> Result<(), GraphError> {
        let (url, token) = (self.at(&[account_id, "subscribed_apps"]), Some(token));
        self.graph.change(Question { what: "subscribe", method: Method::POST, url, parameters: &[], token }).await
    }

    /// No longer.
    pub(crate) async fn unsubscribe(&self, account_id: &str, token: &Secret) -> Result<(), GraphError> {
        let (url, token) = (self.at(&[account_id, "subscribed_apps"]), Some(token));
        self.graph.change(Question { what: "unsubscribe", method: Method::DELETE, url, parameters: &[], token }).await
    }

    /// Registers a number for the Cloud API, with the PIN of its two-step verification.
    pub(crate) async fn register(&self, number_id: &str, pin: &str, token: &Secret) -> Result<(), GraphError> {
        let parameters = [("messaging_product", "whatsapp"), ("pin", pin)];
        let (url, token) = (self.at(&[number_id, "register"]), Some(token));
        self.graph
            .change(Question { what: "register number", method: Method::POST, url, parameters: &parameters, token })
            .await
    }
}
