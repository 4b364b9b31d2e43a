//! What a private RabbitMQ node is started with: its scripts, its files and its environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::keeper::Keeper;
use crate::rights;

/// The folder of RabbitMQ's scripts: `RABBITMQ_SBIN`, or that of Debian's package. The `rabbitmq-server` on the path
/// would change the user.
pub(crate) fn scripts() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests have no settings of their own")]
    if let Ok(folder) = std::env::var("RABBITMQ_SBIN") {
        return PathBuf::from(folder);
    }
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").into_iter().flatten().flatten();
    let mut folders = versions.map(|version| version.path().join("sbin"));
    let folder = folders.find(|path| path.join("rabbitmq-server").exists());
    folder.expect("RabbitMQ is not installed: run ops/test.sh, or set RABBITMQ_SBIN to its sbin folder")
}

/// The version of RabbitMQ that the tests use.
pub fn rabbitmq_version() -> String {
    let scripts = scripts();
    let folder = scripts.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    folder.strip_prefix("rabbitmq_server-").unwrap_or(&folder).to_owned()
}

pub(crate) fn write_configuration(folder: &Path, vhosts: usize) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("the folder is ours");
    let names: Vec<String> = (0..vhosts).map(|number| format!("v{number}")).collect();
    write("definitions.json", rights::definitions(&names));
    let definitions = folder.join("definitions.json");
    write(
        "rabbitmq.conf",
        format!(
            "load_definitions = {}\ndisk_free_limit.absolute = 1MB\nlog.file.level = warning\n",
            definitions.display()
        ),
    );
    write("enabled_plugins", "[].\n".to_owned());
    write("rabbitmq-env.conf", String::new());
    write("advanced.config", "[].\n".to_owned());
}

/// Adds lines to the configuration.
pub(crate) fn configure(folder: &Path, lines: &str) {
    use std::io::Write as _;
    let configuration = folder.join("rabbitmq.conf");
    let mut configuration = std::fs::File::options().append(true).open(configuration).expect("the folder is ours");
    writeln!(configuration, "{lines}").expect("the folder is ours");
}

/// Enables the plugin that shows metrics, at this address.
pub(crate) fn show_metrics(folder: &Path, address: SocketAddr) {
    configure(folder, &format!("prometheus.tcp.ip = {}\nprometheus.tcp.port = {}", address.ip(), address.port()));
    std::fs::write(folder.join("enabled_plugins"), "[rabbitmq_prometheus].\n").expect("the folder is ours");
}

/// Settings for everything that would otherwise lie in a global folder or on a well-known port.
pub(crate) fn environment(folder: &Path, [port, distribution, names]: [u16; 3]) -> BTreeMap<&'static str, String> {
    let path = |name: &str| folder.join(name).display().to_string();
    BTreeMap::from([
        ("HOME", path("")),
        ("RABBITMQ_NODENAME", format!("test{port}@localhost")),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", distribution.to_string()),
        ("ERL_EPMD_PORT", names.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_BASE", path("")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_PID_FILE", path("node.pid")),
        ("ERL_CRASH_DUMP", path("erl_crash.dump")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
    ])
}

pub(crate) fn start_node(
    keeper: &Keeper,
    scripts: &Path,
    environment: &BTreeMap<&'static str, String>,
    log: &str,
) -> Child {
    keeper.start(Command::new(scripts.join("rabbitmq-server")).envs(environment), log)
}
