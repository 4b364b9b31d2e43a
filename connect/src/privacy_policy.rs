//! The privacy policy that `/privacy` shows, from one Markdown file: ours, or the operator's.

use std::path::Path;
use std::time::Duration;

use chassis::Problem;
use maud::PreEscaped;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::cookie::SESSION_TIME;
use crate::profile::PROFILE_TIME;
use crate::settings::privacy::{PrivacySettings, given};

/// Says what the software does. Its figures are filled in; a test compares those of the queue, which connect does not
/// know, with the queue's own.
const SHIPPED: &str = include_str!("privacy.md");
/// A changed text gets another version, a date, and a line under "What has changed"; a test asks for them.
const VERSION: &str = "6, of 29 November 2026";

/// What our text says where the operator has not filled in a setting. It is true of every operator.
const CONTACT: &str =
    "The company that runs this service. DSK, or the business that sent you here, can tell you its name and address.";
const LEGAL_BASIS: &str = "We process message data on behalf of the business to which the channel belongs, and on its \
    instructions (Article 28 of the GDPR); that business decides on which basis it does so, as a rule a contract with its \
    customers or its legitimate interest in answering them (Article 6 (1) (b) and (f)). We process the data of a \
    connection in order to perform the contract with the business that connects its channel (Article 6 (1) (b)), or, \
    where it concerns a person who acts for that business, because of our and its legitimate interest in the connection \
    that it has asked for (Article 6 (1) (f)).";
const RECIPIENTS: &str =
    "Companies that run servers for us may have access to them, under a contract that binds them to our instructions.";
const TRANSFERS: &str = "Ask us where our servers and those of DSK are.";
const BACKUPS: &str = "for a limited time, which we tell you on request";
const LOGS: &str = "for a limited time, which we tell you on request";
const AUTHORITY: &str = "the data protection authority of the country where you live or work, or of that in which the responsible company is";

/// A privacy policy, rendered.
#[derive(Debug)]
pub(crate) struct PrivacyPolicy {
    /// Its first heading, if it has one.
    pub(crate) title: Option<String>,
    pub(crate) text: PreEscaped<String>,
    pub(crate) author: Author,
}

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// The one that comes with the software, in English.
    Software,
    /// The operator's own, in a language that we do not know.
    Operator,
}

/// A name that may stand in braces, and the text that replaces it.
struct Figure {
    name: &'static str,
    value: String,
}

impl PrivacyPolicy {
    /// Reads the operator's file, or takes ours.
    pub(crate) fn load(settings: &PrivacySettings, ticket_time: Duration) -> Result<Self, Problem> {
        let file = settings.privacy_policy_file.as_deref();
        let author = if file.is_some() { Author::Operator } else { Author::Software };
        let text = file.map_or_else(|| Ok(SHIPPED.to_owned()), read)?;
        let filled = fill(&text, &figures(settings, ticket_time)).map_err(|wrong| {
            Problem::new("PRIVACY_POLICY_FILE", wrong, "write {{ for a brace, or one of the names that are known")
        })?;
        Ok(Self::render(&filled, author))
    }

    /// The first heading becomes the page's title. HTML in the file is shown as text, because our pages allow no foreign
    /// styles, scripts or frames.
    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else in Markdown is rendered as usual")]
    fn render(markdown: &str, author: Author) -> Self {
        let mut title = None::<String>;
        let mut in_title = false;
        let mut body = Vec::new();
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) if title.is_none() => {
                    title = Some(String::new());
                    in_title = true;
                }
                Event::End(TagEnd::Heading(HeadingLevel::H1)) if in_title => in_title = false,
                Event::Text(text) | Event::Code(text) if in_title => title.get_or_insert_default().push_str(&text),
                Event::Html(text) | Event::InlineHtml(text) => body.push(Event::Text(text)),
                event => body.push(event),
            }
        }
        let mut text = String::new();
        html::push_html(&mut text, body.into_iter());
        Self { title, text: PreEscaped(text), author }
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| {
        let wrong = format!("file {} can't be read ({error})", path.display());
        Problem::new("PRIVACY_POLICY_FILE", wrong, "name a readable Markdown file, or do not set it")
    })?;
    if text.trim().is_empty() {
        return Err(Problem::new("PRIVACY_POLICY_FILE", "is empty", "write the privacy policy into it, in Markdown"));
    }
    Ok(text)
}

