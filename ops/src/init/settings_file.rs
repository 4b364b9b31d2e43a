//! The settings file: one line for each setting, each explained, in a form that a shell and systemd both read.

use std::fmt::Write as _;
use std::path::Path;

use super::answers::{Answers, Pages, Systems};
use super::made;
use crate::doctor::Setting;

/// Its name in the folder.
pub(super) const FILE: &str = "settings.env";

const HEAD: &str = "\
# Settings of the Meta Integration Service, made by `ops init`. docs/configuration.md lists all that there are.
# A change holds once the processes have been started again.
";
const PROXY: &str = "Proxies that end TLS in front of us, here on the same machine: log lines show the clients that they name, \
                     and limits count these. `none`: there is no such proxy.";
const KEY_RING: &str = "The keys that seal and open all tokens. Keep a copy elsewhere, and never in one place with copies of \
                        the channels: without it no token opens, and with both everybody can open them.";
const SERVERS: &str = "Each process has its own file in that folder (queue-url-…, channels-url-…), which may name a user with \
                       the rights of that process alone (docs/security-rights.md). This one is for `ops`.";

/// A line of the file.
struct Line {
    comment: &'static str,
    name: &'static str,
    /// Without a value the line is there to be filled in.
    value: Option<String>,
}

/// The settings file.
pub(super) struct SettingsFile {
    load_command: String,
    lines: Vec<Line>,
}

impl SettingsFile {
    pub(super) fn new(answers: &Answers, folder: &Path) -> Self {
        let secret = |name: &str| Some(folder.join(made::FOLDER).join(name).display().to_string());
        let mut file = Self { load_command: load_command(folder), lines: Vec::new() };
        file.add_accepting(&secret);
        file.add_systems(&answers.systems, &secret);
        file.add("KEY_RING_FILE", secret("key-ring"), KEY_RING);
        file.add("DSK_URL", Some(answers.dsk_url.clone()), "Where DSK takes events.");
        let text = "Whether http to other machines is allowed. Tokens and messages then travel in clear.";
        file.add("DSK_ALLOW_HTTP", Some(answers.dsk_allow_http.to_string()), text);
        let text = "Signs what DSK gets: give it to DSK, which verifies with it who has sent a request.";
        file.add("DSK_SIGNING_SECRET_FILE", secret("signing-secret"), text);
        file.add_pages(answers.pages.as_ref(), &secret);
        if let Systems::Files(_) = answers.systems {
            let text = "Where /metrics, /live and /ready are served.";
            file.add("ADMIN_LISTEN", Some("127.0.0.1:9401".to_owned()), text);
        }
        let text = "What is logged: a level (error, warn, info, debug, trace), or levels by crate such as info,queue=debug. \
                    Without it the processes log at info, and `ops` in a shell that has loaded this file logs nothing.";
        file.add("LOG", None, text);
        file.add(
            "LOG_FORMAT",
            None,
            "Form of log lines: text for people, which is the default, or json for log collectors.",
        );
        file
    }

    fn add_accepting(&mut self, secret: &impl Fn(&str) -> Option<String>) {
        let text = "The secrets of the Meta apps whose notifications are accepted, one a line.";
        self.add("META_APP_SECRETS_FILE", secret("app-secret"), text);
        let text = "The verify token: enter it in the form of the webhook in Meta's app dashboard.";
        self.add("META_VERIFY_TOKENS_FILE", secret("verify-token"), text);
        let text = "Where notifications arrive, at /webhook. Meta posts to a public https address, so a proxy that ends TLS \
                    passes them on to this one (ops/nginx has an example).";
        self.add("INGEST_LISTEN", Some("127.0.0.1:8080".to_owned()), text);
        self.add("TRUSTED_PROXIES", Some("127.0.0.1,::1".to_owned()), PROXY);
    }

