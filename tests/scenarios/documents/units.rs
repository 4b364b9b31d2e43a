//! The units in ops/systemd agree with the programs, with `ops init` and with the containers.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::documents::container_files::{services, settings};
use crate::support::machine::{Machine, said};
use crate::support::units::{UNITS, Unit};

/// The settings that a unit's arguments give, and the secrets that they read.
fn arguments(unit: &Unit) -> Vec<(String, String)> {
    let command = unit.command();
    let options =
        command.iter().enumerate().filter_map(|(at, word)| Some((word.strip_prefix("--")?, command.get(at + 1)?)));
    options.map(|(option, value)| (option.replace('-', "_").to_uppercase(), (*value).to_owned())).collect()
}

#[test]
fn every_argument_of_a_unit_is_a_setting_of_its_process_and_names_a_secret_that_it_is_handed() {
    for unit in UNITS.map(Unit::read) {
        let known = settings(unit.process());
        let handed: BTreeSet<String> = unit.credentials().into_iter().map(|credential| credential.id).collect();
        let mut read = BTreeSet::new();

        for (setting, value) in arguments(&unit) {
            assert!(known.contains(&setting), "{}: {} does not know {setting}", unit.name, unit.process());
            if setting.ends_with("_FILE") {
                let secret = value.strip_prefix("${CREDENTIALS_DIRECTORY}/").unwrap_or_default();
                assert!(handed.contains(secret), "{}: {setting} is {value}", unit.name);
                read.insert(secret.to_owned());
            }
        }
        assert_eq!(read, handed, "{}", unit.name);
    }
}

#[tokio::test]
async fn ops_init_makes_every_secret_of_every_unit_and_ingest_gets_no_key() {
    let files = Machine::new();
    let apart = Machine::new();
    std::fs::write(apart.folder.path().join("broker"), "amqp://127.0.0.1:1/meta").expect("the folder is ours");
    std::fs::write(apart.folder.path().join("redis"), "redis://127.0.0.1:1/0").expect("the folder is ours");
    for made in [files.init(&[]).await, apart.init(&["--rabbitmq", "broker", "--redis", "redis"]).await] {
        assert!(made.status.success(), "{}", said(&made));
    }

    for unit in UNITS.map(Unit::read) {
        let machine = if unit.process() == "ops" { &files } else { &apart };
        for credential in unit.credentials() {
            let exists = machine.settings().join(&credential.source).exists();
            assert!(exists, "{}: `ops init` does not make {}", unit.name, credential.source);
        }
    }
    let ingest = Unit::read("meta-integration-ingest.service").credentials();
    assert!(ingest.iter().all(|credential| credential.id != "key-ring" && credential.id != "channels-url"));
}

#[test]
fn every_unit_runs_as_a_user_of_its_own_that_can_change_nothing() {
    for unit in UNITS.map(Unit::read) {
        for (key, value) in [
            ("DynamicUser", "yes"),
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", ""),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("LimitCORE", "0"),
            ("MemorySwapMax", "0"),
        ] {
            assert_eq!(unit.value(key), value, "{}: {key}", unit.name);
        }
        assert_eq!(unit.values("User").count() + unit.values("ReadWritePaths").count(), 0, "{}", unit.name);
        assert_eq!(unit.values("StateDirectory").count() == 1, unit.process() == "ops", "{}", unit.name);
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.trim_end_matches('s').parse().expect("seconds"))
}

#[test]
fn a_unit_has_the_time_that_its_process_needs_to_stop() {
    for unit in UNITS.map(Unit::read) {
        let grace = match unit.process() {
            "ingest" => ingest::Settings::GRACE,
            "connect" => connect::Settings::GRACE,
            "dispatcher" | "ops" => dispatcher::Settings::GRACE,
            other => panic!("{other} is not one of our processes"),
        };
        assert!(seconds(unit.value("TimeoutStopSec")) > grace, "{}", unit.name);
    }
}

fn mebibytes(text: &str) -> u32 {
    text.trim_end_matches('M').parse().expect("a number of mebibytes")
}

#[test]
fn a_unit_has_the_memory_of_its_container_and_standalone_that_of_all_three() {
    let services = services();
    let of_container = |name: &str| {
        mebibytes(
            services[name]
                .pointer("/deploy/resources/limits/memory")
                .and_then(|limit| limit.as_str())
                .expect("a limit"),
        )
    };
    let all: u32 = ["ingest", "dispatcher", "connect"].map(of_container).iter().sum();

    for unit in UNITS.map(Unit::read) {
        let expected = if unit.process() == "ops" { all } else { of_container(unit.process()) };
        assert_eq!(mebibytes(unit.value("MemoryMax")), expected, "{}", unit.name);
    }
}
