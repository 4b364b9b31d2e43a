//! The Graph API as far as connecting a WhatsApp number needs it. Source: Meta, WhatsApp Business Platform, Embedded
//! Signup and "Onboarding customers".

use chassis::Secret;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client::{GraphClient, GraphList, GraphRequest, below, id};
use super::error::GraphError;
use crate::settings::meta::{MetaApp, MetaSettings};

/// What a customer's token must allow us to do with their account.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// The Graph API, used by one app.
#[derive(Clone, Debug)]
pub(crate) struct WhatsAppGraph {
    pub(super) client: GraphClient,
    app: MetaApp,
    pub(super) url: Url,
    version: String,
}

/// A customer's token, with what `debug_token` says about it.
#[derive(Debug)]
pub(crate) struct BusinessToken {
    pub(crate) token: Secret,
    /// Seconds since 1970; `None` means never.
    pub(crate) expires_at: Option<i64>,
    /// How Meta's callbacks name the person who granted it.
    pub(crate) user_id: Option<String>,
    grants: Vec<ScopeGrant>,
}

impl BusinessToken {
    /// Whether it was granted for this account.
    pub(crate) fn covers(&self, account_id: &str) -> bool {
        SCOPES.iter().all(|scope| {
            let grant = self.grants.iter().find(|grant| grant.scope == *scope);
            grant.is_some_and(|grant| grant.target_ids.iter().any(|id| id == account_id))
        })
    }
}

/// One number of an account.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Number {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    /// The phone number, written for people.
    #[serde(default, rename = "display_phone_number")]
    pub(crate) display: String,
    /// `CLOUD_API` once the number is registered there.
    #[serde(default)]
    platform_type: String,
}

impl Number {
    pub(crate) fn is_registered(&self) -> bool {
        self.platform_type == "CLOUD_API"
    }
}

#[derive(Debug, Deserialize)]
struct CodeAnswer {
    access_token: String,
}

#[derive(Debug, Deserialize)]
struct TokenAnswer {
    data: TokenInfo,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenInfo {
    app_id: String,
    is_valid: bool,
    /// 0 means never.
    expires_at: i64,
    user_id: Option<Value>,
    granular_scopes: Vec<ScopeGrant>,
}

/// A scope, and the accounts for which it was granted.
#[derive(Debug, Deserialize)]
struct ScopeGrant {
    scope: String,
    #[serde(default)]
    target_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct AccountSubscription {
    #[serde(rename = "whatsapp_business_api_data")]
    app: AppReference,
}

#[derive(Debug, Deserialize)]
struct AppReference {
    #[serde(deserialize_with = "id")]
    id: String,
}

impl WhatsAppGraph {
    pub(super) fn new(client: GraphClient, app: MetaApp, settings: &MetaSettings) -> Self {
        Self { client, app, url: settings.graph_url.clone(), version: settings.graph_version.clone() }
    }

    pub(crate) fn app_id(&self) -> &str {
        &self.app.id
    }

    pub(super) fn at(&self, path: &[&str]) -> Url {
        below(&self.url, &[&[self.version.as_str()], path].concat())
    }

    /// Exchanges the code, which lives for 30 s, for the customer's token.
    pub(crate) async fn exchange(&self, code: &str) -> Result<BusinessToken, GraphError> {
        let parameters =
            [("client_id", self.app.id.as_str()), ("client_secret", self.app.secret.expose()), ("code", code)];
        let request = GraphRequest {
            name: "exchange code",
            method: Method::GET,
            url: self.at(&["oauth", "access_token"]),
            parameters: &parameters,
            token: None,
        };
        let answer: CodeAnswer = self.client.ask(request).await?;
        self.inspect(Secret::new(answer.access_token)).await
    }

