//! A channel's record: a hash of text fields in the store, types here.

use std::collections::BTreeMap;

use event::Address;
use jiff::Timestamp;

use crate::Sealed;

/// A hash as it stands in the store.
pub(crate) type Fields = BTreeMap<String, String>;

/// Whether a channel's events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// All is well.
    Connected,
    /// Its token at Meta no longer works; events are delivered all the same.
    ReconnectNeeded,
    /// It was removed. Its events are discarded.
    Disconnected,
}

impl ChannelState {
    /// As it stands in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::ReconnectNeeded => "reconnect_needed",
            Self::Disconnected => "disconnected",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Connected, Self::ReconnectNeeded, Self::Disconnected].into_iter().find(|state| state.as_str() == text)
    }
}

/// What delivery needs of a channel: whose it is, where to, and the sealed secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The DSK customer.
    pub tenant: String,
    /// Where events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Authorises us at DSK.
    pub dsk_token: Sealed,
    /// Signs what DSK gets, if not `DSK_SIGNING_SECRET`.
    pub signing_secret: Option<Sealed>,
}

/// All that is stored about a channel. A removed one keeps little more than that it was there.
#[derive(Clone, Debug)]
pub struct ChannelRecord {
    /// Which channel.
    pub address: Address,
    /// The DSK customer.
    pub tenant: String,
    /// Whether its events are wanted.
    pub state: ChannelState,
    /// Where events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Authorises us at DSK.
    pub dsk_token: Option<Sealed>,
    /// Signs what DSK gets, if not `DSK_SIGNING_SECRET`.
    pub signing_secret: Option<Sealed>,
    /// Authorises us at Meta for this channel.
    pub access_token: Option<Sealed>,
    /// When that ends; absent means never.
    pub access_token_expires_at: Option<String>,
    /// The WhatsApp account, or the Page, that it belongs to.
    pub account_id: Option<String>,
    /// The person at Meta who connected it, as Meta's callbacks name them.
    pub app_user_id: Option<String>,
    /// Operator or ticket, never a person's name.
    pub connected_by: Option<String>,
    /// What a business knows it by: its number, or the account's name at Instagram.
    pub name: Option<String>,
    /// When it was connected, RFC 3339.
    pub connected_at: Option<String>,
    /// When the record last changed, RFC 3339.
    pub updated_at: Option<String>,
    /// When Meta was last asked about the token and the subscription, RFC 3339.
    pub checked_at: Option<String>,
    /// Of a whole WhatsApp account: its numbers.
    pub channels: Vec<Address>,
}

/// A channel to be stored. What is not given is kept as it is in a record that is already there.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// Which channel.
    pub address: Address,
    /// The DSK customer.
    pub tenant: String,
    /// Authorises us at DSK.
    pub dsk_token: Sealed,
    /// Where events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Signs what DSK gets, if not `DSK_SIGNING_SECRET`.
    pub signing_secret: Option<Sealed>,
    /// Authorises us at Meta for this channel.
    pub access_token: Option<Sealed>,
    /// When that ends.
    pub access_token_expires_at: Option<Timestamp>,
    /// The WhatsApp account, or the Page, that it belongs to.
    pub account_id: Option<String>,
    /// The person at Meta who connects it, as Meta's callbacks name them.
    pub app_user_id: Option<String>,
    /// Operator or ticket, never a person's name.
    pub connected_by: Option<String>,
    /// What a business knows it by: its number, or the account's name at Instagram.
    pub name: Option<String>,
}

impl NewChannel {
    /// A channel with what every channel must have.
    pub fn new(address: Address, tenant: impl Into<String>, dsk_token: Sealed) -> Self {
        Self {
            address,
            tenant: tenant.into(),
            dsk_token,
            dsk_url: None,
            signing_secret: None,
            access_token: None,
            access_token_expires_at: None,
            account_id: None,
            app_user_id: None,
            connected_by: None,
            name: None,
        }
    }

    /// The fields that are given.
    pub(crate) fn fields(&self) -> Fields {
        let sealed = |sealed: &Option<Sealed>| sealed.as_ref().map(|sealed| sealed.as_str().to_owned());
        let fields = [
            ("tenant", Some(self.tenant.clone())),
            ("dsk_token", Some(self.dsk_token.as_str().to_owned())),
            ("dsk_url", self.dsk_url.clone()),
            ("signing_secret", sealed(&self.signing_secret)),
            ("access_token", sealed(&self.access_token)),
            ("access_token_expires_at", self.access_token_expires_at.map(|at| at.to_string())),
            ("account_id", self.account_id.clone()),
            ("app_user_id", self.app_user_id.clone()),
            ("connected_by", self.connected_by.clone()),
            ("name", self.name.clone()),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// The state, or what is wrong with the record. A record without one is a connected channel's.
pub(crate) fn state(fields: &Fields) -> Result<ChannelState, String> {
    match fields.get("state") {
        None => Ok(ChannelState::Connected),
        Some(text) => ChannelState::parse(text).ok_or_else(|| "its state is none that this version knows".to_owned()),
    }
}

/// The route of a channel that is not disconnected, or what is wrong with the record.
pub(crate) fn route(fields: &Fields) -> Result<Route, String> {
    let text = |name: &str| fields.get(name).filter(|value| !value.is_empty()).cloned();
    Ok(Route {
        tenant: text("tenant").ok_or("it has no tenant")?,
        dsk_url: text("dsk_url"),
        dsk_token: text("dsk_token").map(Sealed::new).ok_or("it has no dsk_token")?,
        signing_secret: text("signing_secret").map(Sealed::new),
    })
}

/// The whole record, for a person. Fields that can't be read are as good as missing.
pub(crate) fn record(address: Address, fields: &Fields) -> ChannelRecord {
    let text = |name: &str| fields.get(name).filter(|value| !value.is_empty()).cloned();
    ChannelRecord {
        address,
        tenant: text("tenant").unwrap_or_default(),
        state: state(fields).unwrap_or(ChannelState::ReconnectNeeded),
        dsk_url: text("dsk_url"),
        dsk_token: text("dsk_token").map(Sealed::new),
        signing_secret: text("signing_secret").map(Sealed::new),
        access_token: text("access_token").map(Sealed::new),
        access_token_expires_at: text("access_token_expires_at"),
        account_id: text("account_id"),
        app_user_id: text("app_user_id"),
        connected_by: text("connected_by"),
        name: text("name"),
        connected_at: text("connected_at"),
        updated_at: text("updated_at"),
        checked_at: text("checked_at"),
        channels: addresses(fields),
    }
}

/// An account's channels.
pub(crate) fn addresses(fields: &Fields) -> Vec<Address> {
    let list = fields.get("channels").map(String::as_str).unwrap_or_default();
    list.split(',').filter(|address| !address.is_empty()).map(Address::new).collect()
}
