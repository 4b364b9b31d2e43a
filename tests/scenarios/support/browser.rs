//! A browser that runs no scripts: it keeps its cookie, sends the forms of a page, and follows links.

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// One person's browser.
pub(crate) struct Browser {
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    address: String,
    pub(crate) cookie: Option<String>,
    /// The last `Set-Cookie` header.
    pub(crate) set_cookie: Option<String>,
    /// How many `Set-Cookie` headers there were.
    pub(crate) cookies_set: usize,
    /// The site that forms pretend to come from, if it is not ours. An empty one is left out.
    pub(crate) origin: Option<String>,
    /// Sent with every request, as a browser would.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address: address.to_owned(),
            cookie: None,
            set_cookie: None,
            cookies_set: 0,
            origin: None,
            headers: Vec::new(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.ask(Method::GET, path, String::new()).await
    }

    /// Sends a form.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(Method::POST, path, form).await
    }

    /// Opens a page and sends the form on it that leads to `action`, with these fields and the form's token. Follows a
    /// redirect once.
    pub(crate) async fn press(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        let form = self.get(page).await;
        let token = between(&form.body, "name=\"form_token\" value=\"", "\"").unwrap_or_default();
        let fields = [&[("form_token", token.as_str())], fields].concat();
        let page = self.post(action, &fields).await;
        match page.headers.get("location").and_then(|to| to.to_str().ok()) {
            Some(to) => {
                let to = to.to_owned();
                self.get(&to).await
            }
            None => page,
        }
    }

    /// Follows the link with that id.
    pub(crate) async fn follow(&mut self, page: &Page, id: &str) -> Page {
        let link = between(&page.body, &format!("id={id} href=\""), "\"");
        let link = link.unwrap_or_else(|| panic!("no link {id} in {page:?}"));
        // A browser does not send the fragment.
        let link = link.split('#').next().unwrap_or_default().to_owned();
        self.get(&link).await
    }

    async fn ask(&mut self, method: Method, path: &str, form: String) -> Page {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("http://{}{path}", self.address) };
        let is_ours = url.starts_with(&format!("http://{}", self.address));
        let mut request = Request::builder().method(method.clone()).uri(url);
        if let Some(cookie) = self.cookie.as_ref().filter(|_| is_ours) {
            request = request.header("cookie", cookie);
        }
        if method == Method::POST {
            let origin = self.origin.clone().unwrap_or_else(|| format!("http://{}", self.address));
            request = request.header("content-type", "application/x-www-form-urlencoded");
            if !origin.is_empty() {
                request = request.header("origin", origin);
            }
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(form)).expect("a request");
        let answer = self.client.request(request).await.expect("it answers");
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        if let Some(set) = headers.get("set-cookie").and_then(|set| set.to_str().ok()) {
            self.cookies_set += 1;
            self.set_cookie = Some(set.to_owned());
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        let body = answer.into_body().collect().await.expect("it ends").to_bytes();
        Page { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

/// The text between two others.
fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(middle, _)| middle.to_owned())
}
