//! Every text of the pages by its name in the languages' files, and the form of their dates. A text shows itself in the
//! language of the reader.

use std::fmt;

use fluent_bundle::{FluentArgs, FluentValue};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::Render;

use crate::language::Language;
use crate::reader;

/// A text, in whichever language it will be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) id: &'static str,
    /// What [`Text::with`] has to give.
    pub(crate) variables: &'static [&'static str],
}

/// Declares each text once, with its variables in brackets.
macro_rules! texts {
    ($($name:ident = $id:literal $([$($variable:literal),+])?;)*) => {
        $(pub(crate) const $name: Text = Text { id: $id, variables: &[$($($variable),+)?] };)*

        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[Text] = &[$($name),*];
    };
}

texts! {
    SERVICE = "service";
    FOR_WHOM = "for-whom" ["tenant"];
    LANGUAGE_CHOICE = "language-choice";
    START_TITLE = "start-title";
    START = "start";
    BEGIN_TITLE = "begin-title";
    BEGIN = "begin";
    BEGIN_CHECK = "begin-check" ["tenant"];
    BEGIN_COOKIE = "begin-cookie" ["minutes"];
    CONTINUE = "continue";
    PRIVACY_TITLE = "privacy-title";
    PRIVACY_IN_ENGLISH = "privacy-in-english";
    LINK_TITLE = "link-title";
    LINK = "link";
    SESSION_TITLE = "session-title";
    SESSION = "session";
    FOREIGN_FORM_TITLE = "foreign-form-title";
    FOREIGN_FORM = "foreign-form";
    OFTEN_TITLE = "often-title";
    OFTEN = "often";
    NOT_FOUND_TITLE = "not-found-title";
    NOT_FOUND = "not-found";
    STORE_TITLE = "store-title";
    STORE = "store";
    CHANNELS_TITLE = "channels-title";
    CHANNELS_NONE = "channels-none";
    CHANNELS_NONE_WHAT = "channels-none-what";
    KIND_WHATSAPP = "kind-whatsapp";
    KIND_INSTAGRAM = "kind-instagram";
    KIND_OTHER = "kind-other";
    ACCESS_UNTIL = "access-until" ["date"];
    STATE_CONNECTED = "state-connected";
    STATE_RECONNECT = "state-reconnect";
    RECONNECT_WHY = "reconnect-why";
    RECONNECT = "reconnect";
    RECONNECT_NAMED = "reconnect-named" ["name"];
    ADD_TITLE = "add-title";
    ADD_WHATSAPP = "add-whatsapp";
    ADD_INSTAGRAM = "add-instagram";
    DISCONNECT = "disconnect";
    DISCONNECT_NAMED = "disconnect-named" ["name"];
    LEAVE = "leave";
    BACK = "back";
    DISCONNECT_TITLE = "disconnect-title";
    DISCONNECT_ASK = "disconnect-ask";
    DISCONNECTED_TITLE = "disconnected-title";
    DISCONNECTED = "disconnected";
    DISCONNECTED_STILL_SUBSCRIBED = "disconnected-still-subscribed";
    NOT_YOURS = "not-yours";
    WHATSAPP_TITLE = "whatsapp-title";
    WHATSAPP = "whatsapp";
    WHATSAPP_LOADS = "whatsapp-loads";
    WHATSAPP_POPUP = "whatsapp-popup";
    WHATSAPP_BUTTON = "whatsapp-button";
    WHATSAPP_NO_SCRIPT = "whatsapp-no-script";
    WHATSAPP_LOADING = "whatsapp-loading";
    WHATSAPP_READY = "whatsapp-ready";
    WHATSAPP_MISSING = "whatsapp-missing";
    WHATSAPP_WAITING = "whatsapp-waiting";
    CONNECTED_TITLE = "connected-title";
    CONNECTED = "connected";
    PIN = "pin";
    PIN_KEEP = "pin-keep";
    CANCELLED_TITLE = "cancelled-title";
    CANCELLED = "cancelled";
    FAILED_TITLE = "failed-title";
    TRY_AGAIN = "try-again";
    FAILED_AWAY = "failed-away";
    FAILED_THROTTLED = "failed-throttled";
    FAILED_TOKEN = "failed-token";
    FAILED_PERMISSION = "failed-permission";
    FAILED_REFUSED = "failed-refused";
    FAILED_NOT_GRANTED = "failed-not-granted";
    FAILED_NO_NUMBER = "failed-no-number";
    FAILED_OTHER_TENANT = "failed-other-tenant";
    FAILED_REGISTER = "failed-register";
    FAILED_STATE = "failed-state";
    DELETION_TITLE = "deletion-title";
    DELETION_CODE = "deletion-code";
    DELETION_ASKED = "deletion-asked";
    DELETION_DONE_AT = "deletion-done-at";
    DELETION_PENDING = "deletion-pending";
    DELETION_DONE = "deletion-done";
    DELETION_FOUND_NOTHING = "deletion-found-nothing";
    DELETION_TOO_OLD = "deletion-too-old";
    DELETION_CONNECTED_SINCE = "deletion-connected-since";
    DELETION_COPIES = "deletion-copies";
    DELETION_UNKNOWN = "deletion-unknown";
    DAY = "day" ["day", "month", "year"];
    MOMENT = "moment" ["day", "month", "year", "time"];
}

/// Fluent puts these around each value, so that a name does not turn the direction of the sentence around it.
const ISOLATES: [char; 2] = ['\u{2068}', '\u{2069}'];

impl Text {
    /// The text with its variables filled in, in the reader's language.
    pub(crate) fn with<const N: usize>(self, values: [(&'static str, FluentValue<'_>); N]) -> String {
        let values: FluentArgs<'_> = values.into_iter().collect();
        // A test finds what is missing; a reader would then get English, or at last the name of the text.
        let text = reader::language().text(self.id, &values).or_else(|| Language::English.text(self.id, &values));
        text.unwrap_or_else(|| self.id.to_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.with([]))
    }
}

impl Render for Text {
    fn render_to(&self, page: &mut String) {
        self.with([]).render_to(page);
    }
}

/// Without the marks of direction, for places that show no mixed text: an attribute, or a value of another text.
pub(crate) fn plain(text: &str) -> String {
    text.replace(ISOLATES, "")
}

/// Writes a day, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    let at = TimeZone::UTC.to_datetime(at);
    plain(&DAY.with([
        ("day", at.day().to_string().into()),
        ("month", at.month().into()),
        ("year", at.year().to_string().into()),
    ]))
}

/// Writes a day and a time, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    let at = TimeZone::UTC.to_datetime(at);
    plain(&MOMENT.with([
        ("day", at.day().to_string().into()),
        ("month", at.month().into()),
        ("year", at.year().to_string().into()),
        ("time", at.strftime("%H:%M").to_string().into()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_month_has_its_name() {
        let day_in = |month: u8| day(format!("2026-{month:02}-09T12:00:00Z").parse().unwrap());

        assert_eq!(day_in(1), "9 January 2026");
        let months: std::collections::BTreeSet<String> = (1..=12).map(day_in).collect();
        assert_eq!(months.len(), 12, "{months:?}");
        assert_eq!(moment("2026-11-28T21:05:59Z".parse().unwrap()), "28 November 2026, 21:05 UTC");
    }
}
