//! Connect's settings for the apps at Meta.

use std::path::{Path, PathBuf};

use channels::{AppKind, SigningApp};
use chassis::{Problem, Problems, Secret, read_secret};
use clap::Args;
use url::{Host, Url};

/// The apps at Meta, and Meta's addresses.
#[derive(Args, Clone, Debug)]
pub struct MetaSettings {
    /// The Meta app (App settings > Basic) with which WhatsApp numbers are connected. Without it, none can be.
    #[arg(long, env)]
    pub meta_app_id: Option<String>,
    /// The secret of that app.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub meta_app_secret: Option<Secret>,
    /// A file that holds `META_APP_SECRET`.
    #[arg(long, env)]
    pub meta_app_secret_file: Option<PathBuf>,
    /// The app's Embedded Signup configuration (Facebook Login for Business > Configurations).
    #[arg(long, env)]
    pub meta_configuration_id: Option<String>,
    /// The Instagram app (Instagram > API setup with Instagram login) with which accounts are connected. Without it, none
    /// can be.
    #[arg(long, env)]
    pub instagram_app_id: Option<String>,
    /// The secret of that app.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub instagram_app_secret: Option<Secret>,
    /// A file that holds `INSTAGRAM_APP_SECRET`.
    #[arg(long, env)]
    pub instagram_app_secret_file: Option<PathBuf>,
    /// The version of the Graph API to use.
    #[arg(long, env, default_value = "v26.0")]
    pub graph_version: String,
    /// The Graph API.
    #[arg(long, env, default_value = "https://graph.facebook.com")]
    pub graph_url: Url,
    /// Instagram's Graph API.
    #[arg(long, env, default_value = "https://graph.instagram.com")]
    pub instagram_graph_url: Url,
    /// Where Instagram exchanges codes for tokens.
    #[arg(long, env, default_value = "https://api.instagram.com")]
    pub instagram_api_url: Url,
    /// Where people log in at Instagram.
    #[arg(long, env, default_value = "https://www.instagram.com")]
    pub instagram_url: Url,
    /// Meta's JavaScript SDK.
    #[arg(long, env, default_value = "https://connect.facebook.net/en_US/sdk.js")]
    pub meta_sdk_url: Url,
}

/// An app at Meta, with its secret.
#[derive(Clone, Debug)]
pub(crate) struct MetaApp {
    pub(crate) id: String,
    pub(crate) secret: Secret,
}

/// The app for WhatsApp and the one for Instagram; there is at least one of them.
#[derive(Clone, Debug)]
pub(crate) struct MetaApps {
    pub(crate) whatsapp: Option<MetaApp>,
    pub(crate) instagram: Option<MetaApp>,
}

impl MetaApps {
    /// The apps of which this holds: more than one only where they have the same secret.
    pub(crate) fn that(&self, has_signed: impl Fn(&Secret) -> bool) -> Vec<SigningApp> {
        let kinds = [(&self.whatsapp, AppKind::Meta), (&self.instagram, AppKind::Instagram)];
        let apps = kinds.into_iter().filter_map(|(app, kind)| Some((app.as_ref()?, kind)));
        let signing = apps.filter(|(app, _)| has_signed(&app.secret));
        signing.map(|(app, kind)| SigningApp { id: app.id.clone(), kind }).collect()
    }
}

/// The three settings that describe one app.
struct AppSettings<'a> {
    id_setting: &'static str,
    id: Option<&'a String>,
    secret_setting: &'static str,
    secret: Option<&'a Secret>,
    secret_file: Option<&'a Path>,
}

impl MetaSettings {
    /// Reads the apps and their secrets, and names everything that is wrong at once.
    pub(crate) fn check(&self) -> Result<MetaApps, Problems> {
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
        Ok(MetaApps { whatsapp, instagram })
    }

    fn whatsapp(&self) -> Result<Option<MetaApp>, Problem> {
        let settings = AppSettings {
            id_setting: "META_APP_ID",
            id: self.meta_app_id.as_ref(),
            secret_setting: "META_APP_SECRET",
            secret: self.meta_app_secret.as_ref(),
            secret_file: self.meta_app_secret_file.as_deref(),
        };
        let app = settings.check()?;
        if app.is_some() && self.meta_configuration_id.is_none() {
            let right =
                "give the id of the Embedded Signup configuration (Facebook Login for Business > Configurations)";
            return Err(Problem::new("META_CONFIGURATION_ID", "is missing", right));
        }
        Ok(app)
    }

    fn instagram(&self) -> Result<Option<MetaApp>, Problem> {
        let settings = AppSettings {
            id_setting: "INSTAGRAM_APP_ID",
            id: self.instagram_app_id.as_ref(),
            secret_setting: "INSTAGRAM_APP_SECRET",
            secret: self.instagram_app_secret.as_ref(),
            secret_file: self.instagram_app_secret_file.as_deref(),
        };
        settings.check()
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

impl AppSettings<'_> {
    /// The app, if there is one: its id and its secret must be given together.
    fn check(self) -> Result<Option<MetaApp>, Problem> {
        let secret_file = self.secret_file.filter(|file| !is_blank(file));
        let secret = read_secret(self.secret_setting, self.secret, secret_file)?;
        match (self.id, secret) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => Ok(Some(MetaApp { id: id.clone(), secret })),
            (Some(_), None) => {
                let right = "give the secret of that app (App settings > Basic)";
                Err(Problem::new(self.secret_setting, "is missing", right))
            }
            (None, Some(_)) => {
                let right = format!("give the id of the app whose secret is {}", self.secret_setting);
                Err(Problem::new(self.id_setting, "is missing", right))
            }
        }
    }
}

/// Where files are laid out in advance, an app that is not used has an empty file for its secret.
fn is_blank(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.trim().is_empty())
}

/// Tokens and cookies travel to these addresses, so they must be https, or on this machine.
pub(super) fn is_safe(setting: &'static str, url: &Url) -> Result<(), Problem> {
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