    fn add_systems(&mut self, systems: &Systems, secret: &impl Fn(&str) -> Option<String>) {
        match systems {
            Systems::Files(data) => {
                let url = Some(format!("embedded:{}", data.display()));
                self.add("QUEUE_URL", url.clone(), "The folder where events wait until DSK has them.");
                self.add("CHANNELS_URL", url, "The folder where the channels are, with their tokens sealed.");
            }
            Systems::Servers { .. } => {
                self.add("QUEUE_URL_FILE", secret("queue-url-ops"), SERVERS);
                self.add(
                    "CHANNELS_URL_FILE",
                    secret("channels-url-ops"),
                    "The same for Redis, where the channels are.",
                );
            }
        }
    }

    fn add_pages(&mut self, pages: Option<&Pages>, secret: &impl Fn(&str) -> Option<String>) {
        let meta = pages.and_then(|pages| pages.meta.as_ref());
        let instagram = pages.and_then(|pages| pages.instagram.as_ref());
        let origin = pages.map(|pages| pages.url.to_string().trim_end_matches('/').to_owned());
        let text =
            "Where browsers reach the pages on which businesses connect channels. Without it there are no pages.";
        self.add("CONNECT_URL", origin, text);
        let text = "Name and address of the responsible company, for the privacy policy of the pages.";
        self.add("PRIVACY_CONTACT", pages.and_then(|pages| pages.privacy_contact.clone()), text);
        let text = "Signs links and cookies of the pages. A new one ends every link and session.";
        self.add("CONNECT_SECRET_FILE", secret("connect-secret"), text);
        let text = "The keys with which DSK asks for links, one a line: give it the one in the file.";
        self.add("CONNECT_API_KEYS_FILE", secret("connect-api-keys"), text);
        let text = "The Meta app (App settings > Basic) with which WhatsApp numbers are connected.";
        self.add("META_APP_ID", meta.map(|app| app.id.clone()), text);
        let text = "Its Embedded Signup configuration (Facebook Login for Business > Configurations).";
        self.add("META_CONFIGURATION_ID", meta.map(|app| app.configuration_id.clone()), text);
        let text = "Its secret; the file is empty as long as there is no such app.";
        self.add("META_APP_SECRET_FILE", secret("meta-app-secret"), text);
        let text = "The Instagram app (Instagram > API setup with Instagram login) with which accounts are connected.";
        self.add("INSTAGRAM_APP_ID", instagram.map(|app| app.id.clone()), text);
        let text = "Its secret, which also belongs into the file of META_APP_SECRETS_FILE; empty as long as there is no such \
                    app.";
        self.add("INSTAGRAM_APP_SECRET_FILE", secret("instagram-app-secret"), text);
    }

    fn add(&mut self, name: &'static str, value: Option<String>, comment: &'static str) {
        self.lines.push(Line { comment, name, value });
    }

    /// The settings that have a value.
    pub(super) fn values(&self) -> Vec<Setting> {
        let valued = self.lines.iter().filter_map(|line| Some((line.name, line.value.clone()?)));
        valued.map(|(name, value)| Setting { name, value }).collect()
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{HEAD}# In a shell: {}\n", self.load_command);
        for Line { comment, name, value } in &self.lines {
            text.push('\n');
            for part in wrapped(comment) {
                writeln!(text, "# {part}").expect("writing to a string cannot fail");
            }
            let line = match value {
                Some(value) => format!("{name}={}", quoted(value)),
                None => format!("#{name}="),
            };
            writeln!(text, "{line}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// What loads the settings into a shell.
pub(super) fn load_command(folder: &Path) -> String {
    format!("set -a; . {}; set +a", quoted(&folder.join(FILE).display().to_string()))
}

/// A value as a POSIX shell and systemd both read it. Control characters were refused before.
fn quoted(value: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:,@%+=".contains(letter);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in value.chars() {
        if "\"\\`$".contains(letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// The lines of a comment, none longer than a person reads at once.
fn wrapped(text: &str) -> Vec<String> {
    const LETTERS_MAX: usize = 98;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < LETTERS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests;
