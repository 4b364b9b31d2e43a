//! What only a person knows: where DSK and the servers are, which apps at Meta there are, and who is responsible.

use std::path::{Path, PathBuf, absolute};

use ::channels::{Allowance, ChannelsSettings};
use chassis::Secret;
use clap::Args;
use connect::{PrivacySettings, check_pages_url};
use dispatcher::Endpoint;
use queue::QueueSettings;
use url::Url;

use super::interview::{Interview, Question};
use crate::failure::Failure;
use crate::files;

const DSK_URL: Question =
    Question { flag: "--dsk-url URL", text: "Where DSK takes events, such as https://dsk.example.com/events" };
const APP_SECRET: Question = Question {
    flag: "--app-secret-file FILE",
    text: "The secret of your app at Meta (App settings > Basic; it is not shown)",
};
const PAGES: Question = Question {
    flag: "--connect-url URL",
    text: "Where browsers reach the pages on which businesses connect channels, such as https://connect.example.com (empty: \
           no pages)",
};
const PRIVACY_CONTACT: Question = Question {
    flag: "--privacy-contact TEXT",
    text: "Name and address of the responsible company, for the privacy policy",
};
const META_APP: Question =
    Question { flag: "--meta-app-id ID", text: "The id of that app at Meta, to connect WhatsApp (empty: no WhatsApp)" };
const META_CONFIGURATION: Question = Question {
    flag: "--meta-configuration-id ID",
    text: "The id of its Embedded Signup configuration (Facebook Login for Business > Configurations)",
};
const INSTAGRAM_APP: Question = Question {
    flag: "--instagram-app-id ID",
    text: "The id of the Instagram app, to connect Instagram (empty: no Instagram)",
};
const SOME_APP: Question = Question {
    flag: "--meta-app-id ID or --instagram-app-id ID",
    text: "The id of the Instagram app (one of the two apps is needed)",
};
const INSTAGRAM_SECRET: Question =
    Question { flag: "--instagram-app-secret-file FILE", text: "The secret of the Instagram app (it is not shown)" };

/// What flags say. What they leave out is asked for.
#[derive(Args, Debug)]
pub(super) struct Given {
    /// Where DSK takes events.
    #[arg(long, value_name = "URL")]
    dsk_url: Option<String>,
    /// Allows http to other machines. Tokens and messages then travel in clear.
    #[arg(long)]
    dsk_allow_http: bool,
    /// A file with the secrets of the Meta apps whose notifications are accepted, one a line, that of `--meta-app-id` first;
    /// `-` is standard input.
    #[arg(long, value_name = "FILE")]
    app_secret_file: Option<PathBuf>,
    /// The folder for events and channels. By default it is beside the folder of the settings, and for one in /etc in
    /// /var/lib.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["rabbitmq", "redis"])]
    data: Option<PathBuf>,
    /// For ingest, dispatcher and connect as processes of their own: a file with RabbitMQ's address, such as
    /// `amqp://user:password@host:5672/vhost`. Without it everything is one process on files.
    #[arg(long, value_name = "FILE", requires = "redis")]
    rabbitmq: Option<PathBuf>,
    /// A file with Redis' address, such as `redis://user:password@host:6379/0`.
    #[arg(long, value_name = "FILE", requires = "rabbitmq")]
    redis: Option<PathBuf>,
    /// Where browsers reach the pages on which businesses connect channels. Without it there are no pages.
    #[arg(long, value_name = "URL")]
    connect_url: Option<String>,
    /// Name and address of the responsible company, for the privacy policy of the pages.
    #[arg(long, value_name = "TEXT", requires = "connect_url")]
    privacy_contact: Option<String>,
    /// The Meta app with which WhatsApp numbers are connected.
    #[arg(long, value_name = "ID", requires = "connect_url")]
    meta_app_id: Option<String>,
    /// The Embedded Signup configuration of that app.
    #[arg(long, value_name = "ID", requires = "meta_app_id")]
    meta_configuration_id: Option<String>,
    /// The Instagram app with which accounts are connected.
    #[arg(long, value_name = "ID", requires = "connect_url")]
    instagram_app_id: Option<String>,
    /// A file with the secret of the Instagram app. Notifications that it signs are accepted, too.
    #[arg(long, value_name = "FILE", requires = "instagram_app_id")]
    instagram_app_secret_file: Option<PathBuf>,
}

