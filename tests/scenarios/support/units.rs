//! The units in ops/systemd, as far as tests read them, and what systemd would run for them.

use std::path::Path;

use crate::support::stack::program;
use crate::support::workspace::{read, root};

/// The units, one for each way to run a process.
pub(crate) const UNITS: [&str; 4] = [
    "meta-integration-standalone.service",
    "meta-integration-ingest.service",
    "meta-integration-dispatcher@.service",
    "meta-integration-connect.service",
];
/// The folder that they read.
const FOLDER: &str = "/etc/meta-integration";

/// A unit, with the lines of the files that all units share before its own.
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    lines: Vec<(String, String)>,
}

/// A secret that systemd hands to a process.
pub(crate) struct Credential {
    pub(crate) id: String,
    /// Its file below the folder of the settings.
    pub(crate) source: String,
}

impl Unit {
    pub(crate) fn read(name: &'static str) -> Self {
        let folder = root().join("ops/systemd");
        let text = ["meta-integration-.service.d/hardened.conf", name].map(|file| read(&folder.join(file))).join("\n");
        let text = text.replace("\\\n", " ");
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        Self { name, lines: lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
    }

    /// Every value of a key, in their order.
    pub(crate) fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key that stands there once.
    pub(crate) fn value(&self, key: &str) -> &str {
        let values: Vec<&str> = self.values(key).collect();
        assert!(values.len() == 1, "{} has {key} as {values:?}", self.name);
        values[0]
    }

    pub(crate) fn credentials(&self) -> Vec<Credential> {
        let parse = |value: &str| {
            let (id, path) = value.split_once(':').expect("a credential has a name and a file");
            let source = path.strip_prefix(FOLDER).expect("it is in the folder of the settings");
            Credential { id: id.to_owned(), source: source.trim_start_matches('/').to_owned() }
        };
        self.values("LoadCredential").map(parse).collect()
    }

    /// The program, as it is called here, and its arguments.
    pub(crate) fn command(&self) -> Vec<&str> {
        self.value("ExecStart").split_whitespace().collect()
    }

    /// The name of the process.
    pub(crate) fn process(&self) -> &str {
        let program = self.command()[0];
        program.rsplit('/').next().unwrap_or_default()
    }

    /// What systemd does at a start, as a script: it copies the secrets into a folder of the process, loads the settings and
    /// runs the program. `settings` is the folder of the settings, `run` an empty one, `instance` follows the name's `@`.
    pub(crate) fn script(&self, settings: &Path, run: &Path, instance: &str) -> String {
        let copy = |credential: Credential| {
            let source = settings.join(credential.source);
            format!("/bin/cp '{}' '{}'", source.display(), run.join(credential.id).display())
        };
        let mut lines = vec!["set -eu".to_owned()];
        lines.extend(self.credentials().into_iter().map(copy));
        lines.push(format!("export CREDENTIALS_DIRECTORY='{}'", run.display()));
        lines.push(format!("set -a; . '{}'; set +a", settings.join("settings.env").display()));
        let built = program(self.process()).display().to_string();
        let command = self.value("ExecStart").replace(self.command()[0], &built).replace("%i", instance);
        lines.push(format!("exec {command}"));
        lines.join("\n")
    }
}
