//! Connect's settings.

pub(crate) mod meta;
pub(crate) mod privacy;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use channels::{Allowance, ChannelsSettings, KeyRingSettings};
use chassis::{Problem, Problems, Secret, TelemetrySettings, TrustedProxies, read_secret};
use clap::{Args, Parser};
use url::Url;

use crate::privacy_policy::PrivacyPolicy;
pub(crate) use meta::MetaApps;
pub use meta::MetaSettings;
use meta::is_safe;
pub use privacy::PrivacySettings;

/// Serves the pages on which a business connects its channels.
#[derive(Clone, Debug, Parser)]
#[command(name = "connect", version)]
pub struct Settings {
    /// How channels are connected.
    #[command(flatten)]
    pub connect: ConnectSettings,
    /// Where `/metrics`, `/live` and `/ready` are served.
    #[arg(long, env, default_value = "127.0.0.1:9403")]
    pub admin_listen: SocketAddr,
    /// Proxies in front of connect, as addresses or networks, separated by commas: limits then count the client that
    /// their `X-Forwarded-For` names. Required if `CONNECT_URL` is https; `none` says that there is no such proxy.
    #[arg(long, env, default_value = "")]
    pub trusted_proxies: TrustedProxies,
    /// Allows http to other machines as the URL that a ticket names. The dispatcher needs the same setting.
    #[arg(long, env)]
    pub dsk_allow_http: bool,
    /// Allows addresses of private networks as the URL that a ticket names. The dispatcher needs the same setting.
    #[arg(long, env)]
    pub dsk_allow_private: bool,
    /// Where the channels are stored.
    #[command(flatten)]
    pub channels: ChannelsSettings,
    /// What seals their tokens.
    #[command(flatten)]
    pub key_ring: KeyRingSettings,
    /// What is logged.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// How channels are connected, whichever process serves the pages.
#[derive(Args, Clone, Debug)]
pub struct ConnectSettings {
    /// The address on which the pages are served, behind a proxy that terminates TLS.
    #[arg(long, env, default_value = "127.0.0.1:8090")]
    pub connect_listen: SocketAddr,
    /// The address under which browsers and Meta reach the pages, such as `https://connect.example.com`.
    #[arg(long, env)]
    pub connect_url: Option<Url>,
    /// Signs links and cookies: 32 characters or more that nobody can guess. A new secret ends every link and session.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub connect_secret: Option<Secret>,
    /// A file that holds `CONNECT_SECRET`.
    #[arg(long, env)]
    pub connect_secret_file: Option<PathBuf>,
    /// Keys with which DSK may ask for tickets, separated by commas or newlines.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub connect_api_keys: Option<Secret>,
    /// A file that holds `CONNECT_API_KEYS`.
    #[arg(long, env)]
    pub connect_api_keys_file: Option<PathBuf>,
    /// How long a link works.
    #[arg(long, env, default_value = "1h", value_parser = humantime::parse_duration)]
    pub ticket_time: Duration,
    /// The privacy policy.
    #[command(flatten)]
    pub privacy: PrivacySettings,
    /// The apps at Meta.
    #[command(flatten)]
    pub meta: MetaSettings,
}

/// [`ConnectSettings`] after their check. Every file that they name has been read, so that nothing is read twice.
#[derive(Debug)]
pub struct CheckedSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) url: Url,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) secret: Secret,
    pub(crate) api_keys: Vec<Secret>,
    pub(crate) ticket_time: Duration,
    pub(crate) privacy_policy: PrivacyPolicy,
    pub(crate) apps: MetaApps,
    pub(crate) meta: MetaSettings,
    /// Which URLs tickets may name.
    pub(crate) allowance: Allowance,
}

impl CheckedSettings {
    /// The settings for tickets that may name these URLs; otherwise they may name public ones with https only.
    #[must_use]
    pub fn allowing(self, allowance: Allowance) -> Self {
        Self { allowance, ..self }
    }
}

/// What is said of a wrong `CONNECT_URL`.
const PAGES_URL_RIGHT: &str = "give the address that browsers use, such as https://connect.example.com";
/// Shorter secrets can be found by trying.
const SECRET_CHARACTERS_MIN: usize = 32;

impl Settings {
    /// How long a stop may take; longer than the longest request to Meta.
    pub const GRACE: Duration = Duration::from_secs(20);
}

impl ConnectSettings {
    /// Whether channels are to be connected at all.
    pub fn is_given(&self) -> bool {
        self.connect_url.is_some() || self.meta.meta_app_id.is_some() || self.meta.instagram_app_id.is_some()
    }

    /// Reads and checks everything, and names everything that is wrong at once.
    pub fn check(&self, trusted_proxies: &TrustedProxies) -> Result<CheckedSettings, Problems> {
        let mut problems = Problems::default();
        let url = problems.collect(self.url());
        problems.collect(self.check_proxies(trusted_proxies));
        let secret = problems.collect(link_secret(self.connect_secret.as_ref(), self.connect_secret_file.as_deref()));
        let api_keys = problems.collect(self.api_keys());
        let apps = problems.collect(self.meta.check());
        let privacy_policy = problems.collect(PrivacyPolicy::load(&self.privacy, self.ticket_time));
        if let Some(url) = &url {
            problems.collect(self.privacy.check(url));
        }
        problems.finish()?;
        let (Some(url), Some(secret), Some(api_keys)) = (url, secret, api_keys) else {
            return Err(Problems::default());
        };
        let (Some(apps), Some(privacy_policy)) = (apps, privacy_policy) else { return Err(Problems::default()) };
        Ok(CheckedSettings {
            listen: self.connect_listen,
            url,
            trusted_proxies: trusted_proxies.clone(),
            secret,
            api_keys,
            ticket_time: self.ticket_time,
            privacy_policy,
            apps,
            meta: self.meta.clone(),
            allowance: Allowance::default(),
        })
    }

