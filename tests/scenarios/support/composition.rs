//! docker-compose.yml on a container engine, in a project and a copy of the workspace of its own, so that neither an
//! operator's composition nor the files beside it are touched.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command as Process;
use std::time::Duration;

use tempfile::TempDir;
use testkit::eventually_within;
use tokio::process::Command;

use crate::support::workspace::root;

/// The name of the project. Compose removes only what carries it.
const PROJECT: &str = "meta-integration-check";
/// Not part of the copy: what git ignores, and git itself.
const LEFT_OUT: [&str; 4] = [".git", "target", "local", ".env"];
/// The ports of this machine that docker-compose.yml publishes.
const PORTS: [u16; 4] = [8080, 8090, 3000, 443];
/// The environment that reaches `docker`. Nothing else does, because it would win over `.env`.
const PASSED: [&str; 4] = ["PATH", "HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE"];
/// Beginnings of further names that reach it: which engine, and how it builds.
const PASSED_PREFIXES: [&str; 4] = ["DOCKER_", "BUILDX_", "BUILDKIT_", "COMPOSE_BAKE"];
/// How long a container may take until it is healthy; RabbitMQ's first check comes after 30 s.
const PATIENCE: Duration = Duration::from_mins(3);

/// A composition. Dropping it removes its containers, networks and volumes; the images stay.
pub(crate) struct Composition {
    folder: TempDir,
}

/// A container of the composition.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) service: String,
}

impl Composition {
    /// Copies the workspace, and removes what an interrupted run left. Nothing is started.
    pub(crate) fn new() -> Self {
        let target = root().join("target");
        std::fs::create_dir_all(&target).expect("the workspace is ours");
        let folder = TempDir::with_prefix_in("composition-", target).expect("a temporary folder");
        for entry in std::fs::read_dir(root()).expect("the workspace can be read").flatten() {
            if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                let copied = Process::new("cp").arg("-a").arg(entry.path()).arg(folder.path()).status();
                assert!(copied.expect("there is cp").success(), "{}", entry.path().display());
            }
        }
        let composition = Self { folder };
        composition.remove();
        for port in PORTS {
            let bound = std::net::TcpListener::bind(("0.0.0.0", port));
            let is_taken = bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
            assert!(!is_taken, "port {port} is taken, perhaps by a composition of yours: stop that one first");
        }
        composition
    }

    /// Removes the containers, networks and volumes of the project. The address is not used; Compose insists on one.
    fn remove(&self) {
        let script = "DSK_URL=https://dsk.example docker compose --profile '*' down --volumes --timeout 5 2> /dev/null";
        self.shell(script).status().ok();
    }

    /// A path in the copy.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script in the copy that must succeed, and returns its output.
    pub(crate) async fn run(&self, script: &str) -> String {
        let output = Command::from(self.shell(script)).output().await.expect("there is bash");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{shown}{}", String::from_utf8_lossy(&output.stderr));
        shown
    }

    fn shell(&self, script: &str) -> Process {
        let mut command = Process::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.folder.path()).env_clear();
        let is_passed =
            |name: &str| PASSED.contains(&name) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        command.envs(std::env::vars().filter(|(name, _)| is_passed(name)));
        command.env("COMPOSE_PROJECT_NAME", PROJECT);
        command
    }

    /// The containers of all services, stopped ones too. Those of `docker compose run` are not among them.
    pub(crate) async fn containers(&self) -> Vec<Container> {
        let of_project = format!("--filter label=com.docker.compose.project={PROJECT}");
        let format = r#"{{.ID}} {{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.oneoff"}}"#;
        let list = self.run(&format!("docker ps --all {of_project} --format '{format}'")).await;
        let words = list.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let lasting = words.filter(|words| words.last() != Some(&"True"));
        lasting.map(|words| Container { id: words[0].to_owned(), service: words[1].to_owned() }).collect()
    }

    /// The names of the services that have a running container.
    pub(crate) async fn running(&self) -> BTreeMap<String, usize> {
        let mut running = BTreeMap::new();
        for container in self.containers().await {
            if self.state(&container).await.starts_with("running") {
                *running.entry(container.service).or_default() += 1;
            }
        }
        running
    }

    /// The networks of the project.
    pub(crate) async fn networks(&self) -> String {
        self.run(&format!("docker network ls --quiet --filter label=com.docker.compose.project={PROJECT}")).await
    }

    /// The state of a container, and its health if it is checked.
    async fn state(&self, container: &Container) -> String {
        let format = "{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}";
        self.run(&format!("docker inspect --format '{format}' {}", container.id)).await.trim().to_owned()
    }

    /// Kills a container as a power cut does, and starts it again.
    pub(crate) async fn kill(&self, container: &Container) {
        self.run(&format!("docker kill --signal KILL {0} && docker start {0}", container.id)).await;
        eventually_within(PATIENCE, &format!("{} is healthy again", container.service), async || {
            (self.state(container).await == "running healthy").then_some(())
        })
        .await;
    }

    /// What the containers of a service have printed. (`docker compose logs` adds control characters in some versions.)
    pub(crate) async fn logs(&self, service: &str) -> String {
        let mut logged = String::new();
        for container in self.containers().await.iter().filter(|container| container.service == service) {
            logged += &self.run(&format!("docker logs {} 2>&1", container.id)).await;
        }
        logged
    }
}

/// A test that fails shows the last lines of every container.
impl Drop for Composition {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shell("docker compose --profile '*' logs --no-color --tail 15").status().ok();
        }
        self.remove();
    }
}
