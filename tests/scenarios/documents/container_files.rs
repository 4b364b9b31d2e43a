//! Dockerfile and docker-compose.yml agree with the programs: settings, commands, files, secrets, times and networks.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command as Process;
use std::time::Duration;

use clap::{Command, CommandFactory as _};
use serde_json::Value;

use crate::support::stack::program;
use crate::support::workspace::{read, root};

/// Secrets that an operator provides; ops/local-secrets.sh makes all others.
const PROVIDED: [&str; 3] = ["tls-certificate", "tls-key", "meta-ca"];
/// The services with ports on the machine: ingest, connect and Grafana, and the proxy in front of the first two.
const PUBLISHED: [&str; 5] = ["connect", "grafana", "ingest", "proxy", "proxy-mtls"];

/// The instructions of a stage of the Dockerfile, after those of the stage that it is built from.
type ImageStage = Vec<(String, String)>;

/// The document docker-compose.yml.
pub(crate) fn compose() -> Value {
    serde_saphyr::from_str(&read(&root().join("docker-compose.yml"))).expect("docker-compose.yml is YAML")
}

/// A part of a document as an object, which is empty if the part is missing.
pub(crate) fn object(document: &Value, pointer: &str) -> BTreeMap<String, Value> {
    let part = document.pointer(pointer).and_then(Value::as_object);
    part.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A part of a document as a list of texts, which is empty if the part is missing.
pub(crate) fn texts(document: &Value, pointer: &str) -> Vec<String> {
    let part = document.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    part.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

pub(crate) fn services() -> BTreeMap<String, Value> {
    object(&compose(), "/services")
}

/// The stage of the Dockerfile that a service is built from, if the service is ours.
pub(crate) fn target(service: &Value) -> Option<&str> {
    service.pointer("/build/target").and_then(Value::as_str)
}

/// The names of all settings of a process.
pub(crate) fn settings(process: &str) -> BTreeSet<String> {
    fn of(command: &Command) -> BTreeSet<String> {
        let own = command.get_arguments().filter_map(|argument| argument.get_env());
        let own = own.map(|name| name.to_string_lossy().into_owned());
        own.chain(command.get_subcommands().flat_map(of)).collect()
    }
    match process {
        "ingest" => of(&ingest::Settings::command()),
        "dispatcher" => of(&dispatcher::Settings::command()),
        "connect" => of(&connect::Settings::command()),
        "ops" => of(&ops::Cli::command()),
        other => panic!("{other} is not one of our processes"),
    }
}

fn stages() -> BTreeMap<String, ImageStage> {
    let text = read(&root().join("Dockerfile")).replace("\\\n", " ");
    let mut stages: BTreeMap<String, ImageStage> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (instruction, rest) = line.split_once(' ').expect("an instruction has arguments");
        if let Some((from, name)) = rest.split_once(" AS ").filter(|_| instruction == "FROM") {
            name.clone_into(&mut current);
            let inherited = stages.get(from).cloned().unwrap_or_default();
            stages.insert(current.clone(), inherited);
        } else {
            stages.entry(current.clone()).or_default().push((instruction.to_owned(), rest.to_owned()));
        }
    }
    stages
}

/// The arguments of all uses of an instruction in a stage, the last one first.
fn arguments<'s>(stage: &'s ImageStage, instruction: &str) -> impl Iterator<Item = &'s str> {
    stage.iter().rev().filter(move |(name, _)| name == instruction).map(|(_, rest)| rest.as_str())
}

/// The settings that a stage's `ENV` gives, with their values.
fn environment(stage: &ImageStage) -> BTreeMap<&str, &str> {
    arguments(stage, "ENV").flat_map(|rest| rest.split(' ').filter_map(|pair| pair.split_once('='))).collect()
}

#[test]
fn every_setting_of_a_container_exists_in_its_process() {
    let stages = stages();

    for (name, service) in services() {
        let Some(target) = target(&service) else { continue };
        let known = settings(target);
        let image = environment(&stages[target]).into_keys().filter(|name| *name != "PATH").map(str::to_owned);
        for setting in object(&service, "/environment").into_keys().chain(image) {
            assert!(known.contains(&setting), "{name} has the setting {setting}, which {target} does not know");
        }
    }
}

#[test]
fn every_image_runs_a_program_that_is_in_it_and_not_as_root() {
    for (process, stage) in
        stages().into_iter().filter(|(name, _)| ["ingest", "dispatcher", "connect", "ops"].contains(&&**name))
    {
        let copied: Vec<&str> = arguments(&stage, "COPY").filter_map(|copy| copy.split("/dist/").nth(1)).collect();
        let entry = arguments(&stage, "ENTRYPOINT").next().expect("it runs a program");
        let probed =
            arguments(&stage, "HEALTHCHECK").filter_map(|check| check.split("CMD [\"").nth(1)?.split('"').next());

        assert_eq!(entry, format!("[\"{process}\"]"));
        for name in probed.chain([process.as_str()]) {
            assert!(
                copied.iter().any(|copy| copy.starts_with(&format!("{name} "))),
                "{name} is not in the image {process}"
            );
            program(name);
        }
        assert_eq!(arguments(&stage, "USER").next(), Some("65532:65532"), "{process}");
        assert_eq!(arguments(&stage, "STOPSIGNAL").next(), Some("SIGTERM"), "{process}");
    }
}

#[test]
fn every_command_and_probe_of_a_container_is_understood() {
    let stages = stages();

    for (name, service) in services() {
        let Some(target) = target(&service) else { continue };
        let command = texts(&service, "/command");
        if target == "ops" && !command.is_empty() {
            let parsed = ops::Cli::command().try_get_matches_from([vec!["ops".to_owned()], command].concat());
            assert!(parsed.is_ok(), "{name}: {}", parsed.unwrap_err());
        }
        if let Some(probed) = texts(&service, "/healthcheck/test").get(2) {
            let port = environment(&stages[target])["ADMIN_LISTEN"].rsplit(':').next().unwrap_or_default().to_owned();
            assert_eq!(*probed, format!("http://127.0.0.1:{port}/ready"), "{name}");
        }
    }
}

