//! `ops/nginx` in front of a real ingest and a real connect: nginx as a package installs it, with our files and ports of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chassis::Secret;
use ops::webhook::Meta;
use tempfile::TempDir;
use testkit::{Process, eventually, free_port};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::connecting::media;
use crate::documents::architecture::{read, root};
use crate::support::bodies::{large, text};
use crate::support::stack::{APP_SECRET, DSK_TOKEN, Stack, verify_token};

/// A name that leads to ingest, and one that leads to connect.
const INGEST: &str = "localhost";
const CONNECT: &str = "connect.localhost";
/// Nobody answers there.
const NOWHERE: &str = "127.0.0.1:1";
/// Whom Meta's client certificate is for.
const META: &str = "client.webhooks.fbclientcerts.com";

/// nginx with our configuration.
struct Proxy {
    process: Process,
    folder: TempDir,
    port: u16,
}

impl Proxy {
    /// Before an ingest, with these further files of `ops/nginx` where docker-compose.yml mounts them.
    async fn before(stack: &Stack, further: &[&str]) -> Self {
        Self::start(&stack.processes.ingest_address.to_string(), NOWHERE, further).await
    }

    async fn start(ingest: &str, connect: &str, further: &[&str]) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder"), free_port());
        // The workers of nginx run as a user of its own.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let here = Here { folder: folder.path(), port, ingest, connect };
        here.certificate("tls", INGEST, None).await;
        here.authorities().await;
        std::fs::create_dir(folder.path().join("mtls")).expect("the folder is ours");
        std::fs::write(folder.path().join("nginx.conf"), here.adapted("nginx.conf")).expect("the folder is ours");
        for name in further {
            std::fs::write(folder.path().join("mtls").join(name), here.adapted(name)).expect("the folder is ours");
        }

        let conf = folder.path().join("nginx.conf").display().to_string();
        let checked = Command::new(nginx()).args(["-t", "-c", &conf]).output().await.expect("it can be run");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let process = Process::start(&nginx(), &["-c", &conf, "-g", "daemon off; master_process off;"], &[]);
        eventually("nginx listens", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        Self { process, folder, port }
    }

    /// What curl is answered: status, version of HTTP, body.
    async fn curl(&self, path: &str, arguments: &[&str]) -> (u16, String, String) {
        self.curl_at(INGEST, path, arguments).await
    }

    async fn curl_at(&self, name: &str, path: &str, arguments: &[&str]) -> (u16, String, String) {
        let server = format!("{name}:{}:127.0.0.1", self.port);
        let mut command = Command::new("curl");
        command.args(["--silent", "--resolve", &server, "--write-out", "\n%{http_code} %{http_version}"]);
        command.arg("--cacert").arg(self.folder.path().join("tls-certificate")).args(arguments);
        let output = command.arg(format!("https://{name}:{}{path}", self.port)).output().await.expect("there is curl");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').expect("curl says a status");
        let (status, version) = status.split_once(' ').expect("and a version");
        (status.parse().expect("a number"), version.to_owned(), body.to_owned())
    }

    /// Posts a body as Meta does.
    async fn post(&self, body: &Bytes, arguments: &[&str]) -> (u16, String) {
        let file = self.folder.path().join("body");
        std::fs::write(&file, body).expect("the folder is ours");
        let signature = format!("x-hub-signature-256: {}", Meta::signature(body, &Secret::new(APP_SECRET)));
        let data = format!("@{}", file.display());
        let signed = ["--header", &signature, "--header", "content-type: application/json", "--data-binary", &data];
        let (status, version, _) = self.curl("/webhook", &[&signed[..], arguments].concat()).await;
        (status, version)
    }

    /// Arguments that show a client's certificate.
    fn showing(&self, name: &str) -> [String; 4] {
        let file = |kind: &str| self.folder.path().join(format!("{name}-{kind}")).display().to_string();
        ["--cert".to_owned(), file("chain"), "--key".to_owned(), file("key")]
    }
}

