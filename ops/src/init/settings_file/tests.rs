//! The settings file says what the programs know, and a shell reads it as it was meant.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use chassis::Secret;
use clap::{Args as _, CommandFactory as _};
use expect_test::expect_file;

use super::*;
use crate::init::answers::{InstagramApp, MetaApp};
use crate::standalone::Standalone;

fn files() -> Systems {
    Systems::Files(PathBuf::from("/var/lib/meta-integration"))
}

fn servers() -> Systems {
    Systems::Servers { rabbitmq: Secret::new("amqp://broker"), redis: Secret::new("redis://store") }
}

fn pages() -> Pages {
    Pages {
        url: "https://connect.example.com".parse().unwrap(),
        privacy_contact: Some("Example's \"Ltd\", $5 `street`\\, privacy@example.com".to_owned()),
        meta: Some(MetaApp { id: "1".to_owned(), configuration_id: "2".to_owned() }),
        instagram: Some(InstagramApp { id: "3".to_owned(), secret: Secret::new("of-instagram") }),
    }
}

fn file(systems: Systems, pages: Option<Pages>) -> SettingsFile {
    SettingsFile::new(&Answers::example(systems, pages), Path::new("/etc/meta-integration"))
}

fn known(command: &clap::Command) -> BTreeSet<String> {
    let names = command.get_arguments().filter_map(|argument| argument.get_env());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[test]
fn the_example_is_what_ops_init_makes_for_the_units() {
    expect_file!["../../../systemd/settings.env.example"].assert_eq(&file(files(), None).text());
}

#[test]
fn every_line_is_a_setting_of_the_processes_that_read_the_file() {
    let standalone = known(&Standalone::augment_args(clap::Command::new("standalone")));
    let commands = [ingest::Settings::command(), dispatcher::Settings::command(), connect::Settings::command()];
    let apart: BTreeSet<String> = commands.iter().flat_map(known).collect();

    for (systems, known) in [(files(), standalone), (servers(), apart)] {
        let file = file(systems, Some(pages()));
        let unknown: Vec<&str> =
            file.lines.iter().map(|line| line.name).filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert!(file.lines.iter().all(|line| line.comment.ends_with('.')), "a line lacks its sentence");
    }
}

#[test]
fn a_shell_reads_each_value_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(files(), Some(pages()));
    let path = folder.path().join(FILE);
    std::fs::write(&path, file.text()).unwrap();

    for Setting { name, value } in file.values() {
        let script = format!("set -eu; {}; printf %s \"${name}\"", load_command(folder.path()));
        let read = Command::new("sh").args(["-c", &script]).env_clear().output().unwrap().stdout;
        assert_eq!(String::from_utf8(read).unwrap(), value, "{name}");
    }
}

#[test]
fn no_line_is_too_long_to_read_and_what_is_unknown_is_there_to_be_filled_in() {
    let text = file(files(), None).text();

    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    assert!(text.contains("\n#CONNECT_URL=\n") && text.contains("\n#PRIVACY_CONTACT=\n"), "{text}");
}
