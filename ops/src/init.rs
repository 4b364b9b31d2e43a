//! `ops init`: sets a machine up with a key ring, secrets and a settings file, and then has `ops doctor` look at it.

mod answers;
mod folder;
mod interview;
mod made;
mod settings_file;

use std::path::{Path, PathBuf, absolute};

use clap::Args;

use crate::doctor::Doctor;
use crate::failure::Failure;
use crate::output::{outln, remark};
use answers::{Answers, Given, Systems};
use made::Made;
use settings_file::{FILE, SettingsFile};

/// The folder that the units in ops/systemd read.
const OF_UNITS: &str = "/etc/meta-integration";
/// The unit of `ops standalone`.
const STANDALONE_UNIT: &str = "meta-integration-standalone";
/// The units of the processes apart. A dispatcher's instance is the port of its `/metrics`.
const UNITS_APART: &str = "meta-integration-dispatcher@9402 meta-integration-ingest";
/// The unit of connect, if it runs apart.
const CONNECT_UNIT: &str = "meta-integration-connect";

/// Makes a folder with everything that the service needs on this machine: a key ring, a verify token, a signing secret and
/// the secrets of connect, and a settings file that explains each of its lines. It asks for what only a person knows, unless
/// flags say it, and ends with `ops doctor`. It overwrites nothing.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// The folder, which must be empty or not exist. The units of the package read /etc/meta-integration.
    folder: PathBuf,
    #[command(flatten)]
    given: Given,
}

impl Init {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let unusable = |error| Failure::usage(format!("{}: {error}", self.folder.display()));
        let folder = absolute(&self.folder).map_err(unusable)?;
        folder::check_unused(&folder, &again(&folder))?;
        let systems = self.given.systems(&folder)?;
        if let Systems::Files(data) = &systems {
            check_data_folder(data, &folder)?;
        }
        let answers = self.given.answers(systems)?;
        let made = Made::new(&answers);
        let settings = SettingsFile::new(&answers, &folder);
        folder::make(&folder, &made, &settings)?;
        outln!("Made {}, which explains every setting, and in {}/:", folder.join(FILE).display(), secrets(&folder))?;
        outln!("  {}", made.names().join(", "))?;
        if let Systems::Files(data) = &answers.systems {
            outln!("Events and channels are in {}.", data.display())?;
        }
        outln!()?;
        examine(&settings).await?;
        outln!()?;
        show_next_steps(&answers, &folder)
    }
}

/// What to do with a machine that is set up already.
fn again(folder: &Path) -> String {
    format!(
        "To change a setting, edit {file}. To begin anew, move the folder away (mv {folder} {folder}.old), and keep it: the key \
         ring in it alone opens the tokens that it has sealed",
        file = folder.join(FILE).display(),
        folder = folder.display()
    )
}

fn secrets(folder: &Path) -> String {
    folder.join(made::FOLDER).display().to_string()
}

/// Whoever copies the data, as a backup does, must not get the key with it.
fn check_data_folder(data: &Path, folder: &Path) -> Result<(), Failure> {
    if data.starts_with(folder) || folder.starts_with(data) {
        return Err(Failure::usage(format!(
            "nothing was done: {} would hold the key ring together with the tokens that it opens, so that a copy of one has \
             both: give another folder as --data",
            if data.starts_with(folder) { folder.display() } else { data.display() }
        )));
    }
    folder::check_unused(data, "A new key ring does not open the tokens in it: give another folder as --data")
}

/// Runs `ops doctor` with the settings of the file. A new machine has no channel and no dispatcher yet, so its complaints are
/// no failure.
async fn examine(settings: &SettingsFile) -> Result<(), Failure> {
    match Doctor::with(&settings.values())?.run().await {
        Err(Failure::Runtime(text)) => {
            remark(text);
            outln!("What is WRONG is left for you: nothing runs yet, and there is no channel.")
        }
        result @ (Ok(()) | Err(Failure::Usage(_) | Failure::OutputClosed)) => result,
    }
}

fn show_next_steps(answers: &Answers, folder: &Path) -> Result<(), Failure> {
    let secrets = secrets(folder);
    outln!("Next:")?;
    outln!(
        "- Keep a copy of {secrets}/key-ring elsewhere, apart from backups of the channels: nothing else opens them."
    )?;
    outln!("- At Meta, enter the verify token that {secrets}/verify-token holds in the form of the webhook.")?;
    outln!("- Give DSK what {secrets}/signing-secret holds: it verifies our requests.")?;
    if folder == Path::new(OF_UNITS) {
        outln!("- Start the service: systemctl enable --now {}", units(answers))?;
        outln!("- For each command of `ops` in this shell: {}", settings_file::load_command(folder))?;
    } else {
        outln!("- Load the settings into this shell: {}", settings_file::load_command(folder))?;
        match answers.systems {
            Systems::Files(_) => outln!("- Start the service in it: ops standalone &")?,
            Systems::Servers { .. } => outln!("- Start the service in it: ingest & dispatcher &")?,
        }
    }
    outln!("- Store a channel: ops channels add whatsapp:NUMBER_ID --tenant NAME (it asks for DSK's token)")?;
    outln!("- Look again: ops doctor")
}

fn units(answers: &Answers) -> String {
    match (&answers.systems, &answers.pages) {
        (Systems::Files(_), _) => STANDALONE_UNIT.to_owned(),
        (Systems::Servers { .. }, None) => UNITS_APART.to_owned(),
        (Systems::Servers { .. }, Some(_)) => format!("{UNITS_APART} {CONNECT_UNIT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_ring_is_never_made_in_the_folder_of_the_tokens_that_it_opens() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings");

        for data in [settings.clone(), settings.join("data"), folder.path().to_owned()] {
            assert!(check_data_folder(&data, &settings).is_err(), "{}", data.display());
        }
        assert!(check_data_folder(&folder.path().join("settings-data"), &settings).is_ok());
    }

    #[test]
    fn a_data_folder_that_is_in_use_is_refused() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("channels.db"), "").unwrap();

        let failure = check_data_folder(data.path(), Path::new("/etc/meta-integration")).unwrap_err();

        assert!(
            failure.text().is_some_and(|text| text.contains("channels.db") && text.contains("--data")),
            "{failure:?}"
        );
    }
}
