//! Files at Meta: what an id stands for, and the file itself as it comes. Source: Meta, WhatsApp Cloud API, "Media".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::Secret;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::http::Fetch;
use super::whatsapp::WhatsAppGraph;
use super::{GraphError, Question};

/// Hosts that may see a token, by their whole names. Source: facts of Meta's documentation on media.
const TRUSTED: [&str; 3] = ["graph.facebook.com", "graph.instagram.com", "lookaside.fbsbx.com"];
/// Hosts from which a file may come, without a token, by how their names end.
const CONTENT: [&str; 3] = [".fbsbx.com", ".fbcdn.net", ".cdninstagram.com"];
/// Redirects that are followed: Meta needs none as a rule.
const REDIRECTS_MAX: usize = 3;

/// What a file's id stands for. Its address lives five minutes.
#[derive(Clone, Debug)]
pub(crate) struct File {
    url: Url,
    pub(crate) mime_type: String,
    pub(crate) bytes: u64,
    /// Decoded: Meta writes it in hex here, and in base64 elsewhere.
    pub(crate) sha256: Option<[u8; 32]>,
}

#[derive(Debug, Deserialize)]
struct Resolved {
    url: Url,
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    sha256: String,
    file_size: u64,
}

impl WhatsAppGraph {
    /// What a media id of a number stands for.
    pub(crate) async fn file(&self, media_id: &str, number_id: &str, token: &Secret) -> Result<File, GraphError> {
        let question = Question {
            what: "resolve file",
            method: Method::GET,
            url: self.at(&[media_id]),
            parameters: &[("phone_number_id", number_id)],
            token: Some(token),
        };
        let resolved: Resolved = self.graph.ask(question).await?;
        let sha256 = digest(&resolved.sha256);
        Ok(File { url: resolved.url, mime_type: resolved.mime_type, bytes: resolved.file_size, sha256 })
    }

    /// The file's beginning: its status and headers, and its bytes as they come. Only Meta's hosts are asked, and only
    /// those that may see the token are shown it.
    pub(crate) async fn open(
        &self,
        file: &File,
        token: &Secret,
        range: Option<&str>,
    ) -> Result<Response<Incoming>, GraphError> {
        let mut url = file.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let token = match self.place(&url) {
                Place::Trusted => Some(token),
                Place::Content => None,
                Place::Elsewhere => break,
            };
            let answer = self.graph.http.fetch(Fetch { url: &url, token, range }).await?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let to = answer.headers().get("location").and_then(|to| to.to_str().ok());
            url = to.and_then(|to| url.join(to).ok()).ok_or(GraphError::Unexpected)?;
        }
        Err(GraphError::Unexpected)
    }

    fn place(&self, url: &Url) -> Place {
        // The Graph API itself, wherever the settings say that it is.
        if url.origin() == self.url.origin() {
            return Place::Trusted;
        }
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" if TRUSTED.contains(&host) => Place::Trusted,
            "https" if CONTENT.iter().any(|end| host.ends_with(end)) => Place::Content,
            _ => Place::Elsewhere,
        }
    }
}

enum Place {
    Trusted,
    Content,
    Elsewhere,
}

/// The status of a file that can't be had.
pub(crate) fn refusal(status: StatusCode) -> GraphError {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => GraphError::Refused { status: 404, code: 0 },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => GraphError::Permission(0),
        StatusCode::TOO_MANY_REQUESTS => GraphError::Throttled,
        status if status.is_server_error() => GraphError::Trouble,
        status => GraphError::Refused { status: status.as_u16(), code: 0 },
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let bytes = if text.len() == 64 { hex::decode(text).ok() } else { STANDARD.decode(text).ok() };
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_in_hex_and_in_base64() {
        let (hex, base64) = ("ab".repeat(32), STANDARD.encode([0xab; 32]));

        assert_eq!(digest(&hex), Some([0xab; 32]));
        assert_eq!(digest(&base64), Some([0xab; 32]));
        assert_eq!(digest(""), None);
    }
}
