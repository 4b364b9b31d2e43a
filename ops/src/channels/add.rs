//! `ops channels add`: stores a channel with its tokens sealed.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use channels::{Allowance, KeyRing, Limits, NewChannel, NewSecret, check_customer, check_dsk_token};
use chassis::{Secret, SigningSecret, now};
use clap::Args;
use event::Address;

use crate::address::parse_address;
use crate::failure::Failure;
use crate::files;
use crate::open::StoreAccess;
use crate::output::{outln, remark};

/// Stores a channel.
#[derive(Args, Debug)]
pub(crate) struct AddChannel {
    /// The channel: `whatsapp:<phone number id>`, `instagram:<account id>`, `messenger:<page id>` or
    /// `whatsapp-account:<account id>`.
    #[arg(value_parser = parse_address)]
    address: Address,
    /// The DSK customer that the channel belongs to.
    #[arg(long)]
    tenant: String,
    /// A file with the token that authorises this service at DSK; `-` is standard input. Without it the command asks.
    #[arg(long)]
    dsk_token_file: Option<PathBuf>,
    /// A file with the channel's token at Meta.
    #[arg(long)]
    access_token_file: Option<PathBuf>,
    /// When the token at Meta expires, such as 2027-01-31T00:00:00Z. Without it: never.
    #[arg(long, requires = "access_token_file")]
    access_token_expires_at: Option<jiff::Timestamp>,
    /// A file with the secret (`whsec_…`) that signs the requests that DSK gets for this channel.
    #[arg(long)]
    signing_secret_file: Option<PathBuf>,
    /// Where this channel's events go, if not to `DSK_URL`.
    #[arg(long)]
    dsk_url: Option<String>,
    /// How many requests DSK bears at once for this tenant at this URL, from all dispatchers together. A large number
    /// lifts the limit.
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    requests_at_once: Option<NonZeroU32>,
    /// How many requests a second DSK bears for this tenant at this URL, from all dispatchers together. A large number
    /// lifts the limit.
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    requests_per_second: Option<NonZeroU32>,
    /// Allows `--dsk-url` to be http to another machine.
    #[arg(long, env)]
    dsk_allow_http: bool,
    /// Allows `--dsk-url` to be an address of a private network.
    #[arg(long, env)]
    dsk_allow_private: bool,
    /// The WhatsApp account (WABA) that a number belongs to. The account's events go to the same tenant.
    #[arg(long)]
    account_id: Option<String>,
    /// The id by which Meta's callbacks name the person who connected the channel: their withdrawal or deletion then
    /// concerns it.
    #[arg(long)]
    app_user_id: Option<String>,
    /// The app at Meta that has given that id: connect's `META_APP_ID` or `INSTAGRAM_APP_ID`. Without it, the requests of
    /// each app that connects such channels concern it, for WhatsApp and Messenger those of `META_APP_ID`, for Instagram
    /// those of both.
    #[arg(long, requires = "app_user_id")]
    app_id: Option<String>,
    /// Who connects the channel: an operator or a ticket, not a person's name.
    #[arg(long)]
    connected_by: Option<String>,
    #[command(flatten)]
    store: StoreAccess,
}

impl AddChannel {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let key_ring = self.store.key_ring()?;
        let channel = self.channel(&key_ring)?;
        let address = &self.address;
        if address.as_str().bytes().all(|byte| !byte.is_ascii_digit()) {
            remark(format_args!("warning: ids at Meta are numbers, and {address} looks like a placeholder"));
        }
        self.store.with(async |store| Ok(store.add(&channel, now()).await?)).await?;
        outln!("Stored {address} for tenant {}; see `ops channels show {address}`", self.tenant)
    }

    fn channel(&self, key_ring: &KeyRing) -> Result<NewChannel, Failure> {
        let allowance = Allowance { http: self.dsk_allow_http, private: self.dsk_allow_private };
        check_customer(&self.tenant, self.dsk_url.as_deref(), allowance).map_err(Failure::usage)?;
        let token = match &self.dsk_token_file {
            Some(file) => files::read_secret(file)?,
            None => prompt(&format!("DSK token for {}: ", self.address))?,
        };
        check_dsk_token(&token).map_err(Failure::usage)?;
        let mut channel = NewChannel::new(self.address.clone(), self.tenant.clone(), key_ring.seal(&token));
        if let Some(file) = &self.signing_secret_file {
            let secret = files::read_secret(file)?;
            SigningSecret::parse(&secret).map_err(Failure::usage)?;
            channel.signing_secret = Some(key_ring.seal(&secret));
        }
        channel.access_token = self.access_token_file.as_deref().map(|file| secret(file, key_ring)).transpose()?;
        channel.access_token_expires_at = self.access_token_expires_at;
        channel.limits =
            Limits { requests_at_once: self.requests_at_once, requests_per_second: self.requests_per_second };
        channel.dsk_url.clone_from(&self.dsk_url);
        channel.account_id.clone_from(&self.account_id);
        channel.app_user_id.clone_from(&self.app_user_id);
        channel.app_id.clone_from(&self.app_id);
        channel.connected_by.clone_from(&self.connected_by);
        Ok(channel)
    }
}

fn parse_limit(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "write a whole number of at least 1".to_owned())
}

fn secret(file: &Path, key_ring: &KeyRing) -> Result<NewSecret, Failure> {
    Ok(key_ring.seal(&files::read_secret(file)?))
}

fn prompt(question: &str) -> Result<Secret, Failure> {
    let answer = rpassword::prompt_password(question)
        .map_err(|error| Failure::usage(format!("there is no terminal to ask on ({error}): give --dsk-token-file")))?;
    match answer.trim() {
        "" => Err(Failure::usage("the DSK token is empty")),
        token => Ok(Secret::new(token)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_nothing_is_refused_and_says_what_to_write() {
        assert_eq!(parse_limit("50"), Ok(NonZeroU32::new(50).unwrap()));
        for refused in ["0", "-1", "fast", "1.5", "4294967296"] {
            assert!(parse_limit(refused).unwrap_err().contains("at least 1"), "{refused}");
        }
    }
}
