//! Every setting, command, file, queue and test that the documents name exists.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::stack::program;
use crate::support::workspace::{files, read, root};

const DOCUMENTS: [&str; 15] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/configuration.md",
    "docs/data-protection.md",
    "docs/dsk-contract.md",
    "docs/events.md",
    "docs/metrics.md",
    "docs/privacy.md",
    "docs/scaling.md",
    "docs/security-rights.md",
    "docs/security.md",
    "docs/upgrading.md",
    "ops/runbook.md",
];
/// Names in capitals that are not settings of ours.
const OTHERS: [&str; 7] = ["RABBITMQ_SBIN", "PATH", "X_FILE", "PWD", "UPDATE_EXPECT", "PARTNER_", "COMPOSE_PROFILES"];

fn documents() -> impl Iterator<Item = (&'static str, String)> {
    DOCUMENTS.into_iter().map(|name| (name, read(&root().join(name))))
}

/// The longest runs of such characters in a text.
fn words(text: &str, is_part: impl Fn(char) -> bool + Copy) -> BTreeSet<&str> {
    text.split(|letter| !is_part(letter)).filter(|word| !word.is_empty()).collect()
}

fn output(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(program(name)).args(arguments).output().expect("it can be run");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn every_setting_in_the_documents_exists() {
    let sources: Vec<String> = files(".rs").iter().map(|path| read(path)).collect();
    let is_setting = |name: &str| {
        let field = name.to_lowercase();
        let declarations = ["pub ", "pub(crate) ", "    "].map(|before| format!("{before}{field}: "));
        sources.iter().any(|source| declarations.iter().any(|declaration| source.contains(declaration)))
    };

    for (document, text) in documents() {
        let names = words(&text, |letter| letter.is_ascii_uppercase() || letter == '_');
        for name in names.into_iter().filter(|name| name.contains('_') && name.len() > 3 && !OTHERS.contains(name)) {
            assert!(is_setting(name.trim_matches('_')), "{document} names the setting {name}, which does not exist");
        }
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    for (document, text) in documents() {
        let commands = text.split(['`', '\n']).filter_map(|span| span.strip_prefix("ops "));
        for command in commands {
            let subcommands: Vec<&str> = command
                .split(' ')
                .take_while(|word| {
                    word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') && !word.starts_with('-')
                })
                .take(2)
                .collect();
            let arguments: Vec<&str> = subcommands.iter().copied().chain(["--help"]).collect();
            let help = output("ops", &arguments);
            let usage = format!("Usage: ops {}", subcommands.join(" "));
            assert!(help.contains(usage.trim_end()), "{document} names `ops {command}`:\n{help}");
            for option in command.split([' ', '=']).filter(|word| word.starts_with("--")) {
                assert!(help.contains(option), "{document} names {option} of `ops {command}`:\n{help}");
            }
        }
    }
}

#[test]
fn every_file_and_queue_in_the_documents_exists() {
    let sources = ["queue_name.rs", "broker_queue.rs", "amqp/version_1.rs"];
    let topology = sources.map(|source| read(&root().join("shared/queue/src").join(source))).join("\n");

    for (document, text) in documents() {
        for name in words(&text, |letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter)) {
            let name = name.trim_end_matches('.');
            let is_path =
                name.contains('/') && [".rs", ".sh", ".md", ".toml"].iter().any(|ending| name.ends_with(ending));
            let exists = || root().join(name).exists() || root().join(document).with_file_name(name).exists();
            assert!(!is_path || exists(), "{document} names {name}, which does not exist");
            let is_queue = name.starts_with("meta.") && [".v1", ".v2"].iter().any(|version| name.contains(version));
            assert!(!is_queue || topology.contains(name), "{document} names the queue {name}, which does not exist");
        }
    }
}

/// The rows of a document's tables whose last column is called "held by".
fn held_rows(document: &str) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut is_held = false;
    for line in document.lines() {
        if !line.starts_with("| ") {
            is_held &= line.starts_with("|-");
        } else if is_held {
            rows.push(line);
        } else {
            is_held = line.ends_with("| held by |");
        }
    }
    rows
}

#[test]
fn every_promise_about_personal_data_and_security_is_held_by_a_test() {
    let sources: Vec<String> = files(".rs").iter().map(|path| read(path)).collect();
    for document in ["docs/privacy.md", "docs/security.md"] {
        let text = read(&root().join(document));
        let rows = held_rows(&text);
        assert!(rows.len() > 10, "{document} has only {} rows", rows.len());
        for row in rows {
            let column = row.rsplit('|').nth(1).expect("a last column");
            let tests: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
            assert!(!tests.is_empty(), "no test holds {row}");
            for test in tests {
                let exists = sources.iter().any(|source| source.contains(&format!("fn {test}(")));
                assert!(exists, "{document} names the test {test}, which does not exist");
            }
        }
    }
}