/// Where this test has what a container has elsewhere.
struct Here<'h> {
    folder: &'h Path,
    port: u16,
    ingest: &'h str,
    connect: &'h str,
}

impl Here<'_> {
    fn adapted(&self, name: &str) -> String {
        let folder = self.folder.display();
        let text = read(&root().join("ops/nginx").join(name)).replace(" /tmp/", &format!(" {folder}/"));
        // The form that nginx knows since 1.25.1; Debian 12 has an older one.
        let text = text.replace("        http2 on;\n", "");
        let text = text.replace("listen 8443 ssl;", &format!("listen 127.0.0.1:{} ssl http2;", self.port));
        let text = text.replace("http://ingest:8080", &format!("http://{}", self.ingest));
        let text = text.replace("http://connect:8090", &format!("http://{}", self.connect));
        let text = text.replace("/etc/nginx/mtls/", &format!("{folder}/mtls/"));
        text.replace("/run/secrets/", &format!("{folder}/"))
    }

    /// A key and a certificate for that name, signed by an authority or by itself.
    async fn certificate(&self, name: &str, subject: &str, authority: Option<&str>) {
        let file = |name: &str, kind: &str| self.folder.join(format!("{name}-{kind}")).display().to_string();
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        let names = format!("subjectAltName=DNS:{subject},DNS:connect.{subject}");
        command.args(["-subj", &format!("/O=Test/CN={subject}"), "-addext", &names]);
        command.args(["-keyout", &file(name, "key"), "-out", &file(name, "certificate")]);
        if let Some(authority) = authority {
            command.args(["-CA", &file(authority, "certificate"), "-CAkey", &file(authority, "key")]);
        }
        let output = command.output().await.expect("there is openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Meta's authority, an intermediate one, and two whose certificates it signed.
    async fn authorities(&self) {
        self.certificate("root", "root.test", None).await;
        self.certificate("intermediate", "intermediate.test", Some("root")).await;
        std::fs::copy(self.folder.join("root-certificate"), self.folder.join("meta-ca")).expect("the folder is ours");
        let intermediate = read(&self.folder.join("intermediate-certificate"));
        for (name, subject) in [("meta", META), ("other", "client.webhooks.example")] {
            self.certificate(name, subject, Some("intermediate")).await;
            let own = read(&self.folder.join(format!("{name}-certificate")));
            std::fs::write(self.folder.join(format!("{name}-chain")), own + intermediate.as_str())
                .expect("the folder is ours");
        }
    }
}

fn nginx() -> PathBuf {
    let found = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
    found.into_iter().find(|path| path.exists()).expect("nginx is not installed: run ops/test.sh --long")
}

#[tokio::test(flavor = "multi_thread")]
async fn three_megabytes_pass_with_their_signature_and_five_are_refused() {
    let stack = Stack::start().await;
    let proxy = Proxy::before(&stack, &[]).await;

    assert_eq!(proxy.post(&large(3 << 20), &[]).await, (200, "2".to_owned()));
    assert_eq!(proxy.post(&text(1), &["--http1.1"]).await, (200, "1.1".to_owned()));
    stack.processes.delivered(2).await;

    assert_eq!(proxy.post(&large(5 << 20), &[]).await.0, 413);
    let without_length = ["--http1.1", "--header", "transfer-encoding: chunked"];
    assert_eq!(proxy.post(&large(5 << 20), &without_length).await.0, 413);
    assert_eq!(proxy.curl("/metrics", &[]).await.0, 404);
    assert_eq!(proxy.curl("/webhook", &["--request", "DELETE"]).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_takes_longer_than_meta_waits_is_ended() {
    let stack = Stack::start().await;
    let proxy = Proxy::before(&stack, &[]).await;

    let (status, _) = proxy.post(&large(1 << 20), &["--http1.1", "--limit-rate", "30k"]).await;

    assert_eq!(status, 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_learns_who_the_client_is_and_not_what_it_made_up() {
    let mut stack = Stack::start().await;
    let proxy = Proxy::before(&stack, &[]).await;

    let made_up = ["--interface", "127.0.0.2", "--header", "x-forwarded-for: 192.0.2.1", "--data", "{}"];
    assert_eq!(proxy.curl("/webhook", &made_up).await.0, 401);

    assert_eq!(stack.processes.ingest.says("the signature is missing status=401 client=").await, "127.0.0.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_passes_and_its_verify_token_is_logged_nowhere() {
    let stack = Stack::start().await;
    let mut proxy = Proxy::before(&stack, &[]).await;
    let asked = format!("/webhook?hub.mode=subscribe&hub.challenge=c1&hub.verify_token={}", verify_token());

    let (status, _, challenge) = proxy.curl(&asked, &[]).await;

    assert_eq!((status, challenge.as_str()), (200, "c1"));
    proxy.process.says("GET /webhook 200 ").await;
    // An error of a request is told with the whole request.
    stack.processes.ingest.signal("KILL").await;
    eventually("ingest is gone", async || (proxy.curl(&asked, &[]).await.0 == 502).then_some(())).await;
    proxy.process.says("GET /webhook 502 ").await;
    assert!(!proxy.process.said().contains(verify_token()), "{}", proxy.process.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mtls_only_meta_posts() {
    let stack = Stack::start().await;
    let proxy = Proxy::before(&stack, &["mtls.conf"]).await;
    let body = text(1);
    let asked = format!("/webhook?hub.mode=subscribe&hub.challenge=c1&hub.verify_token={}", verify_token());
    let post = async |name: &str| {
        let shown = proxy.showing(name);
        proxy.post(&body, &shown.each_ref().map(String::as_str)).await.0
    };

    assert_eq!(proxy.post(&body, &[]).await.0, 403, "no certificate");
    assert_eq!(post("other").await, 403, "one of the same authority for somebody else");
    let forged = ["--header", "x-amzn-mtls-clientcert-subject: CN=client.webhooks.fbclientcerts.com"];
    assert_eq!(proxy.post(&body, &forged).await.0, 403, "a header instead");
    assert_eq!(post("meta").await, 200);
    assert_eq!(proxy.curl(&asked, &[]).await.0, 200, "the handshake has a token of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_files_of_connect_pass_and_a_link_is_logged_nowhere() {
    const BYTES: usize = 10_000_000;
    let file = media::MediaFile { bytes: BYTES, ..media::MediaFile::default() };
    let desk = media::with_files(&[("9001", file)]).await;
    let mut proxy = Proxy::start(NOWHERE, &desk.address, &[]).await;
    let at = |name: &str| proxy.folder.path().join(name).display().to_string();
    let (link, jar, fetched, large_form) = (desk.link("acme").await, at("jar"), at("fetched"), at("form"));
    std::fs::write(&large_form, large(100 << 10)).expect("the folder is ours");

    let redeemed = proxy.curl_at(CONNECT, &link, &["--request", "POST", "--cookie-jar", &jar]).await;
    let page = proxy.curl_at(CONNECT, "/channels", &["--cookie", &jar]).await;
    let too_large = proxy.curl_at(CONNECT, "/api/tickets", &["--data-binary", &format!("@{large_form}")]).await;
    let bearer = format!("authorization: Bearer {DSK_TOKEN}");
    let passed = proxy.curl_at(CONNECT, &media::path("9001"), &["--header", &bearer, "--output", &fetched]).await;
    let ranged = ["--header", &bearer, "--range", "0-9"];
    let part = proxy.curl_at(CONNECT, &media::path("9001"), &ranged).await;

    assert_eq!((redeemed.0, page.0, too_large.0, passed.0, part.0), (303, 200, 413, 200, 206));
    assert!(std::fs::read(&fetched).expect("it is there") == media::content(0, BYTES), "another file");
    assert_eq!(proxy.curl_at(CONNECT, "/webhook", &[]).await.0, 404, "ingest has a name of its own");
    proxy.process.says("POST /connect 303 ").await;
    assert!(!proxy.process.said().contains(link.trim_start_matches("/connect/")), "{}", proxy.process.said());
}
