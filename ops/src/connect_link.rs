//! `ops connect-link`: makes the link with which a business connects its channels, where DSK does not ask for one itself.

use std::path::PathBuf;
use std::time::Duration;

use ::channels::{
    Allowance, ChannelRecord, ChannelStore, KeyRing, NewSecret, SealedSecret, Ticket, check_customer, check_dsk_token,
};
use chassis::{Secret, SigningSecret};
use clap::Args;
use connect::Links;
use event::Address;
use url::Url;

use crate::address::parse_address;
use crate::channels::find_record;
use crate::failure::Failure;
use crate::files;
use crate::open::StoreAccess;
use crate::output::{outln, remark};

/// Who issues the tickets of these links, for the records of the channels.
const OPERATOR: &str = "operator";

/// Makes a link with which a business connects its channels for a tenant. The link works once, and for a short time.
#[derive(Args, Debug)]
pub(crate) struct ConnectLink {
    /// The DSK customer.
    #[arg(long, required_unless_present = "like")]
    tenant: Option<String>,
    /// A file with the token that authorises this service at DSK for the channels; `-` is standard input.
    #[arg(long, required_unless_present = "like")]
    dsk_token_file: Option<PathBuf>,
    /// Takes tenant, DSK token, URL and signing secret from this channel, as for one that has to be connected again.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address,
        conflicts_with_all = ["tenant", "dsk_token_file", "dsk_url", "signing_secret_file"])]
    like: Option<Address>,
    /// Where the channels' events go, if not to `DSK_URL`.
    #[arg(long)]
    dsk_url: Option<String>,
    /// Allows `--dsk-url` to be http to another machine.
    #[arg(long, env)]
    dsk_allow_http: bool,
    /// Allows `--dsk-url` to be an address of a private network.
    #[arg(long, env)]
    dsk_allow_private: bool,
    /// A file with the secret (`whsec_…`) that signs the requests that DSK gets for the channels.
    #[arg(long)]
    signing_secret_file: Option<PathBuf>,
    /// The URL at which browsers reach the connection pages.
    #[arg(long, env)]
    connect_url: Url,
    /// The secret that signs the link; `connect` needs the same one.
    #[arg(long, env, hide = true, hide_env_values = true)]
    connect_secret: Option<Secret>,
    /// A file with the value of `CONNECT_SECRET`.
    #[arg(long, env)]
    connect_secret_file: Option<PathBuf>,
    /// How long the link can be used.
    #[arg(long, env, default_value = "1h", value_parser = humantime::parse_duration)]
    ticket_time: Duration,
    #[command(flatten)]
    store: StoreAccess,
}

impl ConnectLink {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let secret = self.connect_secret.as_ref();
        let secret_file = self.connect_secret_file.as_deref();
        let links =
            Links::new(self.connect_url.clone(), secret, secret_file, self.ticket_time).map_err(Failure::usage)?;
        let key_ring = self.store.key_ring()?;
        let new_ticket = self.like.is_none().then(|| self.new_ticket(&key_ring)).transpose()?;
        let issue = async |store: ChannelStore| {
            let ticket = match (&self.like, new_ticket) {
                (Some(address), _) => ticket_like(&find_record(&store, address).await?, &key_ring)?,
                (None, Some(ticket)) => ticket,
                (None, None) => return Err(Failure::usage("give --tenant or --like")),
            };
            let link = links.issue(&store, &ticket).await?;
            Ok((link, ticket.tenant))
        };
        let (link, tenant) = self.store.with(issue).await?;
        outln!("{link}")?;
        let ticket_time = humantime::format_duration(self.ticket_time);
        remark(format_args!("It works once, within {ticket_time}. Send it to nobody but {tenant}."));
        Ok(())
    }

    /// The ticket that the arguments describe.
    fn new_ticket(&self, key_ring: &KeyRing) -> Result<Ticket<NewSecret>, Failure> {
        let (Some(tenant), Some(dsk_token_file)) = (&self.tenant, &self.dsk_token_file) else {
            return Err(Failure::usage("give --tenant and --dsk-token-file, or --like"));
        };
        let allowance = Allowance { http: self.dsk_allow_http, private: self.dsk_allow_private };
        check_customer(tenant, self.dsk_url.as_deref(), allowance).map_err(Failure::usage)?;
        let dsk_token = files::read_secret(dsk_token_file)?;
        check_dsk_token(&dsk_token).map_err(Failure::usage)?;
        let signing_secret = self.signing_secret_file.as_deref().map(files::read_secret).transpose()?;
        if let Some(secret) = &signing_secret {
            SigningSecret::parse(secret).map_err(Failure::usage)?;
        }
        Ok(Ticket {
            tenant: tenant.clone(),
            dsk_token: key_ring.seal(&dsk_token),
            dsk_url: self.dsk_url.clone(),
            signing_secret: signing_secret.map(|secret| key_ring.seal(&secret)),
            issued_by: OPERATOR.to_owned(),
        })
    }
}

/// A ticket for the tenant of a channel, with what the channel's events need at DSK.
pub(crate) fn ticket_like(record: &ChannelRecord, key_ring: &KeyRing) -> Result<Ticket<NewSecret>, Failure> {
    let address = &record.address;
    let Some(dsk_token) = &record.dsk_token else {
        return Err(Failure::usage(format!(
            "{address} was removed, and its DSK token with it: give --tenant and --dsk-token-file"
        )));
    };
    let reseal = |sealed: &SealedSecret| match key_ring.open(sealed) {
        Ok(secret) => Ok(key_ring.seal(&secret)),
        Err(error) => Err(Failure::runtime(format!("a secret of {address} does not open: {error}"))),
    };
    Ok(Ticket {
        tenant: record.tenant.clone(),
        dsk_token: reseal(dsk_token)?,
        dsk_url: record.dsk_url.clone(),
        signing_secret: record.signing_secret.as_ref().map(reseal).transpose()?,
        issued_by: OPERATOR.to_owned(),
    })
}