fn figures(settings: &PrivacySettings, ticket_time: Duration) -> [Figure; 15] {
    let figure = |name, value: String| Figure { name, value };
    let days = |time: Duration| (time.as_secs() / (24 * 60 * 60)).to_string();
    let filled_in = |setting: &Option<String>, general: &str| given(setting.as_ref()).unwrap_or(general).to_owned();
    [
        figure("contact", filled_in(&settings.privacy_contact, CONTACT)),
        figure("version", VERSION.to_owned()),
        figure("legal_basis", filled_in(&settings.privacy_legal_basis, LEGAL_BASIS)),
        figure("recipients", filled_in(&settings.privacy_recipients, RECIPIENTS)),
        figure("transfers", filled_in(&settings.privacy_transfers, TRANSFERS)),
        figure("backups", filled_in(&settings.privacy_backups, BACKUPS)),
        figure("logs", filled_in(&settings.privacy_logs, LOGS)),
        figure("authority", filled_in(&settings.privacy_authority, AUTHORITY)),
        figure("session_minutes", (SESSION_TIME.as_secs() / 60).to_string()),
        figure("profile_minutes", (PROFILE_TIME.as_secs() / 60).to_string()),
        figure("ticket_time", humantime::format_duration(ticket_time).to_string()),
        figure("delivered_days", days(channels::DELIVERED_TIME)),
        figure("removed_days", days(channels::TOMBSTONE_TIME)),
        figure("held_days", days(channels::HELD_TIME)),
        figure("record_days", days(channels::ERASURE_RECORD_TIME)),
    ]
}

/// Replaces each name in braces by its figure; `{{` stands for a brace. The error says what is wrong with the text.
fn fill(text: &str, figures: &[Figure]) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        if let Some(behind) = behind.strip_prefix('{') {
            filled.push('{');
            rest = behind;
            continue;
        }
        let (name, behind) = behind.split_once('}').ok_or("has a { without its }")?;
        let figure = figures.iter().find(|figure| figure.name == name).ok_or_else(|| {
            let names: Vec<String> = figures.iter().map(|figure| format!("{{{}}}", figure.name)).collect();
            format!("names {{{name}}}, which is not one of {}", names.join(", "))
        })?;
        filled.push_str(&figure.value);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn figures_are_filled_in_and_an_unknown_name_is_refused() {
        let figures = [Figure { name: "days", value: "8".to_owned() }];

        assert_eq!(fill("for {days} days, {{days}", &figures), Ok("for 8 days, {days}".to_owned()));
        assert!(fill("for {weeks} weeks", &figures).unwrap_err().contains("not one of {days}"));
        assert!(fill("for {days", &figures).is_err());
    }

    /// The SHA-256 of the text that has this version.
    const DIGEST: &str = "1c24127e86077890f7790c800d6bd3a02d1513c99ea212906e0b0ebe03018764";

    #[test]
    fn the_text_changes_only_together_with_its_version() {
        let parts = [SHIPPED, CONTACT, LEGAL_BASIS, RECIPIENTS, TRANSFERS, BACKUPS, LOGS, AUTHORITY];
        let digest = hex::encode(Sha256::digest(parts.concat()));

        assert_eq!(
            digest, DIGEST,
            "give the text another VERSION, say under \"What has changed\" what it is, then put this here"
        );
        let (number, date) = VERSION.split_once(", of ").unwrap();
        assert!(
            SHIPPED.contains(&format!("- **Version {number}, {date}:** ")),
            "{VERSION} is not under \"What has changed\""
        );
    }

    #[test]
    fn html_in_the_file_is_shown_as_text_and_the_first_heading_is_the_title() {
        let policy = PrivacyPolicy::render(
            "# Our *policy*\n\nHello <script>alert(1)</script>\n\n<iframe src=x></iframe>\n",
            Author::Operator,
        );

        assert_eq!(policy.title.as_deref(), Some("Our policy"));
        let text = policy.text.into_string();
        assert!(text.contains("&lt;script&gt;") && !text.contains("<iframe") && !text.contains("<h1"), "{text}");
    }
}
