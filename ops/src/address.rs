//! Addresses and contacts as a person writes them on the command line.

use event::{Address, Family};

/// What a person may connect, and so name.
const FAMILIES: [Family; 4] = [Family::WhatsApp, Family::Instagram, Family::Messenger, Family::WhatsAppAccount];

/// Parses a channel's address, such as `whatsapp:106540352242922`.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    let address = Address::new(text);
    let (_, id) = text.split_once(':').unwrap_or((text, ""));
    if !FAMILIES.contains(&address.family()) || id.is_empty() {
        let families = FAMILIES.map(Family::as_str).join(", ");
        return Err(format!("write one of {families}, a colon and an id, such as whatsapp:106540352242922"));
    }
    if id.chars().any(char::is_control) || id.contains(',') {
        return Err("an id has no commas and no control characters".to_owned());
    }
    Ok(address)
}

/// Parses a person's conversation with a channel: the channel's address, a slash, and the person's id there.
pub(crate) fn parse_contact(text: &str) -> Result<String, String> {
    let malformed = || "write a channel's address, a slash, and the person's id there".to_owned();
    let (address, id) = text.split_once('/').ok_or_else(malformed)?;
    parse_address(address)?;
    if id.is_empty() { Err(malformed()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_family_and_an_id() {
        for wrong in ["", "whatsapp", "whatsapp:", "telegram:1", "instagram:1,2", "messenger:1\n"] {
            assert!(parse_address(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse_address("whatsapp:1").unwrap().as_str(), "whatsapp:1");
    }

    #[test]
    fn a_contact_needs_a_channel_and_an_id() {
        for wrong in ["", "whatsapp:1", "whatsapp:1/", "4915550000001", "telegram:1/2"] {
            assert!(parse_contact(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse_contact("whatsapp:1/2").unwrap(), "whatsapp:1/2");
    }
}
