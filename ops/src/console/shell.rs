//! Commands as a person can paste them into a shell.

use std::borrow::Cow;

/// A command with its arguments, each quoted where a shell would not take it as it is.
pub(crate) fn command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// One argument, as a POSIX shell reads it.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        let words = ["ops", "events", "find", "evt_1", "--channel", "whatsapp:1", "it's $HOME", ""];

        assert_eq!(command_line(words), r"ops events find evt_1 --channel whatsapp:1 'it'\''s $HOME' ''");
    }
}
