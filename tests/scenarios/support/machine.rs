//! A machine that `ops init` has set up in a folder, with a stand-in for DSK that knows only what `ops init` made.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use chassis::{Secret, Shutdown, SigningSecret};
use ops::dsk::{Behaviour, Dsk};
use ops::webhook::Meta;
use tempfile::TempDir;
use testkit::{Process, eventually, free_port};

use crate::support::bodies::{ADDRESS, text};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::{APP_SECRET, program};
use crate::support::workspace::read;

/// The folder, and beside it what a person has at hand.
pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    dsk: SocketAddr,
}

impl Machine {
    /// A person's folder before `ops init`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("app-secret"), APP_SECRET).expect("the folder is ours");
        std::fs::write(folder.path().join("dsk-token"), DSK_TOKEN).expect("the folder is ours");
        Self { folder, dsk: SocketAddr::from(([127, 0, 0, 1], free_port())) }
    }

    /// The folder that `ops init` makes.
    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.path().join("service")
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.settings().join("settings.env")
    }

    /// Runs `ops init service` without a terminal, and with what a person must say.
    pub(crate) async fn init(&self, further: &[&str]) -> Output {
        let dsk = format!("http://{}/events", self.dsk);
        let said = ["--dsk-url", &dsk, "--app-secret-file", "app-secret"];
        self.run(&[&["init", "service"], &said[..], further].concat()).await
    }

    /// Runs a command of `ops` in the folder, without any setting and without a terminal.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(program("ops"));
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null()).args(arguments);
        command.output().await.expect("it can be run")
    }

    /// Runs a command of `ops` with the settings of the file and no others.
    pub(crate) async fn ops(&self, arguments: &str) -> Output {
        let mut command = tokio::process::Command::new("/bin/sh");
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command.args(["-c", &self.script(arguments)]).output().await.expect("it can be run")
    }

    fn script(&self, arguments: &str) -> String {
        let settings = self.settings_file();
        format!("set -a; . '{}'; set +a; exec '{}' {arguments}", settings.display(), program("ops").display())
    }

    /// Starts `ops standalone` with the settings of the file and no others.
    pub(crate) fn standalone(&self) -> Process {
        Process::start(Path::new("/bin/sh"), &["-c", &self.script("standalone")], &[])
    }

    /// Edits the settings file, as a person does.
    pub(crate) fn edit(&self, line: &str, new: &str) {
        let text = read(&self.settings_file());
        assert!(text.lines().any(|one| one == line), "there is no line {line} in\n{text}");
        std::fs::write(self.settings_file(), text.replace(line, new)).expect("the folder is ours");
    }

    /// Lets the processes take any free port: other tests run at the same time.
    pub(crate) fn take_any_port(&self) {
        self.edit("INGEST_LISTEN=127.0.0.1:8080", "INGEST_LISTEN=127.0.0.1:0");
        if read(&self.settings_file()).contains("\nADMIN_LISTEN=") {
            self.edit("ADMIN_LISTEN=127.0.0.1:9401", "ADMIN_LISTEN=127.0.0.1:0");
        }
    }

    /// What `ops init` made below its folder, by name.
    pub(crate) fn secrets(&self) -> BTreeMap<String, String> {
        let files = std::fs::read_dir(self.settings().join("secrets")).expect("it exists").flatten();
        files.map(|file| (file.file_name().to_string_lossy().into_owned(), read(&file.path()))).collect()
    }

    /// Starts DSK with the signing secret that `ops init` made for it.
    pub(crate) async fn start_dsk(&self) -> Dsk {
        let secret = Secret::new(self.secrets()["signing-secret"].trim());
        let signing_secret = Some(SigningSecret::parse(&secret).expect("it is a signing secret"));
        let behaviour = Behaviour { token: Some(Secret::new(DSK_TOKEN)), signing_secret, ..Behaviour::default() };
        Dsk::start(self.dsk, behaviour, &Shutdown::default()).await.expect("the port is free")
    }

    /// Stores a channel, and checks that a signed notification about it reaches DSK.
    pub(crate) async fn delivers(&self, ingest: &mut Process, dsk: &Dsk) {
        let added = self.ops(&format!("channels add {ADDRESS} --tenant acme --dsk-token-file dsk-token")).await;
        assert!(added.status.success(), "{}", said(&added));
        let address = ingest.logs("Notifications are taken at ").await;
        let meta = Meta::new(address.parse().expect("an address"), Secret::new(APP_SECRET));

        let status = meta.post(text(1)).await.expect("ingest answers");

        assert_eq!(status, 200, "{}", ingest.logged());
        eventually("DSK has the event", async || (dsk.events() == 1).then_some(())).await;
        assert!(dsk.seen().iter().all(|seen| seen.fault.is_none()), "{:?}", dsk.seen());
    }
}

/// Everything that a command printed.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