/// A folder that does not exist yet is not checked.
#[test]
fn every_mounted_file_exists() {
    let document = compose();
    let volumes = object(&document, "/volumes");

    for (name, service) in services() {
        for volume in texts(&service, "/volumes") {
            let source = volume.split(':').next().unwrap_or_default();
            let folder: String = source.trim_start_matches("./").split('/').take(2).collect::<Vec<_>>().join("/");
            let is_expected = source.starts_with("./") && root().join(&folder).exists();
            assert!(!is_expected || root().join(source).exists(), "{name} mounts {source}, which does not exist");
            assert!(
                source.starts_with("./") || volumes.contains_key(source),
                "{name} mounts {source}, which is not a volume"
            );
        }
    }
}

#[test]
fn every_secret_comes_from_a_file_that_the_script_makes_or_an_operator_provides() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = root().join("ops/local-secrets.sh");
    let output = Process::new("bash").arg(script).arg(folder.path()).output().expect("there is bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document = compose();
    let secrets = object(&document, "/secrets");

    for (name, secret) in &secrets {
        assert_eq!(secret["file"], format!("./local/{name}"));
        let is_made = folder.path().join(name).exists();
        assert_eq!(is_made, !PROVIDED.contains(&name.as_str()), "{name}");
    }
    for (name, service) in services() {
        let mounted = mounted_secrets(&service);
        assert!(mounted.iter().all(|secret| secrets.contains_key(secret)), "{name}: {mounted:?}");
        for (setting, file) in object(&service, "/environment").iter().filter(|(setting, _)| setting.ends_with("_FILE"))
        {
            let secret = file.as_str().and_then(|file| file.strip_prefix("/run/secrets/")).unwrap_or_default();
            assert!(mounted.iter().any(|mounted| mounted == secret), "{name} reads {setting} from {file}");
        }
    }
}

fn mounted_secrets(service: &Value) -> Vec<String> {
    let entries = service.pointer("/secrets").and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| entry.as_str().or_else(|| entry["source"].as_str())).map(str::to_owned).collect()
}

#[test]
fn existing_secrets_stay_and_only_their_owner_may_read_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = || {
        let status = Process::new("bash").arg(root().join("ops/local-secrets.sh")).arg(folder.path()).status();
        assert!(status.expect("there is bash").success());
        let entries = std::fs::read_dir(folder.path()).expect("the folder is ours").flatten();
        let files = entries.filter(|entry| entry.path().is_file());
        files.map(|file| (file.file_name(), read(&file.path()))).collect::<BTreeMap<_, _>>()
    };
    std::fs::write(folder.path().join("app-secret"), "given by Meta").expect("the folder is ours");

    let first = run();
    let second = run();

    assert_eq!(first, second);
    assert_eq!(read(&folder.path().join("app-secret")), "given by Meta");
    let mode = std::fs::metadata(folder.path()).expect("the folder is ours").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn only_services_with_callers_are_published_and_none_reaches_more_than_it_needs() {
    let services = services();
    let published: Vec<&String> =
        services.iter().filter(|(_, service)| service.get("ports").is_some()).map(|(name, _)| name).collect();
    let networks = |name: &str| texts(&services[name], "/networks").into_iter().collect::<BTreeSet<_>>();

    assert_eq!(published, PUBLISHED);
    assert!(networks("ingest").is_disjoint(&networks("redis")));
    assert!(networks("connect").is_disjoint(&networks("rabbitmq")));
    for hidden in ["rabbitmq", "redis", "prometheus"] {
        for network in networks(hidden) {
            assert_eq!(
                compose()["networks"][&network]["internal"],
                true,
                "{hidden} is on the network {network}, which is not internal"
            );
        }
    }
}

#[test]
fn every_container_has_no_more_rights_than_it_needs() {
    for (name, service) in services() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service, "/cap_drop"), ["ALL"], "{name}");
        assert_eq!(texts(&service, "/security_opt"), ["no-new-privileges:true"], "{name}");
        let limit = service.pointer("/deploy/resources/limits/pids").or(service.get("pids_limit"));
        assert_eq!(limit.and_then(Value::as_u64), Some(1_024), "{name}: processes and threads");
        assert_eq!(service["ulimits"]["core"], 0, "{name} dumps its memory when it crashes");
        assert!(service.get("container_name").is_none(), "{name} has a fixed name and can't be scaled");
    }
}

/// Compose demands a variable with `:?` even if the service that needs it is in a profile that is not started.
#[test]
fn an_operator_who_does_not_run_connect_needs_no_setting_for_it() {
    let connect = services().remove("connect").expect("docker-compose.yml has it");

    assert_eq!(texts(&connect, "/profiles"), ["connect"]);
    for (setting, value) in object(&connect, "/environment") {
        let is_optional = value.is_null() || value.as_str().is_some_and(|value| !value.contains(":?"));
        assert!(is_optional, "{setting} is {value}");
    }
}

#[test]
fn a_container_has_the_time_that_its_process_needs_to_stop() {
    let grace = |name: &str| {
        let text = services()[name]["stop_grace_period"].as_str().unwrap_or_default().to_owned();
        Duration::from_secs(text.trim_end_matches('s').parse().expect("seconds"))
    };

    assert!(grace("ingest") > ingest::Settings::GRACE);
    assert!(grace("dispatcher") > dispatcher::Settings::GRACE);
    assert!(grace("connect") > connect::Settings::GRACE);
}
