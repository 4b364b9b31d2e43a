//! The one check of whose a channel is and where its events may go, before a channel or a ticket is stored: for the
//! operator's commands, DSK's tickets and the pages alike.

use chassis::{Problem, Secret};
use url::{Host, Url};

use crate::public_hosts::{is_private_name, is_public};

/// A tenant's name is shown on pages, and stands in logs and in the names of fields.
const TENANT_CHARACTERS_MAX: usize = 200;
/// Longer URLs are refused by servers.
const URL_BYTES_MAX: usize = 2_048;
/// Servers accept 8 KiB of headers at least, and this is one of them.
const TOKEN_BYTES_MAX: usize = 4_096;

/// What the operator allows of endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Endpoints on other machines may be http (`DSK_ALLOW_HTTP`).
    pub http: bool,
    /// A channel's own URL may be an address of a private network (`DSK_ALLOW_PRIVATE`).
    pub private: bool,
}

/// Checks a tenant's name, by whichever way it comes.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), Problem> {
    let wrong = |wrong: &str| Err(Problem::new("tenant", wrong, "name the DSK customer in a few plain characters"));
    if tenant.trim().is_empty() {
        return wrong("must not be empty");
    }
    if tenant.chars().count() > TENANT_CHARACTERS_MAX {
        return wrong("is longer than 200 characters");
    }
    if tenant.chars().any(changes_lines) {
        return wrong("has a control character");
    }
    if let Some(character) = tenant.chars().find(|character| !is_of_a_name(*character)) {
        return wrong(&format!("has the character {}", character.escape_unicode()));
    }
    if !tenant.starts_with(char::is_alphanumeric) || tenant.ends_with(' ') {
        return wrong("does not begin with a letter or digit, or ends with a space");
    }
    if tenant.split('/').any(|part| part.chars().all(|character| character == '.')) {
        return wrong("looks like a path");
    }
    Ok(())
}

/// Checks a tenant's name and, if its channels have one of their own, the URL that their events are to go to.
pub fn check_customer(tenant: &str, dsk_url: Option<&str>, allowance: Allowance) -> Result<(), Problem> {
    check_tenant(tenant)?;
    let Some(url) = dsk_url else { return Ok(()) };
    let wrong = |wrong: &str| Err(Problem::new("dsk_url", wrong, "write https://host/path"));
    if url.len() > URL_BYTES_MAX {
        return wrong("is longer than 2,048 bytes");
    }
    // The parser of URLs would leave some of them out, and what is stored would not be what is requested.
    if url.chars().any(|character| changes_lines(character) || character.is_whitespace()) {
        return wrong("has a space or a control character");
    }
    let url = check_channel_url("dsk_url", url, allowance)?;
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("holds a user or a password: DSK is given the DSK token instead");
    }
    Ok(())
}

/// Checks a token that is to authorise us at DSK. The problem does not repeat it.
pub fn check_dsk_token(token: &Secret) -> Result<(), Problem> {
    let wrong = |wrong: &str| Err(Problem::new("dsk_token", wrong, "give the token as DSK made it"));
    if token.expose().trim().is_empty() {
        return wrong("must not be empty");
    }
    if token.expose().len() > TOKEN_BYTES_MAX {
        return wrong("is longer than 4,096 bytes");
    }
    if token.bearer().is_err() || token.expose().chars().any(char::is_control) {
        return wrong("has a character that no header may hold");
    }
    Ok(())
}

/// Refuses a URL over which a token would travel in clear. `setting` names it in the problem.
pub fn check_url(setting: &'static str, url: &str, allowance: Allowance) -> Result<Url, Problem> {
    let problem = |wrong: String| Problem::new(setting, wrong, "write https://host/path");
    let parsed = Url::parse(url).map_err(|error| problem(format!("is not a URL ({error})")))?;
    let host = parsed.host().ok_or_else(|| problem("has no host".to_owned()))?;
    let is_loopback = match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if is_loopback || allowance.http => Ok(parsed),
        "http" => Err(Problem::new(
            setting,
            "is http, which would send tokens in clear",
            "write https://…, or set DSK_ALLOW_HTTP=true if the network is yours alone",
        )),
        _ => Err(problem("is neither https nor http".to_owned())),
    }
}

/// A channel's own URL must also lead into no private network. A name is resolved for each connection, and the address that
/// it leads to is checked then.
pub fn check_channel_url(setting: &'static str, url: &str, allowance: Allowance) -> Result<Url, Problem> {
    let url = check_url(setting, url, allowance)?;
    let is_private = match url.host() {
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        Some(Host::Domain(name)) => is_private_name(name),
        None => true,
    };
    if is_private && !allowance.private {
        return Err(Problem::new(
            setting,
            "is an address of a private network",
            "give a public one, or set DSK_ALLOW_PRIVATE=true if channels may name private ones",
        ));
    }
    Ok(url)
}

