//! The runbook as a page, so that whoever reads what is wrong can read what to do about it, also without a network.

#![expect(clippy::wildcard_enum_match_arm, reason = "everything else in Markdown is rendered as usual")]

use std::sync::LazyLock;

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html};

use crate::console::layout::Place;

/// The file that comes with the software.
const RUNBOOK: &str = include_str!("../../../runbook.md");

/// Rendered once.
static PAGE: LazyLock<String> = LazyLock::new(|| render(RUNBOOK));

/// The runbook without its first heading, which is the page's.
pub(super) fn content() -> Markup {
    html! { div class="prose" { (PreEscaped(PAGE.as_str())) } }
}

/// Where the entry of an alert is.
pub(super) fn entry(alert: &str) -> String {
    format!("{}#{}", Place::Runbook.path(), anchor(alert))
}

/// Gives each heading the anchor by which links name it, as GitHub does. HTML in the text is shown as text.
fn render(markdown: &str) -> String {
    let events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let mut body = Vec::with_capacity(events.len());
    let mut is_in_title = false;
    for (place, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => is_in_title = true,
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => is_in_title = false,
            _ if is_in_title => {}
            Event::Start(Tag::Heading { level, .. }) => {
                body.push(heading(*level, &anchor(&text(&events[place + 1..]))));
            }
            Event::Html(text) | Event::InlineHtml(text) => body.push(Event::Text(text.clone())),
            event => body.push(event.clone()),
        }
    }
    let mut page = String::new();
    push_html(&mut page, body.into_iter());
    page
}

fn heading(level: HeadingLevel, id: &str) -> Event<'static> {
    let id = Some(CowStr::from(id.to_owned()));
    Event::Start(Tag::Heading { level, id, classes: Vec::new(), attrs: Vec::new() })
}

/// The text of the heading that begins here.
fn text(events: &[Event<'_>]) -> String {
    let of_heading = events.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    let texts = of_heading.filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
        _ => None,
    });
    texts.collect()
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let kept = letters.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_within_the_runbook_leads_to_a_heading() {
        let mut links = 0;
        for part in PAGE.split("href=\"#").skip(1) {
            let target = part.split('"').next().unwrap_or_default();
            assert!(PAGE.contains(&format!(" id=\"{target}\">")), "nothing has the anchor {target}");
            links += 1;
        }
        assert!(links > 10, "{links} links");
    }

    #[test]
    fn a_link_from_an_alert_leads_to_its_entry() {
        assert_eq!(entry("PartitionNotTaken"), "/runbook#partitionnottaken");
        assert!(PAGE.contains("<h3 id=\"partitionnottaken\">PartitionNotTaken</h3>"));
    }

    #[test]
    fn html_in_the_text_is_shown_as_text_and_the_first_heading_is_left_to_the_page() {
        let page = render("# Title *here*\n\n## Redis answers `BUSY`, or not\n\n<script>alert(1)</script>\n");

        assert!(!page.contains("Title") && !page.contains("<script"), "{page}");
        assert!(page.contains("<h2 id=\"redis-answers-busy-or-not\">"), "{page}");
    }
}
