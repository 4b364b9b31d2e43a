//! A person at Meta, as one of our apps names them: another app may know somebody else by the same id. Which app that was is
//! part of a channel's record, unless an older release or an operator has left it out.

use event::{Address, Family};

use crate::fields::{self, Fields};
use crate::hashing::Hashing;

/// What can be connected with an app at Meta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppKind {
    /// A Meta app: WhatsApp numbers, Pages, and the Instagram accounts that belong to Pages.
    Meta,
    /// An Instagram app: accounts at Instagram, and nothing else.
    Instagram,
}

/// An app at Meta that has signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningApp {
    /// Its id.
    pub id: String,
    /// What can be connected with it.
    pub kind: AppKind,
}

/// A person in whose name Meta calls.
#[derive(Clone, Copy, Debug)]
pub struct AppUser<'a> {
    /// The app that has signed the call. Where two have the same secret, it may be either of them.
    pub apps: &'a [SigningApp],
    /// The person, as Meta names them to that app.
    pub id: &'a str,
}

/// Who has connected a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connector {
    /// With which app; `None` if the record does not say so.
    app_id: Option<String>,
    /// As Meta names them to that app.
    pub(crate) user_id: String,
}

impl Connector {
    /// Whom a record names, if it names anybody.
    pub(crate) fn from_fields(fields: &Fields) -> Option<Self> {
        let user_id = fields.get(fields::APP_USER_ID).cloned()?;
        Some(Self { app_id: fields::text(fields, fields::APP_ID), user_id })
    }

    /// What is hashed when the connection ends. Without an app it is what older releases hash.
    pub(crate) fn name(&self) -> String {
        self.app_id.as_deref().map_or_else(|| self.user_id.clone(), |app_id| name(app_id, &self.user_id))
    }
}

impl SigningApp {
    fn may_have_connected(&self, address: &Address) -> bool {
        match self.kind {
            AppKind::Meta => true,
            AppKind::Instagram => address.family() == Family::Instagram,
        }
    }
}

impl AppUser<'_> {
    /// Whether this person has connected a channel. Where the record does not say with which app, it may have been any with
    /// which such a channel can be connected: a person who asks for a deletion must not find less than there is.
    pub(crate) fn has_connected(&self, address: &Address, fields: &Fields, hashing: &Hashing) -> bool {
        if let Some(connector) = Connector::from_fields(fields) {
            return connector.user_id == self.id
                && connector.app_id.map_or_else(
                    || self.may_have_connected(address),
                    |app_id| self.apps.iter().any(|app| app.id == app_id),
                );
        }
        // Of a tombstone that a still older release left nobody knows whose it is.
        fields.get(fields::APP_USER_HASH).is_some_and(|user_hash| {
            self.hashes(hashing).contains(user_hash)
                || self.may_have_connected(address) && self.hashes_without_app(hashing).contains(user_hash)
        })
    }

    /// Whether the app can have connected such a channel.
    pub(crate) fn may_have_connected(&self, address: &Address) -> bool {
        self.apps.iter().any(|app| app.may_have_connected(address))
    }

    /// The hashes under which the person may be noted, with the app. The first is the one under which they are noted now.
    pub(crate) fn hashes(&self, hashing: &Hashing) -> Vec<String> {
        self.apps.iter().flat_map(|app| hashing.all(&name(&app.id, self.id))).collect()
    }

    /// The hashes under which the person may be noted without the app.
    pub(crate) fn hashes_without_app(&self, hashing: &Hashing) -> Vec<String> {
        hashing.all(self.id)
    }

    /// All of these hashes.
    pub(crate) fn all_hashes(&self, hashing: &Hashing) -> Vec<String> {
        let mut hashes = self.hashes(hashing);
        hashes.extend(self.hashes_without_app(hashing));
        hashes
    }
}

/// A person's name, with the app that gave the id.
fn name(app_id: &str, user_id: &str) -> String {
    format!("{app_id}/{user_id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashing::samples;

    fn has_connected(app: &SigningApp, address: &str, record: &[(&str, String)]) -> bool {
        let fields = record.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let hashing = Hashing::keyed(samples::key("0000000000000001"));
        let person = AppUser { apps: std::slice::from_ref(app), id: "7" };
        person.has_connected(&Address::new(address), &fields, &hashing)
    }

    #[test]
    fn a_channel_is_only_of_the_person_whom_its_own_app_names() {
        let meta = SigningApp { id: "100".to_owned(), kind: AppKind::Meta };
        let instagram = SigningApp { id: "200".to_owned(), kind: AppKind::Instagram };
        let hashing = Hashing::keyed(samples::key("0000000000000001"));
        let user = |id: &str| (fields::APP_USER_ID, id.to_owned());
        let app = |id: &str| (fields::APP_ID, id.to_owned());
        let hash = |name: &str| (fields::APP_USER_HASH, hashing.hash(name));

        for (address, record, of_meta, of_instagram) in [
            ("whatsapp:1", vec![user("7"), app("100")], true, false),
            ("instagram:1", vec![user("7"), app("200")], false, true),
            ("instagram:1", vec![user("7"), app("100")], true, false),
            ("instagram:1", vec![user("8"), app("200")], false, false),
            ("instagram:1", vec![hash("200/7")], false, true),
            ("whatsapp:1", vec![hash("100/7")], true, false),
            // Without an app: of each that can have connected it.
            ("whatsapp:1", vec![user("7")], true, false),
            ("instagram:1", vec![user("7")], true, true),
            ("messenger:1", vec![hash("7")], true, false),
            ("instagram:1", vec![hash("7")], true, true),
            ("instagram:1", vec![], false, false),
        ] {
            assert_eq!(has_connected(&meta, address, &record), of_meta, "{address} {record:?}");
            assert_eq!(has_connected(&instagram, address, &record), of_instagram, "{address} {record:?}");
        }
    }
}
