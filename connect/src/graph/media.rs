//! Files at Meta: what a media id stands for, and the file itself as it arrives. Source: Meta, WhatsApp Cloud API,
//! "Media".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::Secret;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::client::{FileRequest, GraphRequest};
use super::error::GraphError;
use super::whatsapp::WhatsAppGraph;

/// Hosts that may see a token, by their full names. Source: Meta's documentation on media.
const TRUSTED_HOSTS: [&str; 3] = ["graph.facebook.com", "graph.instagram.com", "lookaside.fbsbx.com"];
/// Hosts from which a file may come, without a token, by how their names end.
const CONTENT_DOMAINS: [&str; 3] = [".fbsbx.com", ".fbcdn.net", ".cdninstagram.com"];
/// How many redirects are followed; Meta normally sends none.
const REDIRECTS_MAX: usize = 3;

/// A file at Meta. Its address is valid for five minutes.
#[derive(Clone, Debug)]
pub(crate) struct MediaFile {
    url: Url,
    pub(crate) mime_type: String,
    pub(crate) bytes: u64,
    /// Decoded, because Meta writes it in hex here and in base64 elsewhere.
    pub(crate) sha256: Option<[u8; 32]>,
}

#[derive(Debug, Deserialize)]
struct MediaAnswer {
    url: Url,
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    sha256: String,
    file_size: u64,
}

impl WhatsAppGraph {
    /// Asks Meta for which file a media id of a number stands.
    pub(crate) async fn file(&self, media_id: &str, number_id: &str, token: &Secret) -> Result<MediaFile, GraphError> {
        let request = GraphRequest {
            name: "resolve file",
            method: Method::GET,
            url: self.at(&[media_id]),
            parameters: &[("phone_number_id", number_id)],
            token: Some(token),
        };
        let answer: MediaAnswer = self.client.ask(request).await?;
        let sha256 = digest(&answer.sha256);
        Ok(MediaFile { url: answer.url, mime_type: answer.mime_type, bytes: answer.file_size, sha256 })
    }

    /// Gives the status and headers of the file, and its bytes as they arrive. Only Meta's hosts are asked, and only
    /// trusted ones get to see the token.
    pub(crate) async fn open(
        &self,
        file: &MediaFile,
        token: &Secret,
        range: Option<&str>,
    ) -> Result<Response<Incoming>, GraphError> {
        let mut url = file.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let token = match self.host_of(&url) {
                MediaHost::Trusted => Some(token),
                MediaHost::Content => None,
                MediaHost::Foreign => break,
            };
            let answer = self.client.open(FileRequest { url: &url, token, range }).await?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
            url = location.and_then(|location| url.join(location).ok()).ok_or(GraphError::Unexpected)?;
        }
        Err(GraphError::Unexpected)
    }

    fn host_of(&self, url: &Url) -> MediaHost {
        // The Graph API itself is trusted, wherever the settings place it.
        if url.origin() == self.url.origin() {
            return MediaHost::Trusted;
        }
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" if TRUSTED_HOSTS.contains(&host) => MediaHost::Trusted,
            "https" if CONTENT_DOMAINS.iter().any(|domain| host.ends_with(domain)) => MediaHost::Content,
            _ => MediaHost::Foreign,
        }
    }
}

/// Whose host an address leads to.
enum MediaHost {
    /// Meta's, which may see the token.
    Trusted,
    /// Meta's, which serves files and needs no token.
    Content,
    /// Not Meta's.
    Foreign,
}

/// The error behind the status with which Meta refused a file.
pub(crate) fn refusal(status: StatusCode) -> GraphError {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => GraphError::Refused { status: 404, code: 0, subcode: 0 },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => GraphError::Permission(0),
        StatusCode::TOO_MANY_REQUESTS => GraphError::Throttled { pause: None },
        status if status.is_server_error() => GraphError::ServerError,
        status => GraphError::Refused { status: status.as_u16(), code: 0, subcode: 0 },
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
    fn a_hash_may_be_written_in_hex_or_base64() {
        let hex = "ab".repeat(32);
        let base64 = STANDARD.encode([0xab; 32]);

        assert_eq!(digest(&hex), Some([0xab; 32]));
        assert_eq!(digest(&base64), Some([0xab; 32]));
        assert_eq!(digest(""), None);
    }
}
