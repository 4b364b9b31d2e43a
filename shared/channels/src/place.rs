//! Where a secret stands in the store. It is sealed for that place, and opens nowhere else.

use std::fmt;

use event::Address;
use serde::Deserialize;

use crate::fields;

/// A place in the store: whose secret it is, which one, and where it may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Place {
    holder: Holder,
    /// The address of a channel, the tenant of a ticket, or the id of a key.
    name: String,
    field: String,
    /// Of a DSK token: the `dsk_url` beside it. Without one the token may be sent only to `DSK_URL`, which no store holds.
    endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Holder {
    Channel,
    /// A ticket, and the session that it begins.
    Ticket,
    /// The erasures of a store.
    Erasures,
}

impl Place {
    /// A channel's DSK token, which may be sent to the channel's own URL; without one, to `DSK_URL`.
    pub fn dsk_token(address: &Address, dsk_url: Option<&str>) -> Self {
        Self { endpoint: dsk_url.map(str::to_owned), ..Self::of_channel(address, fields::DSK_TOKEN) }
    }

    /// The secret that signs a channel's requests to DSK.
    pub fn signing_secret(address: &Address) -> Self {
        Self::of_channel(address, fields::SIGNING_SECRET)
    }

    /// A channel's token at Meta.
    pub fn access_token(address: &Address) -> Self {
        Self::of_channel(address, fields::ACCESS_TOKEN)
    }

    /// A secret of a ticket, whose channels may send their events to its URL only. The signing secret is not sent, but
    /// belongs to the same requests.
    pub(crate) fn of_ticket(tenant: &str, field: &str, dsk_url: Option<&str>) -> Self {
        let endpoint = dsk_url.map(str::to_owned);
        Self { holder: Holder::Ticket, name: tenant.to_owned(), field: field.to_owned(), endpoint }
    }

    /// A key under which erasures are hashed. An export takes it from one store to another.
    pub(crate) fn erasure_key(id: &str) -> Self {
        Self { holder: Holder::Erasures, name: id.to_owned(), field: fields::KEY.to_owned(), endpoint: None }
    }

    fn of_channel(address: &Address, field: &str) -> Self {
        Self { holder: Holder::Channel, name: address.to_string(), field: field.to_owned(), endpoint: None }
    }

    /// What all the places have in common where an older release stored one and the same seal: it gave a ticket's token to
    /// each of its channels and to their accounts. A token at Meta has never had two places.
    pub(crate) fn shared_before(&self) -> Self {
        if self.field == fields::ACCESS_TOKEN { self.clone() } else { Self { name: String::new(), ..self.clone() } }
    }

    /// The place as text. Two places never have the same.
    pub(crate) fn to_text(&self) -> String {
        let holder = match self.holder {
            Holder::Channel => "channel",
            Holder::Ticket => "ticket",
            Holder::Erasures => "erasures",
        };
        serde_json::json!([holder, self.name, self.field, self.endpoint]).to_string()
    }

    /// The place that such a text names.
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// How another place differs from this one, in words. A URL is not repeated, because it may hold a secret of DSK's.
    pub(crate) fn name_of_other(&self, other: &Self) -> String {
        let differs_in_endpoint_only = *other == Self { endpoint: other.endpoint.clone(), ..self.clone() };
        if differs_in_endpoint_only { format!("{other} with another dsk_url") } else { other.to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holder {
            Holder::Channel => write!(f, "the {} of {}", self.field, self.name),
            Holder::Ticket => write!(f, "the {} of a ticket of {}", self.field, self.name),
            Holder::Erasures => write!(f, "the key {} of erasures", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_no_two_places_have_one_text() {
        let address = Address::new("whatsapp:1");
        let places = [
            Place::dsk_token(&address, None),
            Place::dsk_token(&address, Some("")),
            Place::dsk_token(&address, Some("https://dsk.example/")),
            Place::dsk_token(&Address::new("whatsapp:1\",\"dsk_token"), None),
            Place::signing_secret(&address),
            Place::access_token(&address),
            Place::of_ticket("whatsapp:1", fields::DSK_TOKEN, None),
            Place::erasure_key("whatsapp:1"),
            Place::of_ticket("whatsapp:1", fields::DSK_TOKEN, Some("https://dsk.example/")),
        ];

        for (index, place) in places.iter().enumerate() {
            assert_eq!(Place::from_text(place.to_text().as_bytes()).as_ref(), Some(place));
            assert!(places[..index].iter().all(|other| other.to_text() != place.to_text()), "{place:?}");
        }
    }
}
