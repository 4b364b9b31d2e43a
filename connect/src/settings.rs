//! What connect is told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use channels::{ChannelsSettings, KeyRingSettings};
use chassis::{Problem, Problems, Secret, TelemetrySettings, TrustedProxies, read_secret};
use clap::{Args, Parser};
use url::{Host, Url};

/// Serves the pages on which a business connects its channels.
#[derive(Clone, Debug, Parser)]
#[command(name = "connect", version)]
pub struct Settings {
    /// Where the pages are served, behind a proxy that ends TLS.
    #[arg(long, env, default_value = "127.0.0.1:8090")]
    pub connect_listen: SocketAddr,
    /// Where `/metrics`, `/live` and `/ready` are served.
    #[arg(long, env, default_value = "127.0.0.1:9403")]
    pub admin_listen: SocketAddr,
    /// How browsers and Meta reach the pages, such as `https://connect.example.com`.
    #[arg(long, env)]
    pub connect_url: Option<Url>,
    /// Signs links and cookies: 32 characters or more that nobody knows. A new one ends every link and session.
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
    /// How long a link can be used.
    #[arg(long, env, default_value = "1h", value_parser = humantime::parse_duration)]
    pub ticket_time: Duration,
    /// The privacy policy that `/privacy` shows, in Markdown. Without it the one that comes with the software.
    #[arg(long, env)]
    pub privacy_policy_file: Option<PathBuf>,
    /// Who is responsible, as that policy names them: such as `Example Ltd, 1 High Street, London, privacy@example.com`.
    #[arg(long, env)]
    pub privacy_contact: Option<String>,
    /// Proxies in front of connect, as addresses or networks, separated by commas: limits then count the client that
    /// their `X-Forwarded-For` names.
    #[arg(long, env, default_value = "")]
    pub trusted_proxies: TrustedProxies,
    /// The apps at Meta.
    #[command(flatten)]
    pub meta: MetaSettings,
    /// Where the channels are.
    #[command(flatten)]
    pub channels: ChannelsSettings,
    /// What seals their tokens.
    #[command(flatten)]
    pub key_ring: KeyRingSettings,
    /// What is logged.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// The apps at Meta, and where Meta is.
#[derive(Args, Clone, Debug)]
pub struct MetaSettings {
    /// The Meta app (App settings > Basic) with which WhatsApp numbers are connected. Without it none are.
    #[arg(long, env)]
    pub meta_app_id: Option<String>,
    /// Its secret.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub meta_app_secret: Option<Secret>,
    /// A file that holds `META_APP_SECRET`.
    #[arg(long, env)]
    pub meta_app_secret_file: Option<PathBuf>,
    /// Its Embedded Signup configuration (Facebook Login for Business > Configurations).
    #[arg(long, env)]
    pub meta_configuration_id: Option<String>,
    /// The Instagram app (Instagram > API setup with Instagram login) with which accounts are connected. Without it none
    /// are.
    #[arg(long, env)]
    pub instagram_app_id: Option<String>,
    /// Its secret.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub instagram_app_secret: Option<Secret>,
    /// A file that holds `INSTAGRAM_APP_SECRET`.
    #[arg(long, env)]
    pub instagram_app_secret_file: Option<PathBuf>,
    /// Version of the Graph API.
    #[arg(long, env, default_value = "v26.0")]
    pub graph_version: String,
    /// The Graph API.
    #[arg(long, env, default_value = "https://graph.facebook.com")]
    pub graph_url: Url,
    /// Instagram's Graph API.
    #[arg(long, env, default_value = "https://graph.instagram.com")]
    pub instagram_graph_url: Url,
    /// Where Instagram exchanges codes.
    #[arg(long, env, default_value = "https://api.instagram.com")]
    pub instagram_api_url: Url,
    /// Where people log in at Instagram.
    #[arg(long, env, default_value = "https://www.instagram.com")]
    pub instagram_url: Url,
    /// Meta's JavaScript SDK.
    #[arg(long, env, default_value = "https://connect.facebook.net/en_US/sdk.js")]
    pub meta_sdk_url: Url,
}

/// One app, with its secret.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) secret: Secret,
}

/// The settings, read and checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) url: Url,
    pub(crate) secret: Secret,
    pub(crate) api_keys: Vec<Secret>,
    pub(crate) whatsapp: Option<App>,
    pub(crate) configuration_id: String,
    pub(crate) instagram: Option<App>,
}

/// Shorter ones can be tried out.
const SECRET_CHARACTERS_MIN: usize = 32;

impl Settings {
    /// Longer than the longest request to Meta.
    pub const GRACE: Duration = Duration::from_secs(20);

