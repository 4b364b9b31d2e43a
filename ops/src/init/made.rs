//! The secrets that `ops init` makes or is given, one file each, with the names that the units and containers know.

use channels::new_key;
use chassis::{Secret, SigningSecret, random};

use super::answers::{Answers, Systems};

/// The folder of the secrets, below that of the settings.
pub(super) const FOLDER: &str = "secrets";
/// The processes that log in to RabbitMQ, each of which may have a user of its own.
const QUEUE_USERS: [&str; 3] = ["queue-url-ingest", "queue-url-dispatcher", "queue-url-ops"];
/// The processes that log in to Redis.
const CHANNELS_USERS: [&str; 3] = ["channels-url-dispatcher", "channels-url-connect", "channels-url-ops"];
/// Meta's form takes any text.
const VERIFY_TOKEN_BYTES: usize = 24;
/// Twice as many characters, which is more than connect demands.
const CONNECT_SECRET_BYTES: usize = 32;

/// A secret in a file of its own.
pub(super) struct SecretFile {
    pub(super) name: &'static str,
    pub(super) text: Secret,
}

/// Everything that is written into the folder of the secrets.
pub(super) struct Made(Vec<SecretFile>);

impl Made {
    pub(super) fn new(answers: &Answers) -> Self {
        let meta_app = answers.pages.as_ref().and_then(|pages| pages.meta.as_ref());
        let instagram = answers.pages.as_ref().and_then(|pages| pages.instagram.as_ref());
        // An app that connects nothing has an empty file: every unit finds the same files.
        let none = || Secret::new("");
        let mut made = Self(Vec::new());
        made.add("key-ring", new_key());
        made.add("app-secret", answers.app_secrets());
        made.add("verify-token", Secret::new(hex::encode(random::<VERIFY_TOKEN_BYTES>())));
        made.add("signing-secret", SigningSecret::generate());
        made.add("connect-secret", Secret::new(hex::encode(random::<CONNECT_SECRET_BYTES>())));
        made.add("connect-api-keys", Secret::new(hex::encode(random::<CONNECT_SECRET_BYTES>())));
        made.add("meta-app-secret", meta_app.map_or_else(none, |_| answers.first_app_secret()));
        made.add("instagram-app-secret", instagram.map_or_else(none, |app| app.secret.clone()));
        if let Systems::Servers { rabbitmq, redis } = &answers.systems {
            QUEUE_USERS.into_iter().for_each(|name| made.add(name, rabbitmq.clone()));
            CHANNELS_USERS.into_iter().for_each(|name| made.add(name, redis.clone()));
        }
        made
    }

    fn add(&mut self, name: &'static str, secret: Secret) {
        let line_end = if secret.expose().is_empty() { "" } else { "\n" };
        self.0.push(SecretFile { name, text: Secret::new(format!("{}{line_end}", secret.expose())) });
    }

    pub(super) fn files(&self) -> &[SecretFile] {
        &self.0
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|file| file.name).collect()
    }
}
