//! The receivers in `docs/receivers` use the contract's own code, and their README names what they really read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::workspace::{read, relative, root};

/// A receiver's folder, what marks its code in the contract, the file that has that code, and the one that reads settings.
const RECEIVERS: [(&str, &str, &str, &str); 2] =
    [("python", "python", "verify.py", "receiver.py"), ("typescript/src", "ts", "verify.ts", "receiver.ts")];

fn folder() -> PathBuf {
    root().join("docs/receivers")
}

#[test]
fn the_receivers_check_signatures_by_the_code_of_the_contract() {
    let contract = read(&root().join("docs/dsk-contract.md"));
    for (place, mark, file, _) in RECEIVERS {
        let (_, rest) = contract.split_once(&format!("```{mark}\n")).expect("the contract has this code");
        let code = rest.split("```").next().expect("it has an end");
        let source = read(&folder().join(place).join(file));
        let (_, used) = source.split_once("\n\n").expect("the first line says what the file is for");
        assert_eq!(used, code, "{place}/{file} differs from docs/dsk-contract.md");
    }
}

/// What follows each of these in a source is the name of a setting.
const READS: [&str; 3] = ["setting(\"", "environ.get(\"", "process.env."];

#[test]
fn the_readme_of_the_receivers_names_exactly_the_settings_that_each_of_them_reads() {
    fn name(text: &str) -> &str {
        text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').next().unwrap_or_default()
    }

    let readme = read(&folder().join("README.md"));
    let rows = readme.split("\n| `").skip(1).map(name).filter(|name| !name.is_empty());
    let documented: BTreeSet<&str> = rows.collect();
    assert_eq!(documented.len(), 5, "{documented:?}");
    for (place, _, _, file) in RECEIVERS {
        let source = read(&folder().join(place).join(file));
        let found = READS.iter().flat_map(|before| source.split(before).skip(1).map(name));
        let found: BTreeSet<&str> = found.filter(|name| !name.is_empty()).collect();
        assert_eq!(found, documented, "{place}/{file}");
    }
}

#[test]
fn a_file_of_a_receiver_can_be_read_at_one_sitting() {
    for place in ["python", "typescript/src"] {
        for entry in std::fs::read_dir(folder().join(place)).expect("the folder exists").flatten() {
            let path = entry.path();
            if path.is_file() {
                let lines = read(&path).lines().count();
                assert!(lines <= 200, "{} has {lines} lines", relative(&path));
            }
        }
    }
}
