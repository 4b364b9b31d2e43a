//! What connect is told about the apps at Meta.

use std::path::{Path, PathBuf};

use chassis::{Problem, Problems, Secret, read_secret};
use clap::Args;
use url::{Host, Url};

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

fn app(
    (id_setting, id): (&'static str, Option<&String>),
    (setting, secret, file): (&'static str, Option<&Secret>, Option<&Path>),
) -> Result<Option<App>, Problem> {
    let secret = read_secret(setting, secret, file.filter(|file| !is_blank(file)))?;
    match (id, secret) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => Ok(Some(App { id: id.clone(), secret })),
        (Some(_), None) => {
            Err(Problem::new(setting, "is missing", "give the secret of that app (App settings > Basic)"))
        }
        (None, Some(_)) => Err(Problem::new(id_setting, "is missing", format!("give the id of the app of {setting}"))),
    }
}

/// Whoever uses one of the two apps has an empty file for the other's secret, where files are laid out in advance.
fn is_blank(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.trim().is_empty())
}

/// Tokens and cookies travel there: https, or this machine.
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
