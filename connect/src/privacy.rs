//! `GET /privacy`: the privacy policy, from one Markdown file: ours, or the operator's.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use chassis::Problem;
use maud::PreEscaped;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::app::App;
use crate::guard::SESSION_TIME;
use crate::settings::ConnectSettings;
use crate::{pages, texts};

/// Says what the software does. Its figures are filled in; those of the queue, which connect does not know, are compared
/// with it by a test.
const SHIPPED: &str = include_str!("privacy.md");

/// The policy, ready to be shown.
#[derive(Debug)]
pub(crate) struct Policy {
    title: String,
    text: PreEscaped<String>,
}

impl Policy {
    /// Reads the operator's file, or takes ours.
    pub(crate) fn load(settings: &ConnectSettings) -> Result<Self, Problem> {
        let text = match settings.privacy_policy_file.as_deref() {
            Some(path) => read(path)?,
            None => SHIPPED.to_owned(),
        };
        let filled = fill(&text, &figures(settings))
            .map_err(|wrong| Problem::new("PRIVACY_POLICY_FILE", wrong, "write {{ for a brace, or one of our names"))?;
        Ok(Self::render(&filled))
    }

    /// The first heading is the page's. HTML in the file is shown as text: what it would need is not allowed on our pages.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else Markdown has is shown as it is")]
    fn render(markdown: &str) -> Self {
        let (mut title, mut in_title) = (None::<String>, false);
        let mut body = Vec::new();
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) if title.is_none() => {
                    (title, in_title) = (Some(String::new()), true);
                }
                Event::End(TagEnd::Heading(HeadingLevel::H1)) if in_title => in_title = false,
                Event::Text(text) | Event::Code(text) if in_title => title.get_or_insert_default().push_str(&text),
                Event::Html(text) | Event::InlineHtml(text) => body.push(Event::Text(text)),
                event => body.push(event),
            }
        }
        let mut text = String::new();
        html::push_html(&mut text, body.into_iter());
        Self { title: title.unwrap_or_else(|| texts::PRIVACY_TITLE.to_owned()), text: PreEscaped(text) }
    }
}

/// `GET /privacy`.
pub(crate) async fn show(State(app): State<Arc<App>>) -> Html<String> {
    pages::page(&app.policy.title, &app.policy.text)
}

fn read(path: &Path) -> Result<String, Problem> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| {
        let wrong = format!("file {} can't be read ({error})", path.display());
        Problem::new("PRIVACY_POLICY_FILE", wrong, "name a readable Markdown file, or leave the setting out")
    })?;
    if text.trim().is_empty() {
        return Err(Problem::new("PRIVACY_POLICY_FILE", "is empty", "write the privacy policy into it, in Markdown"));
    }
    Ok(text)
}

/// What may stand in braces, and what it becomes.
fn figures(settings: &ConnectSettings) -> [(&'static str, String); 6] {
    let days = |time: std::time::Duration| (time.as_secs() / (24 * 60 * 60)).to_string();
    let contact = settings.privacy_contact.as_deref().map_or_else(
        || texts::PRIVACY_NO_CONTACT.to_owned(),
        |contact| format!("{} {contact}", texts::PRIVACY_CONTACT),
    );
    [
        ("contact", contact),
        ("session_minutes", (SESSION_TIME.as_secs() / 60).to_string()),
        ("ticket_time", humantime::format_duration(settings.ticket_time).to_string()),
        ("delivered_days", days(channels::DELIVERED_TIME)),
        ("removed_days", days(channels::TOMBSTONE_TIME)),
        ("record_days", days(channels::ERASURE_RECORD_TIME)),
    ]
}

/// Puts the figures in; what is wrong if a name is unknown. `{{` is a brace.
fn fill(text: &str, figures: &[(&str, String)]) -> Result<String, String> {
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
        let known = figures.iter().find(|(known, _)| *known == name);
        let (_, value) = known.ok_or_else(|| {
            let names: Vec<String> = figures.iter().map(|(name, _)| format!("{{{name}}}")).collect();
            format!("names {{{name}}}, which is none of {}", names.join(", "))
        })?;
        filled.push_str(value);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_filled_in_and_an_unknown_name_is_refused() {
        let figures = [("days", "8".to_owned())];

        assert_eq!(fill("for {days} days, {{days}", &figures), Ok("for 8 days, {days}".to_owned()));
        assert!(fill("for {weeks} weeks", &figures).unwrap_err().contains("none of {days}"));
        assert!(fill("for {days", &figures).is_err());
    }

    #[test]
    fn html_in_the_file_is_text_and_the_first_heading_is_the_page_s() {
        let policy = Policy::render("# Our *policy*\n\nHello <script>alert(1)</script>\n\n<iframe src=x></iframe>\n");

        assert_eq!(policy.title, "Our policy");
        let text = policy.text.into_string();
        assert!(text.contains("&lt;script&gt;") && !text.contains("<iframe") && !text.contains("<h1"), "{text}");
    }
}
