//! A contact as a person writes it on the command line: a channel, and the person's id there in the form that Meta uses.

use event::{Address, Family};

use crate::address::parse_address;

/// A person on a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Contact {
    pub(crate) address: Address,
    /// The person's id, as Meta writes it.
    pub(crate) id: String,
}

/// E.164 allows 15 digits. No country has complete numbers of fewer than 7.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Ids of Instagram and Messenger are decimal numbers.
const SCOPED_DIGITS_MAX: usize = 32;
/// Longest business-scoped user id, without its country.
const USER_ID_LENGTH_MAX: usize = 128;

/// A digit that a country's mobile numbers have in one spelling and lack in the other.
struct MobileDigit {
    country: &'static str,
    digit: char,
    /// How many digits of the area stand before it.
    area: usize,
    /// How many digits a number has without it, with its country.
    short: usize,
}

const MOBILE_DIGITS: [MobileDigit; 3] = [
    MobileDigit { country: "55", digit: '9', area: 2, short: 12 },
    MobileDigit { country: "52", digit: '1', area: 0, short: 12 },
    MobileDigit { country: "54", digit: '9', area: 0, short: 12 },
];

impl MobileDigit {
    fn other_spelling(&self, number: &str) -> Option<String> {
        let place = self.country.len() + self.area;
        let mut other = number.strip_prefix(self.country).map(|_| number.to_owned())?;
        if number.len() == self.short {
            other.insert(place, self.digit);
        } else if number.len() == self.short + 1 && number[place..].starts_with(self.digit) {
            other.remove(place);
        } else {
            return None;
        }
        Some(other)
    }
}

impl Contact {
    /// The name of their conversation.
    pub(crate) fn lane(&self) -> String {
        format!("{}/{}", self.address, self.id)
    }

    /// The same phone number as WhatsApp also writes it: with or without the digit that Brazil, Mexico and Argentina put
    /// between the country or area and the rest of a mobile number.
    pub(crate) fn other_spelling(&self) -> Option<Self> {
        let is_phone = matches!(self.address.family(), Family::WhatsApp | Family::WhatsAppAccount);
        let digits = Some(&*self.id).filter(|id| is_phone && id.bytes().all(|byte| byte.is_ascii_digit()))?;
        let other = MOBILE_DIGITS.iter().find_map(|mobile| mobile.other_spelling(digits))?;
        Some(self.known_as(other))
    }

    /// The same person under another id.
    pub(crate) fn known_as(&self, id: String) -> Self {
        Self { address: self.address.clone(), id }
    }
}

/// Parses a channel's address, a slash, and the person's id there. A phone number may be written as people write it.
pub(crate) fn parse_contact(text: &str) -> Result<Contact, String> {
    let (address, id) = text.split_once('/').ok_or("write a channel's address, a slash, and the person's id there")?;
    let address = parse_address(address)?;
    let id = match address.family() {
        Family::WhatsApp | Family::WhatsAppAccount => whatsapp_id(id)?,
        Family::Instagram | Family::Messenger | Family::Other => scoped_id(id)?,
    };
    Ok(Contact { address, id })
}

fn whatsapp_id(text: &str) -> Result<String, String> {
    if is_user_id(text) {
        return Ok(text.to_owned());
    }
    let written: String = text.chars().filter(|letter| !matches!(letter, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    let is_international = written.starts_with('+') || written.starts_with("00");
    let digits = written.strip_prefix('+').or_else(|| written.strip_prefix("00")).unwrap_or(&written);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(
            "it is neither a phone number, such as +49 1555 0000001, nor a user id, such as DE.1349120865".into()
        );
    }
    if digits.starts_with('0') && !is_international {
        return Err("begin the number with its country code: +49 1555 0000001 instead of 01555 0000001".into());
    }
    if !PHONE_DIGITS.contains(&digits.len()) || digits.starts_with('0') {
        return Err(
            "no phone number has this form: write all of it with its country code, such as +49 1555 0000001".into()
        );
    }
    Ok(digits.to_owned())
}

/// Whether it is a business-scoped user id: a country, for some businesses `ENT`, and letters or digits.
fn is_user_id(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else { return false };
    let id = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=USER_ID_LENGTH_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn scoped_id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > SCOPED_DIGITS_MAX || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(
            "on Instagram and Messenger a person's id is a number that Meta gives them for this channel, as DSK \
                    has it in `contact.id`; a phone number or a user name finds nobody there"
                .into(),
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_is_understood_however_people_write_it() {
        for written in ["4915550000001", "+49 1555 0000001", "0049-1555-0000001", "+49 (1555) 000.0001"] {
            let contact = parse_contact(&format!("whatsapp:1/{written}")).unwrap();
            assert_eq!(contact.lane(), "whatsapp:1/4915550000001", "{written}");
        }
        assert_eq!(parse_contact("whatsapp:1/US.13491208655302741918").unwrap().id, "US.13491208655302741918");
        assert_eq!(parse_contact("whatsapp:1/US.ENT.506847293015824").unwrap().id, "US.ENT.506847293015824");
        assert_eq!(parse_contact("instagram:1/1234567890123456").unwrap().id, "1234567890123456");
    }

    #[test]
    fn a_number_that_whatsapp_writes_in_two_ways_is_known_by_both() {
        let other = |number: &str| {
            let contact = parse_contact(&format!("whatsapp:1/{number}")).unwrap();
            contact.other_spelling().map(|other| other.id)
        };
        for (long, short) in
            [("5511987654321", "551187654321"), ("5215512345678", "525512345678"), ("5491123456789", "541123456789")]
        {
            assert_eq!(other(long).as_deref(), Some(short));
            assert_eq!(other(short).as_deref(), Some(long));
        }
        for one in ["4915550000001", "55118765432", "551198765432100", "US.55118765432112"] {
            assert_eq!(other(one), None, "{one}");
        }
    }

    #[test]
    fn what_nobody_can_have_as_an_id_is_an_error_that_says_what_to_write() {
        for (wrong, advice) in [
            ("", "a slash"),
            ("whatsapp:1", "a slash"),
            ("4915550000001", "a slash"),
            ("telegram:1/2", "write one of"),
            ("whatsapp:1/", "neither a phone number"),
            ("whatsapp:1/Ada", "neither a phone number"),
            ("whatsapp:1/015550000001", "country code"),
            ("whatsapp:1/123", "country code"),
            ("whatsapp:1/49155500000012345678", "country code"),
            ("instagram:1/+4915550000001", "user name finds nobody"),
            ("messenger:1/ada.sample", "user name finds nobody"),
        ] {
            let error = parse_contact(wrong).unwrap_err();
            assert!(error.contains(advice), "{wrong:?}: {error}");
        }
    }
}
