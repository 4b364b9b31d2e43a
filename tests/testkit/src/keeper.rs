//! Ends the servers of a test run, however the run ends: a shell waits until our end of a pipe closes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder with servers in it. When it is dropped or the test run dies, the servers end and the folder is removed.
#[derive(Debug)]
pub(crate) struct Keeper {
    folder: PathBuf,
    shell: Child,
}

/// The script ignores signals that are meant for the run, and waits until the pipe closes. Each file in `groups` names
/// a process group that it ends.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
cat > /dev/null
for group in "$1"/groups/*; do kill -s KILL -- "-${group##*/}" 2> /dev/null; done
for try in 1 2 3 4 5; do rm -rf "$1" && break; sleep 0.2; done
"#;

impl Keeper {
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir().expect("a temporary folder").keep();
        std::fs::create_dir(folder.join("groups")).expect("a folder for process groups");
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("there is a shell");
        Self { folder, shell }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a file in the folder or below holds this text.
    pub(crate) fn holds(&self, text: &str) -> bool {
        is_in(&self.folder, text.as_bytes())
    }

    /// Starts a server in its own process group, which ends with us. The folder holds its output and is its working
    /// directory, because a killed Mnesia leaves a dump there.
    pub(crate) fn start(&self, command: &mut Command, name: &str) -> Child {
        use std::os::unix::process::CommandExt as _;
        let log = self.folder.join(format!("{name}.log"));
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a log file");
        let child = command
            .process_group(0)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} can't be started: {error}; ops/test.sh installs what is missing"));
        std::fs::write(self.folder.join("groups").join(child.id().to_string()), "").expect("a note of the group");
        child
    }

    /// Ends a server like a power cut.
    pub(crate) fn kill(&self, child: &mut Child) {
        let script = format!("kill -s KILL -- -{}", child.id());
        Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status().expect("there is a shell");
        child.wait().expect("it is our child");
        std::fs::remove_file(self.folder.join("groups").join(child.id().to_string())).expect("the note is ours");
    }
}

/// A file that is gone by the time it is read holds nothing.
fn is_in(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        let is_held = |bytes: Vec<u8>| bytes.windows(text.len()).any(|part| part == text);
        if path.is_dir() { is_in(&path, text) } else { std::fs::read(path).is_ok_and(is_held) }
    })
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().expect("the keeper ends when its pipe closes");
    }
}