    fn url(&self) -> Result<Url, Problem> {
        let missing = || Problem::new("CONNECT_URL", "is missing", PAGES_URL_RIGHT);
        let url = self.connect_url.clone().ok_or_else(missing)?;
        check_pages_url(&url)?;
        Ok(url)
    }

    /// We speak no TLS, so https means a proxy. Unless it is trusted, all clients seem to be that one, and one of them can use
    /// up what all may ask for.
    fn check_proxies(&self, trusted_proxies: &TrustedProxies) -> Result<(), Problem> {
        let is_behind_proxy = self.connect_url.as_ref().is_some_and(|url| url.scheme() == "https");
        if is_behind_proxy && !trusted_proxies.is_given() {
            let right =
                "give the addresses or networks of the proxies that end TLS, or none if no proxy names its clients";
            return Err(Problem::new("TRUSTED_PROXIES", "is missing, while CONNECT_URL is https", right));
        }
        Ok(())
    }

    fn api_keys(&self) -> Result<Vec<Secret>, Problem> {
        let given =
            read_secret("CONNECT_API_KEYS", self.connect_api_keys.as_ref(), self.connect_api_keys_file.as_deref())?;
        let keys = given.map(|keys| keys.list()).unwrap_or_default();
        if keys.iter().any(|key| key.expose().len() < SECRET_CHARACTERS_MIN) {
            let right = format!("give {SECRET_CHARACTERS_MIN} characters or more for each: `openssl rand -hex 32`");
            return Err(Problem::new("CONNECT_API_KEYS", "holds a key that is too short", right));
        }
        Ok(keys)
    }
}

/// Checks an address under which browsers are to reach the pages.
pub fn check_pages_url(url: &Url) -> Result<(), Problem> {
    is_safe("CONNECT_URL", url)?;
    if url.path() != "/" {
        return Err(Problem::new("CONNECT_URL", "has a path", PAGES_URL_RIGHT));
    }
    Ok(())
}

/// Reads the secret that signs links and cookies.
pub(crate) fn link_secret(value: Option<&Secret>, file: Option<&Path>) -> Result<Secret, Problem> {
    let right = "give 32 characters or more that nobody can guess: `openssl rand -hex 32`";
    let secret = read_secret("CONNECT_SECRET", value, file)?;
    let secret = secret.ok_or_else(|| Problem::new("CONNECT_SECRET", "is missing", right))?;
    if secret.expose().len() < SECRET_CHARACTERS_MIN {
        return Err(Problem::new("CONNECT_SECRET", "is too short", right));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(arguments: &[&str]) -> String {
        let settings = Settings::parse_from(["connect"].iter().chain(arguments));
        settings
            .connect
            .check(&settings.trusted_proxies)
            .map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let text = problems(&[]);

        for setting in ["CONNECT_URL", "CONNECT_SECRET", "META_APP_ID"] {
            assert!(text.contains(setting), "{setting} is not named: {text}");
        }
    }

    #[test]
    fn an_app_needs_its_secret_and_a_public_address_needs_tls() {
        let text = problems(&["--meta-app-id", "1", "--connect-url", "http://connect.example.com"]);

        assert!(text.contains("META_APP_SECRET is missing") && text.contains("CONNECT_URL is not https"), "{text}");
    }

    #[test]
    fn one_of_the_two_apps_is_enough() {
        let secret = "0123456789abcdef0123456789abcdef";
        let text = problems(&[
            "--connect-url",
            "https://connect.example.com",
            "--connect-secret",
            secret,
            "--instagram-app-id",
            "1",
            "--instagram-app-secret",
            "s",
            "--privacy-contact",
            "Example Ltd, privacy@example.com",
            "--trusted-proxies",
            "none",
        ]);

        assert_eq!(text, "");
    }

    #[test]
    fn pages_on_the_internet_must_name_who_is_responsible() {
        let public = ["--connect-url", "https://connect.example.com"];
        let contact = ["--privacy-contact", "Example Ltd, privacy@example.com"];

        assert!(problems(&public).contains("PRIVACY_CONTACT is missing"), "{}", problems(&public));
        let blank = [&public[..], &["--privacy-contact", " "]].concat();
        assert!(problems(&blank).contains("PRIVACY_CONTACT is missing"), "{}", problems(&blank));
        assert!(!problems(&[public, contact].concat()).contains("PRIVACY_CONTACT"));
        assert!(!problems(&["--connect-url", "http://127.0.0.1:8090"]).contains("PRIVACY_CONTACT"), "for trying out");
    }

    #[test]
    fn behind_https_the_proxies_are_named_or_said_to_be_none() {
        let text = |url: &str, proxies: &str| problems(&["--connect-url", url, "--trusted-proxies", proxies]);

        assert!(text("https://connect.example.com", "").contains("TRUSTED_PROXIES is missing"));
        for (url, proxies) in [
            ("https://connect.example.com", "none"),
            ("https://connect.example.com", "10.0.0.0/8"),
            ("http://127.0.0.1:8090", ""),
        ] {
            assert!(!text(url, proxies).contains("TRUSTED_PROXIES"), "{url} {proxies}");
        }
    }

    #[test]
    fn an_empty_secret_file_is_a_problem_only_where_there_is_an_app() {
        let file = ["--meta-app-secret-file", "/dev/null"];

        assert!(!problems(&file).contains("META_APP_SECRET"), "{}", problems(&file));
        let text = problems(&[&file[..], &["--meta-app-id", "1"]].concat());
        assert!(text.contains("META_APP_SECRET is missing"), "{text}");
    }
}
