//! `docs/configuration.md` is generated from the settings: name, default and meaning are written once, in Rust.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use expect_test::expect_file;

const HEAD: &str = "\
# Settings

This page is generated from the programs; `UPDATE_EXPECT=1 cargo test --package scenarios documents::configuration` writes
it again. Each setting is both an environment variable and an argument: `ATTEMPT_TIMEOUT=5s dispatcher` and
`dispatcher --attempt-timeout 5s` mean the same. An empty variable counts as missing. A secret may also come from a file,
which the same setting with `_FILE` names; giving both is an error. One that is given as an argument shows in `ps`, and the
process complains about it. A process that has wrong settings names all of them with their remedies and exits with code 2
before it listens. `ops` takes the settings of the processes it works on. `ops init` makes a file with those that a machine
needs, each explained; `ops/systemd/settings.env.example` is such a file.
";

#[test]
fn the_document_lists_every_setting_with_its_default() {
    let mut document = HEAD.to_owned();
    for command in [ingest::Settings::command(), dispatcher::Settings::command(), connect::Settings::command()] {
        section(&mut document, &command);
    }

    expect_file!["../../../docs/configuration.md"].assert_eq(&document);
}

fn section(document: &mut String, command: &Command) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(document, "\n## {}\n\n{about}\n\n| setting | default | meaning |\n|---|---|---|", command.get_name())
        .expect("writing to a string cannot fail");
    for argument in command.get_arguments() {
        if let Some(name) = argument.get_env().and_then(|name| name.to_str()) {
            writeln!(document, "| `{name}` | {} | {} |", default(argument), meaning(argument))
                .expect("writing to a string cannot fail");
        }
    }
}

fn default(argument: &Arg) -> String {
    let values = argument.get_default_values();
    let text = values.first().map(|value| value.to_string_lossy().into_owned());
    match (text, argument.get_action().takes_values()) {
        (None, true) => "–".to_owned(),
        (Some(text), _) if text.is_empty() => "–".to_owned(),
        (None, false) => "`false`".to_owned(),
        (Some(text), _) => format!("`{text}`"),
    }
}

/// The help text of a setting, as one line of a table.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