    /// Asks Meta whose token it is, for which accounts it was granted, and until when.
    pub(crate) async fn inspect(&self, token: Secret) -> Result<BusinessToken, GraphError> {
        let app_token = format!("{}|{}", self.app.id, self.app.secret.expose());
        let parameters = [("input_token", token.expose()), ("access_token", app_token.as_str())];
        let request = GraphRequest {
            name: "debug token",
            method: Method::GET,
            url: self.at(&["debug_token"]),
            parameters: &parameters,
            token: None,
        };
        // We ask with our own token, so an error about a token is about ours; the customer's may be fine.
        let TokenAnswer { data: info } = match self.client.ask(request).await {
            Err(GraphError::Token { code, subcode }) => return Err(GraphError::Refused { status: 401, code, subcode }),
            answer => answer?,
        };
        if !info.is_valid || info.app_id != self.app.id {
            return Err(GraphError::Token { code: 190, subcode: 0 });
        }
        Ok(BusinessToken {
            token,
            expires_at: (info.expires_at > 0).then_some(info.expires_at),
            user_id: info.user_id.as_ref().and_then(user_id),
            grants: info.granular_scopes,
        })
    }

    /// Lists the numbers of an account.
    pub(crate) async fn numbers(&self, account_id: &str, token: &Secret) -> Result<Vec<Number>, GraphError> {
        let parameters = [("fields", "id,display_phone_number,platform_type"), ("limit", "100")];
        let request = GraphRequest {
            name: "list numbers",
            method: Method::GET,
            url: self.at(&[account_id, "phone_numbers"]),
            parameters: &parameters,
            token: Some(token),
        };
        let numbers: GraphList<Number> = self.client.ask(request).await?;
        Ok(numbers.data)
    }

    /// Whether Meta posts the account's events to our app.
    pub(crate) async fn is_subscribed(&self, account_id: &str, token: &Secret) -> Result<bool, GraphError> {
        let request = GraphRequest {
            name: "read subscription",
            method: Method::GET,
            url: self.at(&[account_id, "subscribed_apps"]),
            parameters: &[("limit", "100")],
            token: Some(token),
        };
        let subscriptions: GraphList<AccountSubscription> = self.client.ask(request).await?;
        Ok(subscriptions.data.iter().any(|subscription| subscription.app.id == self.app.id))
    }

    /// Makes Meta post the account's events to ingest.
    pub(crate) async fn subscribe(&self, account_id: &str, token: &Secret) -> Result<(), GraphError> {
        let request = GraphRequest {
            name: "subscribe",
            method: Method::POST,
            url: self.at(&[account_id, "subscribed_apps"]),
            parameters: &[],
            token: Some(token),
        };
        self.client.change(request).await
    }

    /// Makes Meta stop posting the account's events.
    pub(crate) async fn unsubscribe(&self, account_id: &str, token: &Secret) -> Result<(), GraphError> {
        let request = GraphRequest {
            name: "unsubscribe",
            method: Method::DELETE,
            url: self.at(&[account_id, "subscribed_apps"]),
            parameters: &[],
            token: Some(token),
        };
        self.client.change(request).await
    }

    /// Registers a number for the Cloud API, with the PIN of its two-step verification.
    pub(crate) async fn register(&self, number_id: &str, pin: &str, token: &Secret) -> Result<(), GraphError> {
        let request = GraphRequest {
            name: "register number",
            method: Method::POST,
            url: self.at(&[number_id, "register"]),
            parameters: &[("messaging_product", "whatsapp"), ("pin", pin)],
            token: Some(token),
        };
        self.client.change(request).await
    }
}

/// The person's id as Meta's callbacks write it. Meta writes 0 where it names nobody, also in the callback for a Page that
/// was uninstalled: whoever was stored under that id would lose their channels with the first such Page.
fn user_id(id: &Value) -> Option<String> {
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    Some(id).filter(|id| id.bytes().any(|byte| byte != b'0'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_that_names_nobody_is_not_stored_as_somebodys() {
        assert_eq!(user_id(&json!("122100000000001")).as_deref(), Some("122100000000001"));
        assert_eq!(user_id(&json!(17_841_400_000_000_001_234_u64)).as_deref(), Some("17841400000000001234"));
        for nobody in [json!(0), json!("0"), json!("")] {
            assert_eq!(user_id(&nobody), None, "{nobody}");
        }
    }
}