/// Everything that a person has said.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) dsk_url: String,
    pub(super) dsk_allow_http: bool,
    pub(super) systems: Systems,
    pub(super) pages: Option<Pages>,
    app_secrets: Secret,
}

/// Where queue and channels are.
#[derive(Debug)]
pub(super) enum Systems {
    /// In files of this folder, and everything is one process.
    Files(PathBuf),
    /// In servers, and each process has its own addresses of them.
    Servers { rabbitmq: Secret, redis: Secret },
}

/// The pages of connect.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) url: Url,
    pub(super) privacy_contact: Option<String>,
    pub(super) meta: Option<MetaApp>,
    pub(super) instagram: Option<InstagramApp>,
}

/// The app that connects WhatsApp numbers. Its secret is the first of the app secrets.
#[derive(Debug)]
pub(super) struct MetaApp {
    pub(super) id: String,
    pub(super) configuration_id: String,
}

/// The app that connects Instagram accounts.
#[derive(Debug)]
pub(super) struct InstagramApp {
    pub(super) id: String,
    pub(super) secret: Secret,
}

impl Answers {
    /// The first of the secrets that sign notifications.
    pub(super) fn first_app_secret(&self) -> Secret {
        self.app_secrets.list().into_iter().next().unwrap_or_else(|| self.app_secrets.clone())
    }

    /// The secrets that sign notifications, one a line. With Instagram Login its app signs.
    pub(super) fn app_secrets(&self) -> Secret {
        let instagram = self.pages.as_ref().and_then(|pages| pages.instagram.as_ref());
        let mut secrets = self.app_secrets.list();
        secrets.extend(instagram.map(|app| app.secret.clone()).filter(|secret| !secrets.contains(secret)));
        Secret::new(secrets.iter().map(Secret::expose).collect::<Vec<_>>().join("\n"))
    }
}

impl Given {
    /// Asks for what is not given.
    pub(super) fn answers(&self, systems: Systems) -> Result<Answers, Failure> {
        let mut interview = Interview::begin();
        let allowance = Allowance { http: self.dsk_allow_http, private: true };
        let dsk_url = interview.needed(DSK_URL, self.dsk_url.as_deref(), |text| {
            Endpoint::parse(text, allowance).map_err(|problem| problem.to_string())?;
            one_line(text)
        })?;
        let app_secrets = interview.secret(APP_SECRET, self.app_secret_file.as_deref())?;
        let pages = self.pages(&mut interview)?;
        interview.finish()?;
        let needed = "what is needed and was not given is missing, and `finish` fails then";
        Ok(Answers {
            dsk_url: dsk_url.expect(needed),
            dsk_allow_http: self.dsk_allow_http,
            systems,
            pages,
            app_secrets: app_secrets.expect(needed),
        })
    }

    /// Where queue and channels are to be, for settings in `folder`.
    pub(super) fn systems(&self, folder: &Path) -> Result<Systems, Failure> {
        let (Some(rabbitmq), Some(redis)) = (&self.rabbitmq, &self.redis) else {
            let data = self.data.clone().unwrap_or_else(|| default_data(folder));
            return Ok(Systems::Files(absolute(data)?));
        };
        let rabbitmq = address("--rabbitmq", rabbitmq)?;
        QueueSettings::at(rabbitmq.expose()).check_broker().map_err(Failure::usage)?;
        let redis = address("--redis", redis)?;
        ChannelsSettings::at(redis.expose(), "").check_server().map_err(Failure::usage)?;
        Ok(Systems::Servers { rabbitmq, redis })
    }

