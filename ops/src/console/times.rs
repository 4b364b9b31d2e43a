//! Times as people read them.

use jiff::Timestamp;
use maud::{Markup, html};

/// A time, to the second, and how long ago that was.
pub(crate) fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%F %T")) " UTC" } " " span class="quiet" { "(" (ago(at, now)) ")" } }
}

/// How long ago it was, or how long it will take, in one unit.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let text = rough(seconds.unsigned_abs());
    match seconds {
        0 => "just now".to_owned(),
        1.. => format!("{text} ago"),
        _ => format!("in {text}"),
    }
}

/// A span of seconds in the largest unit of which there are at least two.
fn rough(seconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3_600, "h"), (60, "min")];
    UNITS
        .into_iter()
        .find(|(length, _)| seconds >= 2 * length)
        .map_or_else(|| format!("{seconds} s"), |(length, name)| format!("{} {name}", seconds / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_as_long_ago_as_people_would_say() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let at = |text: &str| ago(text.parse().unwrap(), now);

        assert_eq!(at("2026-11-29T12:00:00Z"), "just now");
        assert_eq!(at("2026-11-29T11:59:00Z"), "60 s ago");
        assert_eq!(at("2026-11-29T11:00:00Z"), "60 min ago");
        assert_eq!(at("2026-11-28T13:00:00Z"), "23 h ago");
        assert_eq!(at("2026-11-20T12:00:00Z"), "9 days ago");
        assert_eq!(at("2026-12-29T12:00:00Z"), "in 30 days");
    }
}