/// Whether a tenant's name may hold the character: none that a shell, a path, a pattern or a page reads as something else,
/// and none that is not seen. What an older release stored goes on as it is; only its export is not imported.
fn is_of_a_name(character: char) -> bool {
    let is_unseen = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    );
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || " -_.:@&+,()'/".contains(character);
    }
    !is_unseen && !character.is_control() && !character.is_whitespace()
}

/// Whether a character ends a line, or changes how what follows is shown: a name with one could forge a line of a log.
fn changes_lines(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(tenant: &str, dsk_url: &str) -> String {
        let checked = check_customer(tenant, Some(dsk_url), Allowance::default());
        checked.err().map(|problem| problem.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_customer_has_a_plain_name_and_a_public_https_url_without_a_password() {
        let url = "https://dsk.example/events";
        for tenant in ["acme", "Müller & Söhne", "株式会社"] {
            assert_eq!(problem(tenant, url), "");
        }
        let long = "a".repeat(60 << 10);
        for tenant in ["", " ", "acme\nlevel=error", "acme\u{1b}[2J", "acme\u{202e}", long.as_str()] {
            assert!(problem(tenant, url).starts_with("tenant "), "{}", tenant.escape_debug());
        }
        let long = format!("https://dsk.example/{long}");
        for url in [
            "https://10.1.2.3/",
            "https://localhost/",
            "https://169.254.169.254/latest",
            "http://dsk.example/",
            "http://127.0.0.1:9100/",
            "https://user:password@dsk.example/",
            "https://user@dsk.example/",
            "https://dsk.exa\tmple/",
            " https://dsk.example/",
            "https://dsk.example/\r\nx",
            "dsk.example",
            long.as_str(),
        ] {
            assert!(problem("acme", url).starts_with("dsk_url "), "{}: {}", url.escape_debug(), problem("acme", url));
        }
    }

    #[test]
    fn a_tenants_name_can_neither_be_a_path_or_a_pattern_nor_look_like_another() {
        for tenant in ["acme", "acme-1_eu.x:y@z", "acme/eu", "O'Neil, Sons (UK) + Co.", "हिन्दी", "é"] {
            assert_eq!(problem(tenant, "https://dsk.example/"), "", "{tenant}");
        }
        for tenant in [
            "../../x",
            "acme/../x",
            "/etc",
            "acme/",
            ".",
            "..",
            "*",
            "acme*",
            "a?",
            "[a]",
            "-",
            "--all",
            " acme",
            "acme ",
            "acme\u{a0}x",
            "a\\b",
            "<b>",
            "a\"b",
            "acme\u{200b}",
            "acme\u{feff}",
            "acme\u{ad}",
            "\u{3164}",
            "acme\u{e0041}",
            "acme\u{61c}",
            "acme\u{2066}x",
            "acme\0",
            "acme\u{85}",
        ] {
            assert!(problem(tenant, "https://dsk.example/").starts_with("tenant "), "{}", tenant.escape_debug());
        }
    }

    /// A name is also checked by the address that it leads to; these lead into a private network wherever they are asked.
    #[test]
    fn no_spelling_of_a_private_place_is_a_channels_own_url() {
        for host in [
            "localhost",
            "localhost.",
            "LOCALHOST.",
            "ｌocalhost",
            "a.localhost",
            "a.localhost.",
            "localhost.localdomain",
            "localhost.localdomain.",
            "redis",
            "redis.",
            "metadata.google.internal",
            "dsk.internal.",
            "printer.local",
            "printer.LOCAL.",
            "router.lan",
            "nas.home.arpa",
            "127.1",
            "127.0.0.1.",
            "0177.0.0.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "127。0。0。1",
            "0",
            "10.1",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::7f00:1]",
            "[2002:7f00:1::]",
            "[3fff::1]",
            "[fe80::1]",
            "[::]",
        ] {
            let url = format!("https://{host}/");
            assert!(problem("acme", &url).starts_with("dsk_url "), "{host}");
            let clear = check_url("DSK_URL", &format!("http://{host}/"), Allowance::default());
            assert!(clear.is_err() || clear.is_ok_and(|url| is_this_machine(&url)), "{host}");
        }
        for host in ["dsk.example", "dsk.example.", "internal.example", "local.example", "localhost.example", "9.9.9.9"]
        {
            assert_eq!(problem("acme", &format!("https://{host}/")), "", "{host}");
        }
    }

    fn is_this_machine(url: &Url) -> bool {
        ["localhost", "127.0.0.1", "[::1]"].contains(&url.host_str().unwrap_or_default())
    }

    #[test]
    fn a_token_that_no_header_can_hold_is_refused_without_repeating_it() {
        let problem = |token: &str| check_dsk_token(&Secret::new(token)).err().map(|problem| problem.to_string());

        assert_eq!(problem("dsk-token"), None);
        for wrong in ["", " ", "hunter2\r\nx: y", &"hunter2".repeat(1_000)] {
            assert!(problem(wrong).is_some_and(|problem| !problem.contains("hunter2")), "{}", wrong.escape_debug());
        }
    }
}
