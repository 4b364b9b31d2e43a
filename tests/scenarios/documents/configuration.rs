//! `docs/configuration.md` is printed from the settings themselves: name, default and meaning stand once, in Rust.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use expect_test::expect_file;

const HEAD: &str = "\
# Settings

Printed from the programs (`UPDATE_EXPECT=1 cargo test --package scenarios documents::configuration` prints it anew). Each setting
is an environment variable and an argument: `ATTEMPT_TIMEOUT=5s dispatcher` and `dispatcher --attempt-timeout 5s` are the
same. An empty variable counts as not given. A secret may also come from a file, named by the same setting with `_FILE`;
both is an error. What is wrong is said at once, with the remedy, before anything listens (exit 2). `ops` takes the
settings of what it works on.
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
        .expect("a string takes it");
    for argument in command.get_arguments() {
        if let Some(name) = argument.get_env().and_then(|name| name.to_str()) {
            writeln!(document, "| `{name}` | {} | {} |", default(argument), meaning(argument))
                .expect("a string takes it");
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

/// One line of a table.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
