//! Tickets and sessions: who may connect a channel for which tenant, once, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::changes::Write;
use crate::record::Fields;
use crate::{ChannelStore, Sealed, StoreError, keys};

/// What a link stands for. The link itself holds none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The DSK customer for whom channels are connected.
    pub tenant: String,
    /// Authorises us at DSK for those channels.
    pub dsk_token: Sealed,
    /// Where their events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
    /// Signs what DSK gets for them, if not `DSK_SIGNING_SECRET`.
    pub signing_secret: Option<Sealed>,
    /// Who asked for it: an operator's or a system's name, never a person's.
    pub issued_by: String,
}

/// A ticket that was used: its holder connects channels now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What it was begun with.
    pub ticket: Ticket,
    /// What Instagram has to send back, while it is asked.
    pub state: Option<String>,
}

impl Ticket {
    fn fields(&self) -> Fields {
        let fields = [
            ("tenant", Some(self.tenant.clone())),
            ("dsk_token", Some(self.dsk_token.as_str().to_owned())),
            ("dsk_url", self.dsk_url.clone()),
            ("signing_secret", self.signing_secret.as_ref().map(|sealed| sealed.as_str().to_owned())),
            ("issued_by", Some(self.issued_by.clone())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// `None` where there is no ticket, or one that an older version wrote otherwise.
    fn read(fields: &Fields) -> Option<Self> {
        Some(Self {
            tenant: fields.get("tenant")?.clone(),
            dsk_token: Sealed::new(fields.get("dsk_token")?.clone()),
            dsk_url: fields.get("dsk_url").cloned(),
            signing_secret: fields.get("signing_secret").cloned().map(Sealed::new),
            issued_by: fields.get("issued_by").cloned().unwrap_or_default(),
        })
    }
}

impl ChannelStore {
    /// Stores a ticket under an id that nobody can guess, for a time.
    pub async fn issue_ticket(&self, id: &str, ticket: &Ticket, life: Duration) -> Result<(), StoreError> {
        self.replace(&keys::ticket(id), life, |_| ticket.fields()).await
    }

    /// The ticket, unused and in time.
    pub async fn ticket(&self, id: &str) -> Result<Option<Ticket>, StoreError> {
        Ok(Ticket::read(&self.one(keys::ticket(id)).await?))
    }

    /// Uses a ticket up and begins a session with it: both or none, so that of two who try only one is let in.
    pub async fn redeem_ticket(&self, id: &str, session: &str, life: Duration) -> Result<Option<Ticket>, StoreError> {
        let (ticket_key, session_key) = (keys::ticket(id), keys::session(session));
        for _ in 0..Self::TRIES_MAX {
            let before = self.one(ticket_key.clone()).await?;
            let Some(ticket) = Ticket::read(&before) else { return Ok(None) };
            let end = Write { key: ticket_key.clone(), before: before.clone(), after: Fields::new(), expires: 0 };
            let begin =
                Write { key: session_key.clone(), before: Fields::new(), after: before, expires: life.as_secs() };
            if self.commit(vec![end, begin]).await? {
                return Ok(Some(ticket));
            }
        }
        Err(StoreError::Conflict)
    }

    /// The session, if it is one and in time.
    pub async fn session(&self, id: &str) -> Result<Option<Session>, StoreError> {
        let fields = self.one(keys::session(id)).await?;
        Ok(Ticket::read(&fields).map(|ticket| Session { ticket, state: fields.get("state").cloned() }))
    }

    /// Remembers what Instagram has to send back, or forgets it.
    pub async fn set_session_state(&self, id: &str, state: Option<&str>, life: Duration) -> Result<(), StoreError> {
        let change = |mut fields: Fields| {
            fields.remove("state");
            // A session that has ended meanwhile is not begun again.
            if !fields.is_empty() {
                fields.extend(state.map(|state| ("state".to_owned(), state.to_owned())));
            }
            fields
        };
        self.replace(&keys::session(id), life, change).await
    }

    /// Ends a session.
    pub async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        self.replace(&keys::session(id), Duration::ZERO, |_| Fields::new()).await
    }

    /// Ends the tickets and sessions of these tenants: they hold their DSK tokens.
    pub(crate) async fn end_tickets(&self, tenants: &BTreeSet<String>) -> Result<(), StoreError> {
        for beginning in [keys::TICKET, keys::SESSION] {
            for (key, fields) in self.hashes(beginning).await? {
                if fields.get("tenant").is_some_and(|tenant| tenants.contains(tenant)) {
                    self.replace(&key, Duration::ZERO, |_| Fields::new()).await?;
                }
            }
        }
        Ok(())
    }

    /// Changes one hash by compare-and-set; `life` zero is for ever.
    pub(crate) async fn replace(
        &self,
        key: &str,
        life: Duration,
        change: impl Fn(Fields) -> Fields,
    ) -> Result<(), StoreError> {
        for _ in 0..Self::TRIES_MAX {
            let before = self.one(key.to_owned()).await?;
            let after = change(before.clone());
            let write = Write { key: key.to_owned(), before, after, expires: life.as_secs() };
            if self.commit(vec![write]).await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }
}
