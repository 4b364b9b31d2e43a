//! What a package installs beside `ops`: completions and manual pages.

use super::commands::OperatorFolder;

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    let folder = OperatorFolder::new();

    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = folder.runs(&["completions", shell]);
        for word in ["dead-letters", "replay", "connect-link"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn every_command_gets_a_manual_page() {
    let folder = OperatorFolder::new();

    folder.runs(&["man", "man1"]);

    let page = |name: &str| std::fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    assert!(page("ops.1").contains("ops\\-channels(1)"));
    assert!(page("ops-channels.1").contains("ops\\-channels\\-add(1)"));
    assert!(page("ops-channels-add.1").contains("dsk\\-token\\-file"));
}
