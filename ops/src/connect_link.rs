//! `ops connect-link`: makes the link with which a business connects its channels, where DSK does not ask for one itself.

use std::path::PathBuf;
use std::time::Duration;

use ::channels::{Allowance, Ticket, check_customer, check_dsk_token};
use chassis::{Secret, SigningSecret};
use clap::Args;
use connect::Links;
use url::Url;

use crate::failure::Failure;
use crate::files;
use crate::open::StoreAccess;
use crate::output::{outln, remark};

/// Makes a link with which a business connects its channels for a tenant. The link works once, and for a short time.
#[derive(Args, Debug)]
pub(crate) struct ConnectLink {
    /// The DSK customer.
    #[arg(long)]
    tenant: String,
    /// A file with the token that authorises this service at DSK for the channels; `-` is standard input.
    #[arg(long)]
    dsk_token_file: PathBuf,
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
        let allowance = Allowance { http: self.dsk_allow_http, private: self.dsk_allow_private };
        check_customer(&self.tenant, self.dsk_url.as_deref(), allowance).map_err(Failure::usage)?;
        let secret = self.connect_secret.as_ref();
        let secret_file = self.connect_secret_file.as_deref();
        let links =
            Links::new(self.connect_url.clone(), secret, secret_file, self.ticket_time).map_err(Failure::usage)?;
        let key_ring = self.store.key_ring()?;
        let dsk_token = files::read_secret(&self.dsk_token_file)?;
        check_dsk_token(&dsk_token).map_err(Failure::usage)?;
        let signing_secret = self.signing_secret_file.as_deref().map(files::read_secret).transpose()?;
        if let Some(secret) = &signing_secret {
            SigningSecret::parse(secret).map_err(Failure::usage)?;
        }
        let ticket = Ticket {
            tenant: self.tenant.clone(),
            dsk_token: key_ring.seal(&dsk_token),
            dsk_url: self.dsk_url.clone(),
            signing_secret: signing_secret.map(|secret| key_ring.seal(&secret)),
            issued_by: "operator".to_owned(),
        };
        let link = self.store.with(async |store| Ok(links.issue(&store, &ticket).await?)).await?;
        outln!("{link}")?;
        let ticket_time = humantime::format_duration(self.ticket_time);
        remark(format_args!("It works once, within {ticket_time}. Send it to nobody but {}.", self.tenant));
        Ok(())
    }
}
