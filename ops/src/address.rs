//! Addresses as a person writes them on the command line.

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
}
