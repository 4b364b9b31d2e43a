//! What the README says about containers is true of docker-compose.yml and the scripts beside it.

use std::collections::BTreeSet;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command as Process;

use clap::CommandFactory as _;

use crate::documents::container_files::{compose, object, services, texts};
use crate::support::workspace::{read, root};

/// The README's section about containers.
pub(crate) fn section() -> String {
    let text = read(&root().join("README.md"));
    let (_, rest) = text.split_once("\n## Run it in containers\n").expect("the section exists");
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The commands of the section.
pub(crate) fn commands() -> String {
    let section = section();
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("the section has commands").to_owned()
}

/// The settings that the commands write into `.env`.
fn env_file() -> String {
    let commands = commands();
    let (_, rest) = commands.split_once("printf '").expect("it writes .env");
    rest.split("' > .env").next().unwrap_or_default().replace("\\n", "\n")
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o777
}

#[test]
fn every_command_in_a_container_that_the_readme_names_is_understood() {
    let document = section();
    let spans = document.split(['`', '\n']);
    let commands: Vec<&str> = spans.filter_map(|span| span.strip_prefix("docker compose run ")).collect();

    assert!(!commands.is_empty(), "the README runs no command in a container");
    for command in commands {
        let (_, words) = command.split_once(" ops ").expect("the container runs ops");
        let words = words.split(" < ").next().unwrap_or_default().split(' ');
        let parsed = ops::Cli::command().try_get_matches_from(["ops"].into_iter().chain(words));
        assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
    }
}

#[test]
fn the_commands_for_containers_read_no_file_that_another_section_makes() {
    for line in commands().lines() {
        let read = line.split_once(" < ").map(|(_, file)| file);
        let run = line.split(' ').next().filter(|word| word.contains('/'));
        for file in read.into_iter().chain(run) {
            assert!(root().join(file).exists(), "{file} is not part of the workspace");
        }
    }
}

/// Compose refuses `start_interval` on an engine below 25 (Compose 2.26), or ignores it.
#[test]
fn the_readme_names_the_oldest_docker_and_compose() {
    let section = section();

    assert!(read(&root().join("docker-compose.yml")).contains("start_interval"));
    for oldest in ["Docker Engine 25", "Docker Compose 2.26"] {
        assert!(section.contains(oldest), "the README does not name {oldest}");
    }
}

#[test]
fn a_command_that_stops_containers_applies_to_every_profile_that_the_readme_starts() {
    let commands = commands();
    let settings = env_file();
    let profiles = settings.lines().find_map(|line| line.strip_prefix("COMPOSE_PROFILES=")).unwrap_or_default();
    let logged = commands.lines().find_map(|line| line.strip_prefix("docker compose logs ")).expect("it shows a log");

    assert!(!commands.contains("--profile"), "`down` without this option leaves containers running");
    let profile = texts(&services()[logged], "/profiles").remove(0);
    assert!(profiles.split(',').any(|one| one == profile), "{logged} runs, and .env does not name {profile}");
}

#[test]
fn the_operators_command_reaches_everything_that_its_doctor_checks() {
    let services = services();
    let networks = |name: &str| texts(&services[name], "/networks").into_iter().collect::<BTreeSet<_>>();
    let settings = object(&services["ops"], "/environment");

    for server in ["rabbitmq", "redis", "dsk"] {
        assert!(!networks("ops").is_disjoint(&networks(server)), "ops shares no network with {server}");
    }
    for setting in object(&services["dispatcher"], "/environment").keys().filter(|name| name.starts_with("DSK_URL")) {
        assert!(settings.contains_key(setting), "ops does not know {setting}");
    }
    assert!(settings.contains_key("DSK_ALLOW_HTTP"));
}

#[test]
fn an_export_has_a_folder_that_the_script_makes_and_its_container_may_write() {
    let section = section();
    let command = section.split('`').find(|span| span.contains("channels export")).expect("the README saves channels");
    let file = command.rsplit(' ').next().unwrap_or_default();
    let volumes = texts(&services()["ops"], "/volumes");
    let (source, target) = volumes
        .iter()
        .filter_map(|volume| volume.split_once(':'))
        .find(|(_, target)| file.starts_with(target))
        .expect(file);
    let folder = tempfile::tempdir().expect("a temporary folder");

    let made = Process::new("bash").arg(root().join("ops/local-secrets.sh")).arg(folder.path()).status();

    assert!(made.expect("there is bash").success());
    assert_eq!(target, "/backups");
    let writable = folder.path().join(source.trim_start_matches("./local/"));
    assert_eq!((mode(&writable), mode(folder.path())), (0o777, 0o700));
}

#[test]
fn what_an_operator_provides_becomes_readable_for_containers_but_not_what_a_link_leads_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &Path| {
        std::fs::write(path, "given").expect("the folder is ours");
        set_permissions(path, Permissions::from_mode(0o600)).expect("the file is ours");
    };
    for name in ["tls-key", "tls-certificate", "app-secret"] {
        write(&folder.path().join(name));
    }
    let target = elsewhere.path().join("ca");
    write(&target);
    symlink(&target, folder.path().join("meta-ca")).expect("the folder is ours");

    let output = Process::new("bash").arg(root().join("ops/local-secrets.sh")).arg(folder.path()).output();

    let output = output.expect("there is bash");
    let remarks = String::from_utf8_lossy(&output.stderr);
    for name in ["tls-key", "tls-certificate", "app-secret"] {
        assert_eq!(mode(&folder.path().join(name)), 0o644, "{name}");
    }
    assert_eq!(mode(&target), 0o600);
    assert!(output.status.success() && remarks.contains("meta-ca is a link"), "{remarks}");
}

/// Docker's DNS refuses a name that no container has, and Prometheus logs that every 15 s.
#[test]
fn prometheus_looks_up_only_services_that_always_run() {
    let services = services();
    let file: serde_json::Value =
        serde_saphyr::from_str(&read(&root().join("ops/prometheus/prometheus.yml"))).expect("it is YAML");

    for job in file["scrape_configs"].as_array().expect("jobs") {
        for name in job.pointer("/dns_sd_configs/0").map(|config| texts(config, "/names")).into_iter().flatten() {
            let profiles = texts(&services[&name], "/profiles");
            assert!(profiles.is_empty(), "{name} runs in the profile {profiles:?} only");
        }
    }
}

#[test]
fn prometheus_gets_the_target_of_connect_if_connect_is_set_up() {
    let file: serde_json::Value =
        serde_saphyr::from_str(&read(&root().join("ops/prometheus/connect.yml"))).expect("it is YAML");
    let settings: serde_json::Value =
        serde_saphyr::from_str(&read(&root().join("ops/prometheus/prometheus.yml"))).expect("it is YAML");
    let jobs = settings["scrape_configs"].as_array().expect("jobs");
    let job = jobs.iter().find(|job| job["job_name"] == "connect").expect("the job");
    let probed = texts(&services()["connect"], "/healthcheck/test").remove(2);
    let target = texts(&file[0], "/targets").remove(0);

    let mounted = texts(&compose(), "/services/prometheus/volumes");

    assert_eq!(probed.replace("127.0.0.1", "connect"), format!("http://{target}/ready"));
    let files = job["file_sd_configs"][0]["files"][0].as_str().expect("a pattern").trim_end_matches("*.yml").to_owned();
    let mount = format!("./ops/prometheus/connect.yml:{files}connect${{CONNECT_URL:+.yml}}:ro");
    assert!(mounted.contains(&mount), "{mount} is not in {mounted:?}");
}
