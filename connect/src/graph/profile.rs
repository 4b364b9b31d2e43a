//! What Meta shows of a person who has written to an Instagram account or to a Page. Source: Meta, Instagram API with
//! Instagram Login and Messenger Platform, "User Profile API".

use std::fmt;

use chassis::Secret;
use event::{Address, Family};
use hyper::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use super::client::{GraphAnswer, GraphClient, GraphRequest, below};
use super::error::GraphError;
use crate::settings::meta::MetaSettings;

const INSTAGRAM_FIELDS: &str = "name,username,profile_pic";
const MESSENGER_FIELDS: &str = "name,first_name,last_name,profile_pic";

/// Asks for profiles. A channel's own token is enough, so no app is needed.
#[derive(Clone, Debug)]
pub(crate) struct ProfileGraph {
    client: GraphClient,
    messenger_url: Url,
    instagram_url: Url,
    version: String,
}

/// What is shown of a person. What Meta does not give is missing.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    /// The address of the picture, which is valid for some days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture: Option<String>,
}

/// Personal data never gets into a log.
impl fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Profile")
    }
}

#[derive(Deserialize)]
struct ProfileAnswer {
    name: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    profile_pic: Option<String>,
}

impl ProfileGraph {
    pub(super) fn new(client: GraphClient, settings: &MetaSettings) -> Self {
        Self {
            client,
            messenger_url: settings.graph_url.clone(),
            instagram_url: settings.instagram_graph_url.clone(),
            version: settings.graph_version.clone(),
        }
    }

    /// The profile of a person who has written to the channel.
    pub(crate) async fn profile(
        &self,
        channel: &Address,
        contact: &str,
        token: &Secret,
    ) -> Result<GraphAnswer<Profile>, GraphError> {
        let is_instagram = channel.family() == Family::Instagram;
        let url = if is_instagram { &self.instagram_url } else { &self.messenger_url };
        let fields = if is_instagram { INSTAGRAM_FIELDS } else { MESSENGER_FIELDS };
        let request = GraphRequest {
            name: "read profile",
            method: Method::GET,
            url: below(url, &[&self.version, contact]),
            parameters: &[("fields", fields)],
            token: Some(token),
        };
        let GraphAnswer { content, pause } = self.client.ask_with_pause::<ProfileAnswer>(request).await?;
        Ok(GraphAnswer { content: content.into(), pause })
    }
}

impl Profile {
    /// Meta answers with nothing if it may not show the person.
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.username.is_none() && self.picture.is_none()
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        [&self.name, &self.username, &self.picture].into_iter().flatten().map(String::len).sum()
    }
}

impl From<ProfileAnswer> for Profile {
    fn from(answer: ProfileAnswer) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let parts: Vec<String> = [answer.first_name, answer.last_name].into_iter().filter_map(given).collect();
        Self {
            name: given(answer.name).or_else(|| given(Some(parts.join(" ")))),
            username: given(answer.username),
            picture: answer.profile_pic.filter(|picture| is_web_address(picture)),
        }
    }
}

/// A browser of DSK's will open it. It is passed on as Meta wrote it, because Meta has signed it.
fn is_web_address(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && Url::parse(text).is_ok_and(|url| url.scheme() == "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Profile {
        serde_json::from_str::<ProfileAnswer>(answer).unwrap().into()
    }

    #[test]
    fn what_meta_does_not_give_is_missing() {
        let profile = read(r#"{"name":null,"username":"ada.l","profile_pic":null,"id":"17"}"#);

        assert_eq!(serde_json::to_string(&profile).unwrap(), r#"{"username":"ada.l"}"#);
        assert!(read(r#"{"id":"17"}"#).is_empty() && read(r#"{"name":" "}"#).is_empty());
    }

    #[test]
    fn a_name_may_come_in_parts_and_a_picture_is_an_https_address() {
        assert_eq!(read(r#"{"first_name":"Ada","last_name":"Lovelace"}"#).name.unwrap(), "Ada Lovelace");
        assert_eq!(read(r#"{"first_name":"Ada","last_name":""}"#).name.unwrap(), "Ada");
        for odd in ["javascript:alert(1)", "http://cdn.example/1.jpg", "1.jpg", "", "https://cdn.example/\\n1.jpg"] {
            assert_eq!(read(&format!(r#"{{"profile_pic":"{odd}"}}"#)).picture, None, "{odd}");
        }
        let signed = "https://scontent.example/v/t51/17.jpg?oh='00_Af|x'&oe=%5B1";
        assert_eq!(read(&format!(r#"{{"profile_pic":"{signed}"}}"#)).picture.unwrap(), signed);
    }

    #[test]
    fn a_profile_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", read(r#"{"name":"Ada Lovelace"}"#)), "Profile");
    }
}
