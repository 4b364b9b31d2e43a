//! A channel's record: a hash of text fields in the store, a struct with types here.

use event::Address;
use jiff::Timestamp;

use crate::fields::{self, Fields, text};
use crate::limits::Limits;
use crate::place::Place;
use crate::seal::{NewSecret, SealedSecret};

/// Whether a channel's events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// They are, and the channel's token works as far as we know.
    Connected,
    /// They are, but the channel's token at Meta no longer works. Events are delivered all the same.
    ReconnectNeeded,
    /// They are not: the channel was removed, and its events are discarded.
    Disconnected,
}

impl ChannelState {
    /// The state as the record holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::ReconnectNeeded => "reconnect_needed",
            Self::Disconnected => "disconnected",
        }
    }

    /// Reads the state, or says what is wrong with the record. A record without a state belongs to a connected channel.
    pub(crate) fn from_fields(fields: &Fields) -> Result<Self, String> {
        let Some(text) = fields.get(fields::STATE) else { return Ok(Self::Connected) };
        let known = [Self::Connected, Self::ReconnectNeeded, Self::Disconnected];
        let state = known.into_iter().find(|state| state.as_str() == text);
        state.ok_or_else(|| "this version does not know its state".to_owned())
    }
}

/// What delivery needs to know about a channel: its tenant, where its events go, and the sealed secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The DSK customer.
    pub tenant: String,
    /// Where the channel's events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Authorises us at DSK.
    pub dsk_token: SealedSecret,
    /// Signs the requests to DSK; without it `DSK_SIGNING_SECRET` does.
    pub signing_secret: Option<SealedSecret>,
    /// What its endpoint bears.
    pub limits: Limits,
}

/// All that is stored about a channel. The record of a removed channel holds little more than that it existed.
#[derive(Clone, Debug)]
pub struct ChannelRecord {
    /// The channel.
    pub address: Address,
    /// The DSK customer.
    pub tenant: String,
    /// Whether its events are wanted.
    pub state: ChannelState,
    /// Where the channel's events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Authorises us at DSK.
    pub dsk_token: Option<SealedSecret>,
    /// Signs the requests to DSK; without it `DSK_SIGNING_SECRET` does.
    pub signing_secret: Option<SealedSecret>,
    /// What its endpoint bears.
    pub limits: Limits,
    /// Authorises us at Meta for this channel.
    pub access_token: Option<SealedSecret>,
    /// When the access token ends, RFC 3339; absent means never.
    pub access_token_expires_at: Option<String>,
    /// The WhatsApp account, or the Page, that it belongs to.
    pub account_id: Option<String>,
    /// The person at Meta who connected it, as Meta's callbacks name them.
    pub app_user_id: Option<String>,
    /// The app at Meta to which they are known by that id.
    pub app_id: Option<String>,
    /// The operator or the ticket, never a person's name.
    pub connected_by: Option<String>,
    /// The name that its business knows it by: the phone number, or the account's name at Instagram.
    pub name: Option<String>,
    /// When it was connected, RFC 3339.
    pub connected_at: Option<String>,
    /// When the record last changed, RFC 3339.
    pub updated_at: Option<String>,
    /// When Meta was last asked about the token and the subscription, RFC 3339.
    pub checked_at: Option<String>,
    /// The numbers of a WhatsApp account; empty for a channel.
    pub channels: Vec<Address>,
}

/// A channel to be stored. A record that exists already keeps those fields that are not given.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// The channel.
    pub address: Address,
    /// The DSK customer.
    pub tenant: String,
    /// Authorises us at DSK.
    pub dsk_token: NewSecret,
    /// Where the channel's events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Signs the requests to DSK; without it `DSK_SIGNING_SECRET` does.
    pub signing_secret: Option<NewSecret>,
    /// What its endpoint bears.
    pub limits: Limits,
    /// Authorises us at Meta for this channel.
    pub access_token: Option<NewSecret>,
    /// When the access token ends; absent means never.
    pub access_token_expires_at: Option<Timestamp>,
    /// The WhatsApp account, or the Page, that it belongs to.
    pub account_id: Option<String>,
    /// The person at Meta who connects it, as Meta's callbacks name them.
    pub app_user_id: Option<String>,
    /// The app at Meta to which they are known by that id. Without it, requests of each app that connects such channels
    /// concern it.
    pub app_id: Option<String>,
    /// The operator or the ticket, never a person's name.
    pub connected_by: Option<String>,
    /// The name that its business knows it by: the phone number, or the account's name at Instagram.
    pub name: Option<String>,
}

impl NewChannel {
    /// A channel with only those fields that every channel must have.
    pub fn new(address: Address, tenant: impl Into<String>, dsk_token: NewSecret) -> Self {
        Self {
            address,
            tenant: tenant.into(),
            dsk_token,
            dsk_url: None,
            signing_secret: None,
            limits: Limits::default(),
            access_token: None,
            access_token_expires_at: None,
            account_id: None,
            app_user_id: None,
            app_id: None,
            connected_by: None,
            name: None,
        }
    }

