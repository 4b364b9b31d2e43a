//! Tickets and sessions: for which tenant a business may connect channels, once, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::index::Index;
use crate::key_ring::KeyRing;
use crate::keys;
use crate::place::Place;
use crate::seal::{NewSecret, OpenError, SealedSecret};
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;

/// What a connect link stands for. The link itself holds none of it. Its secrets are sealed, as they are read from the
/// store, or new, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket<S = SealedSecret> {
    /// The DSK customer for whom channels are connected.
    pub tenant: String,
    /// Authorises us at DSK for those channels.
    pub dsk_token: S,
    /// Where their events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Signs the requests to DSK; without it `DSK_SIGNING_SECRET` does.
    pub signing_secret: Option<S>,
    /// The operator or system that asked for the link, never a person's name.
    pub issued_by: String,
}

/// A ticket that was redeemed: the browser with the session's id may connect channels now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The ticket that began the session.
    pub ticket: Ticket,
    /// What Instagram has to send back, while we wait for its answer.
    pub state: Option<String>,
}

impl Ticket<NewSecret> {
    /// The fields, with the secrets sealed for this tenant and this URL.
    fn fields(&self) -> Fields {
        let sealed = |secret: &NewSecret, name: &str| {
            secret.sealed_for(Place::of_ticket(&self.tenant, name, self.dsk_url.as_deref())).as_str().to_owned()
        };
        let signing_secret = self.signing_secret.as_ref();
        fields::collect([
            (fields::TENANT, Some(self.tenant.clone())),
            (fields::DSK_TOKEN, Some(sealed(&self.dsk_token, fields::DSK_TOKEN))),
            (fields::DSK_URL, self.dsk_url.clone()),
            (fields::SIGNING_SECRET, signing_secret.map(|secret| sealed(secret, fields::SIGNING_SECRET))),
            (fields::ISSUED_BY, Some(self.issued_by.clone())),
        ])
    }
}

impl Ticket {
    /// The ticket with its secrets opened, so that a channel can be stored with them.
    pub fn open(&self, ring: &KeyRing) -> Result<Ticket<NewSecret>, OpenError> {
        let reseal = |sealed: &SealedSecret| ring.open(sealed).map(|secret| ring.seal(&secret));
        Ok(Ticket {
            tenant: self.tenant.clone(),
            dsk_token: reseal(&self.dsk_token)?,
            dsk_url: self.dsk_url.clone(),
            signing_secret: self.signing_secret.as_ref().map(reseal).transpose()?,
            issued_by: self.issued_by.clone(),
        })
    }

    /// `None` where there is no ticket, or one that lacks what this version needs.
    fn from_fields(fields: &Fields) -> Option<Self> {
        let tenant = fields.get(fields::TENANT)?;
        let dsk_url = fields.get(fields::DSK_URL);
        let sealed = |name: &str| {
            let place = Place::of_ticket(tenant, name, dsk_url.map(String::as_str));
            fields.get(name).map(|text| SealedSecret::new(text.clone(), place))
        };
        Some(Self {
            tenant: tenant.clone(),
            dsk_token: sealed(fields::DSK_TOKEN)?,
            dsk_url: dsk_url.cloned(),
            signing_secret: sealed(fields::SIGNING_SECRET),
            issued_by: fields.get(fields::ISSUED_BY).cloned().unwrap_or_default(),
        })
    }
}

impl ChannelStore {
    /// Stores a ticket under an id that nobody can guess, for a time.
    pub async fn issue_ticket(&self, id: &str, ticket: &Ticket<NewSecret>, life: Duration) -> Result<(), StoreError> {
        let issue = |fields: &mut Fields| {
            *fields = ticket.fields();
            Decision::Write(())
        };
        self.update_hash(keys::ticket(id), Lifetime::Limited(life), issue).await
    }

    /// The ticket, if it is neither redeemed nor expired.
    pub async fn ticket(&self, id: &str) -> Result<Option<Ticket>, StoreError> {
        Ok(Ticket::from_fields(&self.read_one(keys::ticket(id)).await?))
    }

    /// Redeems a ticket and begins a session with it. Both are one commit, so that of two who try only one succeeds.
    pub async fn redeem_ticket(&self, id: &str, session: &str, life: Duration) -> Result<Option<Ticket>, StoreError> {
        let ticket_key = keys::ticket(id);
        let session_key = keys::session(session);
        let redeem = |transaction: &mut Transaction| {
            let fields = std::mem::take(&mut transaction.hash(&ticket_key).fields);
            let Some(ticket) = Ticket::from_fields(&fields) else { return Ok(Decision::Abandon(None)) };
            let session = transaction.hash(&session_key);
            session.fields = fields;
            session.lifetime = Lifetime::Limited(life);
            Ok(Decision::Write(Some(ticket)))
        };
        self.update(vec![ticket_key.clone()], redeem).await
    }

    /// The session, if there is one and it has not expired.
    pub async fn session(&self, id: &str) -> Result<Option<SessionRecord>, StoreError> {
        let fields = self.read_one(keys::session(id)).await?;
        let state = fields.get(fields::OAUTH_STATE).cloned();
        Ok(Ticket::from_fields(&fields).map(|ticket| SessionRecord { ticket, state }))
    }

    /// Sets what Instagram has to send back, or removes it with `None`. Either renews the session's life.
    pub async fn set_session_state(&self, id: &str, state: Option<&str>, life: Duration) -> Result<(), StoreError> {
        let set_state = |fields: &mut Fields| {
            fields.remove(fields::OAUTH_STATE);
            // A session that has ended in the meantime must not begin again.
            if !fields.is_empty()
                && let Some(state) = state
            {
                fields::set(fields, fields::OAUTH_STATE, state);
            }
            Decision::Write(())
        };
        self.update_hash(keys::session(id), Lifetime::Limited(life), set_state).await
    }

    /// Ends a session.
    pub async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        self.remove_hash(keys::session(id)).await
    }

    /// Ends the tickets and sessions of these tenants, because they hold the tenants' DSK tokens.
    pub(crate) async fn end_tickets(&self, tenants: &BTreeSet<String>) -> Result<(), StoreError> {
        for tenant in tenants {
            for (key, fields) in self.read_index(&Index::TicketsOf(tenant.clone())).await? {
                if fields.get(fields::TENANT) == Some(tenant) {
                    self.remove_hash(key).await?;
                }
            }
        }
        Ok(())
    }

    async fn remove_hash(&self, key: String) -> Result<(), StoreError> {
        let remove = |fields: &mut Fields| {
            fields.clear();
            Decision::Write(())
        };
        self.update_hash(key, Lifetime::Unlimited, remove).await
    }
}