    fn pages(&self, interview: &mut Interview) -> Result<Option<Pages>, Failure> {
        let given = self.connect_url.as_deref();
        let Some(url) = interview.optional(PAGES, given, pages_url)? else { return Ok(None) };
        let given = self.privacy_contact.as_deref();
        let privacy_contact = match PrivacySettings::default().check(&url) {
            Ok(()) => interview.optional(PRIVACY_CONTACT, given, one_line)?,
            Err(_) => interview.needed(PRIVACY_CONTACT, given, one_line)?,
        };
        let meta = match interview.optional(META_APP, self.meta_app_id.as_deref(), one_line)? {
            Some(id) => {
                let given = self.meta_configuration_id.as_deref();
                let configuration_id = interview.needed(META_CONFIGURATION, given, one_line)?;
                configuration_id.map(|configuration_id| MetaApp { id, configuration_id })
            }
            None => None,
        };
        let given = self.instagram_app_id.as_deref();
        let id = match meta {
            Some(_) => interview.optional(INSTAGRAM_APP, given, one_line)?,
            None if self.meta_app_id.is_some() => None,
            None => interview.needed(SOME_APP, given, one_line)?,
        };
        let instagram = match id {
            Some(id) => {
                let secret = interview.secret(INSTAGRAM_SECRET, self.instagram_app_secret_file.as_deref())?;
                secret.map(|secret| InstagramApp { id, secret })
            }
            None => None,
        };
        Ok(Some(Pages { url, privacy_contact, meta, instagram }))
    }
}

/// Data belongs into /var/lib where settings belong into /etc.
fn default_data(folder: &Path) -> PathBuf {
    match folder.strip_prefix("/etc") {
        Ok(name) => Path::new("/var/lib").join(name),
        Err(_) => {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            folder.with_file_name(format!("{name}-data"))
        }
    }
}

/// An address that may hold a password comes from a file, because every user of this machine can read arguments.
fn address(flag: &str, file: &Path) -> Result<Secret, Failure> {
    if file.to_string_lossy().contains("://") {
        return Err(Failure::usage(format!(
            "{flag} names a file: write the address into one, because every user of this machine can read arguments with `ps`"
        )));
    }
    files::read_secret(file)
}

/// A line of the settings file holds it.
fn one_line(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("This is needed.".to_owned()),
        text if text.contains(char::is_control) => Err("Write it as one line.".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn pages_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text} is not a URL ({error}): write https://host"))?;
    check_pages_url(&url).map_err(|problem| problem.to_string())?;
    Ok(url)
}

#[cfg(test)]
impl Answers {
    /// Answers for tests.
    pub(super) fn example(systems: Systems, pages: Option<Pages>) -> Self {
        let dsk_url = "https://dsk.example.com/events".to_owned();
        Self { dsk_url, dsk_allow_http: false, systems, pages, app_secrets: Secret::new("first\nsecond") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_that_the_instagram_app_signs_are_accepted_too() {
        let instagram = InstagramApp { id: "2".to_owned(), secret: Secret::new("of-instagram") };
        let url = "https://connect.example.com".parse().unwrap();
        let pages = Pages { url, privacy_contact: None, meta: None, instagram: Some(instagram) };
        let answers = Answers::example(Systems::Files(PathBuf::from("/data")), Some(pages));

        assert_eq!(answers.app_secrets().expose(), "first\nsecond\nof-instagram");
        assert_eq!(answers.first_app_secret().expose(), "first");
    }

    #[test]
    fn data_lies_beside_the_settings_and_for_those_in_etc_in_var_lib() {
        assert_eq!(default_data(Path::new("/home/ada/service")), Path::new("/home/ada/service-data"));
        assert_eq!(default_data(Path::new("/etc/meta-integration")), Path::new("/var/lib/meta-integration"));
    }

    #[test]
    fn an_address_among_the_arguments_is_refused_without_repeating_its_password() {
        let failure = address("--rabbitmq", Path::new("amqp://meta:pa55word@broker/meta")).unwrap_err();

        assert!(failure.text().is_some_and(|text| text.contains("--rabbitmq") && !text.contains("pa55word")));
    }
}