    /// The fields that are given, but for the secrets.
    pub(crate) fn fields(&self) -> Fields {
        let mut given = fields::collect([
            (fields::TENANT, Some(self.tenant.clone())),
            (fields::DSK_URL, self.dsk_url.clone()),
            (fields::ACCESS_TOKEN_EXPIRES_AT, self.access_token_expires_at.map(|at| at.to_string())),
            (fields::ACCOUNT_ID, self.account_id.clone()),
            (fields::APP_USER_ID, self.app_user_id.clone()),
            (fields::APP_ID, self.app_id.clone()),
            (fields::CONNECTED_BY, self.connected_by.clone()),
            (fields::NAME, self.name.clone()),
        ]);
        given.extend(self.limits.to_fields());
        given
    }

    /// Seals the secrets that are given for a record whose other fields are set: the channel's own, or its account's,
    /// which has no token at Meta.
    pub(crate) fn seal_into(&self, fields: &mut Fields, address: &Address) {
        let dsk_url = text(fields, fields::DSK_URL);
        let dsk_token = self.dsk_token.sealed_for(Place::dsk_token(address, dsk_url.as_deref()));
        fields::set(fields, fields::DSK_TOKEN, dsk_token.as_str());
        if let Some(secret) = &self.signing_secret {
            fields::set(fields, fields::SIGNING_SECRET, secret.sealed_for(Place::signing_secret(address)).as_str());
        }
        if let Some(token) = self.access_token.as_ref().filter(|_| *address == self.address) {
            fields::set(fields, fields::ACCESS_TOKEN, token.sealed_for(Place::access_token(address)).as_str());
        }
    }
}

impl Route {
    /// The route of a channel that is not disconnected, or what is wrong with the record.
    pub(crate) fn from_fields(address: &Address, fields: &Fields) -> Result<Self, String> {
        Ok(Self {
            tenant: text(fields, fields::TENANT).ok_or("it has no tenant")?,
            dsk_url: text(fields, fields::DSK_URL),
            dsk_token: sealed(address, fields, SecretField::DskToken).ok_or("it has no dsk_token")?,
            signing_secret: sealed(address, fields, SecretField::SigningSecret),
            limits: Limits::from_fields(fields)?,
        })
    }
}

impl ChannelRecord {
    /// The whole record, for a person to look at. A field that can't be read counts as missing.
    pub(crate) fn from_fields(address: Address, fields: &Fields) -> Self {
        Self {
            tenant: text(fields, fields::TENANT).unwrap_or_default(),
            state: ChannelState::from_fields(fields).unwrap_or(ChannelState::ReconnectNeeded),
            dsk_url: text(fields, fields::DSK_URL),
            dsk_token: sealed(&address, fields, SecretField::DskToken),
            signing_secret: sealed(&address, fields, SecretField::SigningSecret),
            limits: Limits::from_fields(fields).unwrap_or_default(),
            access_token: sealed(&address, fields, SecretField::AccessToken),
            access_token_expires_at: text(fields, fields::ACCESS_TOKEN_EXPIRES_AT),
            account_id: text(fields, fields::ACCOUNT_ID),
            app_user_id: text(fields, fields::APP_USER_ID),
            app_id: text(fields, fields::APP_ID),
            connected_by: text(fields, fields::CONNECTED_BY),
            name: text(fields, fields::NAME),
            connected_at: text(fields, fields::CONNECTED_AT),
            updated_at: text(fields, fields::UPDATED_AT),
            checked_at: text(fields, fields::CHECKED_AT),
            channels: channels(fields),
            address,
        }
    }
}

/// A field of a record that is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretField {
    DskToken,
    SigningSecret,
    AccessToken,
}

impl SecretField {
    pub(crate) const ALL: [Self; 3] = [Self::DskToken, Self::SigningSecret, Self::AccessToken];

    /// Its name in the store.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DskToken => fields::DSK_TOKEN,
            Self::SigningSecret => fields::SIGNING_SECRET,
            Self::AccessToken => fields::ACCESS_TOKEN,
        }
    }
}

/// A secret of a record, which opens only if it was sealed for this record.
pub(crate) fn sealed(address: &Address, fields: &Fields, field: SecretField) -> Option<SealedSecret> {
    let place = match field {
        SecretField::DskToken => Place::dsk_token(address, text(fields, fields::DSK_URL).as_deref()),
        SecretField::SigningSecret => Place::signing_secret(address),
        SecretField::AccessToken => Place::access_token(address),
    };
    text(fields, field.name()).map(|text| SealedSecret::new(text, place))
}

/// The addresses of an account's channels.
pub(crate) fn channels(fields: &Fields) -> Vec<Address> {
    let list = fields.get(fields::CHANNELS).map(String::as_str).unwrap_or_default();
    list.split(',').filter(|address| !address.is_empty()).map(Address::new).collect()
}

/// Sets the addresses of an account's channels.
pub(crate) fn set_channels(fields: &mut Fields, channels: &[Address]) {
    let list = channels.iter().map(Address::as_str).collect::<Vec<_>>().join(",");
    fields::set(fields, fields::CHANNELS, list);
}