    /// Everything that is wrong, at once.
    pub(crate) fn check(&self) -> Result<Checked, Problems> {
        let mut problems = Problems::default();
        let url = problems.collect(self.url());
        let secret = problems.collect(self.secret());
        let api_keys = problems.collect(self.api_keys());
        let apps = problems.collect(self.meta.check());
        problems.finish()?;
        let (Some(url), Some(secret), Some(api_keys), Some((whatsapp, instagram))) = (url, secret, api_keys, apps)
        else {
            return Err(Problems::default());
        };
        let configuration_id = self.meta.meta_configuration_id.clone().unwrap_or_default();
        Ok(Checked { url, secret, api_keys, whatsapp, configuration_id, instagram })
    }

    fn url(&self) -> Result<Url, Problem> {
        let right = "give the address that browsers use, such as https://connect.example.com";
        let url = self.connect_url.clone().ok_or_else(|| Problem::new("CONNECT_URL", "is missing", right))?;
        is_safe("CONNECT_URL", &url)?;
        if url.path() != "/" {
            return Err(Problem::new("CONNECT_URL", "has a path", right));
        }
        Ok(url)
    }

    fn secret(&self) -> Result<Secret, Problem> {
        link_secret(self.connect_secret.as_ref(), self.connect_secret_file.as_deref())
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

impl MetaSettings {
    /// The app for WhatsApp and the one for Instagram; one is enough.
    pub(crate) fn check(&self) -> Result<(Option<App>, Option<App>), Problems> {
        let mut problems = Problems::default();
        let whatsapp = problems.collect(self.whatsapp()).flatten();
        let instagram = problems.collect(self.instagram()).flatten();
        for (setting, url) in self.urls() {
            problems.collect(is_safe(setting, url));
        }
        if self.meta_app_id.is_none() && self.instagram_app_id.is_none() {
            problems.collect::<()>(Err(Problem::new(
                "META_APP_ID",
                "and INSTAGRAM_APP_ID are both missing",
                "give the app with which channels are connected",
            )));
        }
        problems.finish()?;
        Ok((whatsapp, instagram))
    }

    fn whatsapp(&self) -> Result<Option<App>, Problem> {
        let app = app(
            ("META_APP_ID", self.meta_app_id.as_ref()),
            ("META_APP_SECRET", self.meta_app_secret.as_ref(), self.meta_app_secret_file.as_deref()),
        )?;
        if app.is_some() && self.meta_configuration_id.is_none() {
            let right =
                "give the id of the Embedded Signup configuration (Facebook Login for Business > Configurations)";
            return Err(Problem::new("META_CONFIGURATION_ID", "is missing", right));
        }
        Ok(app)
    }

    fn instagram(&self) -> Result<Option<App>, Problem> {
        app(
            ("INSTAGRAM_APP_ID", self.instagram_app_id.as_ref()),
            ("INSTAGRAM_APP_SECRET", self.instagram_app_secret.as_ref(), self.instagram_app_secret_file.as_deref()),
        )
    }

    fn urls(&self) -> [(&'static str, &Url); 5] {
        [
            ("GRAPH_URL", &self.graph_url),
            ("INSTAGRAM_GRAPH_URL", &self.instagram_graph_url),
            ("INSTAGRAM_API_URL", &self.instagram_api_url),
            ("INSTAGRAM_URL", &self.instagram_url),
            ("META_SDK_URL", &self.meta_sdk_url),
        ]
    }
}

/// What signs links and cookies.
pub(crate) fn link_secret(value: Option<&Secret>, file: Option<&Path>) -> Result<Secret, Problem> {
    let right = "give 32 characters or more that nobody knows: `openssl rand -hex 32`";
    let secret = read_secret("CONNECT_SECRET", value, file)?;
    let secret = secret.ok_or_else(|| Problem::new("CONNECT_SECRET", "is missing", right))?;
    if secret.expose().len() < SECRET_CHARACTERS_MIN {
        return Err(Problem::new("CONNECT_SECRET", "is too short", right));
    }
    Ok(secret)
}

fn app(
    (id_setting, id): (&'static str, Option<&String>),
    (setting, secret, file): (&'static str, Option<&Secret>, Option<&Path>),
) -> Result<Option<App>, Problem> {
    let secret = read_secret(setting, secret, file)?;
    match (id, secret) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => Ok(Some(App { id: id.clone(), secret })),
        (Some(_), None) => {
            Err(Problem::new(setting, "is missing", "give the secret of that app (App settings > Basic)"))
        }
        (None, Some(_)) => Err(Problem::new(id_setting, "is missing", format!("give the id of the app of {setting}"))),
    }
}

/// Tokens and cookies travel there: https, or this machine.
fn is_safe(setting: &'static str, url: &Url) -> Result<(), Problem> {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && is_loopback) {
        return Ok(());
    }
    Err(Problem::new(setting, "is not https", "write https://host (http only to this machine itself)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(arguments: &[&str]) -> String {
        let settings = Settings::parse_from(["connect"].iter().chain(arguments));
        settings.check().map_or_else(|problems| problems.to_string(), |_| String::new())
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
    fn one_app_is_enough() {
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
        ]);

        assert_eq!(text, "");
    }
}
