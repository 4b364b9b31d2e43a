//! The architecture: which crate may use which, one sentence at the head of every file, and files short enough to read.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::workspace::{files, read, root};

/// The crates that each crate of the service may use. Tests may use all of them.
const ARROWS: [(&str, &[&str]); 8] = [
    ("event", &[]),
    ("chassis", &[]),
    ("queue", &["event", "chassis"]),
    ("channels", &["event", "chassis"]),
    ("ingest", &["event", "chassis", "queue"]),
    ("dispatcher", &["event", "chassis", "queue", "channels"]),
    ("connect", &["event", "chassis", "channels"]),
    ("ops", &["event", "chassis", "queue", "channels", "ingest", "dispatcher", "connect"]),
];
/// Packages that only one crate may name.
const OWNERS: [(&str, &str); 4] =
    [("lapin", "queue"), ("redis", "channels"), ("fernet", "channels"), ("backoff", "chassis")];
/// The load harness measures the bare libraries, too, so it may name all of them.
const HARNESS: &str = "bench";
/// A longer file holds two things and becomes two files.
const LINES_MAX: usize = 350;

/// The dependencies of a crate, without those of its tests.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    let names = section.lines().skip(1).filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn manifests() -> BTreeMap<String, BTreeSet<String>> {
    let manifests = files("Cargo.toml").into_iter().map(|path| read(&path));
    manifests
        .filter_map(|text| {
            let name = text.lines().find_map(|line| line.strip_prefix("name = "))?.trim_matches('"').to_owned();
            Some((name, dependencies(&text)))
        })
        .collect()
}

#[test]
fn arrows_between_crates_point_down_only() {
    let manifests = manifests();
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();

    for (name, allowed) in ARROWS {
        let used = manifests.get(name).unwrap_or_else(|| panic!("there is no crate {name}"));
        let upward: Vec<&String> =
            used.iter().filter(|used| ours.contains(used.as_str()) && !allowed.contains(&used.as_str())).collect();
        assert!(upward.is_empty(), "{name} may not use {upward:?}");
    }
}

#[test]
fn each_outside_system_is_named_by_one_crate() {
    let manifests = manifests();

    for (package, owner) in OWNERS {
        let users: Vec<&String> = manifests
            .iter()
            .filter(|(name, used)| *name != HARNESS && used.contains(package))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(users, [owner], "{package}");
    }
}

#[test]
fn every_file_begins_with_one_sentence_and_is_short_enough_to_read() {
    for path in files(".rs") {
        let text = read(&path);
        assert!(text.starts_with("//! "), "{} does not begin with a sentence about itself", path.display());
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_lock_file_of_the_fuzz_targets_is_up_to_date() {
    let manifest = root().join("fuzz/Cargo.toml");
    let mut cargo = std::process::Command::new("cargo");
    let output =
        cargo.args(["metadata", "--locked", "--format-version", "1", "--manifest-path"]).arg(manifest).output();

    let output = output.expect("cargo can be run, as it runs this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo check --manifest-path fuzz/Cargo.toml mends it: {errors}");
}
