//! `ops/nginx` in front of a real ingest and a real connect: nginx from its package, with our files and free ports.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chassis::Secret;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ops::graph::NUMBER;
use ops::webhook::Meta;
use tempfile::TempDir;
use testkit::{Process, eventually, free_port};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::connecting::media;
use crate::support::bodies::{large, text};
use crate::support::certificates;
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::{APP_SECRET, Stack, verify_token};
use crate::support::workspace::{read, root};

/// The host name that leads to ingest.
const INGEST: &str = "localhost";
/// The host name that leads to connect.
const CONNECT: &str = "connect.localhost";
/// An address at which nothing listens.
const NOWHERE: &str = "127.0.0.1:1";

/// An answer, as curl reports it.
struct Answer {
    status: u16,
    /// The version of HTTP.
    version: String,
    body: String,
}

/// nginx with our configuration.
struct Proxy {
    process: Process,
    folder: TempDir,
    port: u16,
}

impl Proxy {
    /// Starts it in front of an ingest, with these further files of `ops/nginx` where docker-compose.yml mounts them.
    async fn in_front_of(stack: &Stack, further: &[&str]) -> Self {
        Self::start(&stack.processes.ingest_address.to_string(), NOWHERE, further).await
    }

    async fn start(ingest: &str, connect: &str, further: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        // The workers of nginx run as another user.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let setup = Setup { folder: folder.path(), port, ingest, connect };
        certificates::certificate(folder.path(), "tls", INGEST, None).await;
        certificates::authorities(folder.path()).await;
        std::fs::create_dir(folder.path().join("mtls")).expect("the folder is ours");
        std::fs::write(folder.path().join("nginx.conf"), setup.adapted("nginx.conf")).expect("the folder is ours");
        for name in further {
            std::fs::write(folder.path().join("mtls").join(name), setup.adapted(name)).expect("the folder is ours");
        }

        let conf = folder.path().join("nginx.conf").display().to_string();
        let check = Command::new(nginx()).args(["-t", "-c", &conf]).output().await.expect("it can be run");
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        let process = Process::start(&nginx(), &["-c", &conf, "-g", "daemon off; master_process off;"], &[]);
        eventually("nginx listens", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
        Self { process, folder, port }
    }

    /// Sends a request to ingest with curl.
    async fn curl(&self, path: &str, arguments: &[&str]) -> Answer {
        self.curl_at(INGEST, path, arguments).await
    }

    /// Sends a request to a host name with curl.
    async fn curl_at(&self, name: &str, path: &str, arguments: &[&str]) -> Answer {
        let server = format!("{name}:{}:127.0.0.1", self.port);
        let mut command = Command::new("curl");
        command.args(["--silent", "--resolve", &server, "--write-out", "\n%{http_code} %{http_version}"]);
        command.arg("--cacert").arg(self.folder.path().join("tls-certificate")).args(arguments);
        let output = command.arg(format!("https://{name}:{}{path}", self.port)).output().await.expect("there is curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("curl writes a last line");
        let (status, version) = status.split_once(' ').expect("it has a status and a version");
        Answer { status: status.parse().expect("a number"), version: version.to_owned(), body: body.to_owned() }
    }

    /// Posts a body as Meta does.
    async fn post(&self, body: &Bytes, arguments: &[&str]) -> Answer {
        let file = self.folder.path().join("body");
        std::fs::write(&file, body).expect("the folder is ours");
        let signature = format!("x-hub-signature-256: {}", Meta::signature(body, &Secret::new(APP_SECRET)));
        let data = format!("@{}", file.display());
        let signed = ["--header", &signature, "--header", "content-type: application/json", "--data-binary", &data];
        self.curl("/webhook", &[&signed[..], arguments].concat()).await
    }

    /// The arguments that make curl present a client's certificate.
    fn presenting(&self, name: &str) -> [String; 4] {
        let file = |kind: &str| self.folder.path().join(format!("{name}-{kind}")).display().to_string();
        ["--cert".to_owned(), file("chain"), "--key".to_owned(), file("key")]
    }
}

/// The places at which this test has what the containers have elsewhere.
struct Setup<'h> {
    folder: &'h Path,
    port: u16,
    ingest: &'h str,
    connect: &'h str,
}

impl Setup<'_> {
    /// A file of `ops/nginx` with the places of this test.
    fn adapted(&self, name: &str) -> String {
        let folder = self.folder.display();
        let text = read(&root().join("ops/nginx").join(name)).replace(" /tmp/", &format!(" {folder}/"));
        // nginx understands this form since 1.25.1, and Debian 12 has an older one.
        let text = text.replace("        http2 on;\n", "");
        let text = text.replace("listen 8443 ssl;", &format!("listen 127.0.0.1:{} ssl http2;", self.port));
        let text = text.replace("http://ingest:8080", &format!("http://{}", self.ingest));
        let text = text.replace("http://connect:8090", &format!("http://{}", self.connect));
        let text = text.replace("/etc/nginx/mtls/", &format!("{folder}/mtls/"));
        text.replace("/run/secrets/", &format!("{folder}/"))
    }
}

fn nginx() -> PathBuf {
    let paths = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
    paths.into_iter().find(|path| path.exists()).expect("nginx is not installed: run ops/test.sh --long")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_three_megabytes_passes_with_its_signature_and_one_of_five_is_refused() {
    let stack = Stack::start().await;
    let proxy = Proxy::in_front_of(&stack, &[]).await;

    let over_http_2 = proxy.post(&large(3 << 20), &[]).await;
    assert_eq!((over_http_2.status, over_http_2.version.as_str()), (200, "2"));
    let over_http_1 = proxy.post(&text(1), &["--http1.1"]).await;
    assert_eq!((over_http_1.status, over_http_1.version.as_str()), (200, "1.1"));
    stack.processes.delivered(2).await;

    assert_eq!(proxy.post(&large(5 << 20), &[]).await.status, 413);
    let without_length = ["--http1.1", "--header", "transfer-encoding: chunked"];
    assert_eq!(proxy.post(&large(5 << 20), &without_length).await.status, 413);
    assert_eq!(proxy.curl("/metrics", &[]).await.status, 404);
    assert_eq!(proxy.curl("/webhook", &["--request", "DELETE"]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_takes_longer_than_meta_waits_is_answered_408() {
    let stack = Stack::start().await;
    let proxy = Proxy::in_front_of(&stack, &[]).await;

    let answer = proxy.post(&large(1 << 20), &["--http1.1", "--limit-rate", "30k"]).await;

    assert_eq!(answer.status, 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_logs_the_real_client_and_not_a_forged_one() {
    let mut stack = Stack::start().await;
    let proxy = Proxy::in_front_of(&stack, &[]).await;

    let forged = ["--interface", "127.0.0.2", "--header", "x-forwarded-for: 192.0.2.1", "--data", "{}"];
    assert_eq!(proxy.curl("/webhook", &forged).await.status, 401);

    assert_eq!(stack.processes.ingest.logs("the signature is missing status=401 client=").await, "127.0.0.2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_passes_and_its_verify_token_is_logged_nowhere() {
    let stack = Stack::start().await;
    let mut proxy = Proxy::in_front_of(&stack, &[]).await;
    let handshake = format!("/webhook?hub.mode=subscribe&hub.challenge=c1&hub.verify_token={}", verify_token());

    let answer = proxy.curl(&handshake, &[]).await;

    assert_eq!((answer.status, answer.body.as_str()), (200, "c1"));
    proxy.process.logs("GET /webhook 200 ").await;
    // nginx logs an error with the whole request.
    stack.processes.ingest.signal("KILL").await;
    eventually("ingest is gone", async || (proxy.curl(&handshake, &[]).await.status == 502).then_some(())).await;
    proxy.process.logs("GET /webhook 502 ").await;
    assert!(!proxy.process.logged().contains(verify_token()), "{}", proxy.process.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mtls_only_meta_can_post() {
    let stack = Stack::start().await;
    let proxy = Proxy::in_front_of(&stack, &["mtls.conf"]).await;
    let body = text(1);
    let handshake = format!("/webhook?hub.mode=subscribe&hub.challenge=c1&hub.verify_token={}", verify_token());
    let post = async |name: &str| {
        let certificate = proxy.presenting(name);
        proxy.post(&body, &certificate.each_ref().map(String::as_str)).await.status
    };

    assert_eq!(proxy.post(&body, &[]).await.status, 403, "no certificate");
    assert_eq!(post("other").await, 403, "a certificate of the same authority for somebody else");
    let forged = ["--header", "x-amzn-mtls-clientcert-subject: CN=client.webhooks.fbclientcerts.com"];
    assert_eq!(proxy.post(&body, &forged).await.status, 403, "a header instead of a certificate");
    assert_eq!(post("meta").await, 200);
    assert_eq!(proxy.curl(&handshake, &[]).await.status, 200, "the handshake needs no certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_files_of_connect_pass_and_a_link_is_logged_nowhere() {
    const BYTES: usize = 10_000_000;
    let file = media::MediaFile { bytes: BYTES, ..media::MediaFile::default() };
    let connect = media::with_files(&[("9001", file)]).await;
    let mut proxy = Proxy::start(NOWHERE, &connect.address, &[]).await;
    let at = |name: &str| proxy.folder.path().join(name).display().to_string();
    let link = connect.link("acme").await;
    let jar = at("jar");
    let copy = at("copy");
    let large_form = at("form");
    std::fs::write(&large_form, large(100 << 10)).expect("the folder is ours");

    // Browsers send it with every form, and the proxy has to pass it on.
    let origin = format!("origin: http://{}", connect.address);
    let form = ["--request", "POST", "--cookie-jar", &jar, "--header", &origin];
    let redeemed = proxy.curl_at(CONNECT, &link, &form).await;
    let page = proxy.curl_at(CONNECT, "/channels", &["--cookie", &jar]).await;
    let too_large = proxy.curl_at(CONNECT, "/api/tickets", &["--data-binary", &format!("@{large_form}")]).await;
    let bearer = format!("authorization: Bearer {DSK_TOKEN}");
    let passed = proxy.curl_at(CONNECT, &media::path("9001"), &["--header", &bearer, "--output", &copy]).await;
    let ranged = ["--header", &bearer, "--range", "0-9"];
    let part = proxy.curl_at(CONNECT, &media::path("9001"), &ranged).await;

    let profile = format!("/profile/whatsapp/{NUMBER}/4915550000001");
    let profile = proxy.curl_at(CONNECT, &profile, &["--header", &bearer]).await;
    let posted = proxy.curl_at(CONNECT, "/profile/whatsapp/1/2", &["--request", "POST"]).await;

    let statuses = [&redeemed, &page, &too_large, &passed, &part, &posted].map(|answer| answer.status);
    assert_eq!(statuses, [303, 200, 413, 200, 206, 403]);
    assert!(profile.body.contains("other_platform"), "{}", profile.body);
    assert!(std::fs::read(&copy).expect("it is there") == media::content(0, BYTES), "another file arrived");
    assert_eq!(proxy.curl_at(CONNECT, "/webhook", &[]).await.status, 404, "the name of connect leads to ingest");
    // The time stands before the method, and no address between them.
    proxy.process.logs("POST /connect 303 ").await;
    proxy.process.logs("GET /profile 404 ").await;
    let logged = proxy.process.logged();
    let of_pages = logged.lines().filter(|line| line.contains(" connect="));
    let with_address: Vec<&str> = of_pages.filter(|line| line.contains("127.0.0.")).collect();
    assert_eq!(with_address, Vec::<&str>::new(), "the privacy policy says that pages log no address");
    assert!(!logged.contains("4915550000001"), "{logged}");
    assert!(!proxy.process.logged().contains(link.trim_start_matches("/connect/")), "{}", proxy.process.logged());
}

/// How many pages one client may have under way (ops/nginx/nginx.conf).
const PAGES_UNDER_WAY_MAX: usize = 32;

/// A client's requests under way are counted by its address, whatever it sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_too_many_requests_under_way_is_refused_and_another_one_is_not() {
    let never_answers = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let connect = never_answers.local_addr().expect("it listens").to_string();
    let proxy = Proxy::start(NOWHERE, &connect, &[]).await;
    // connect answers none of them, so the first answer comes from nginx.
    let mut held: FuturesUnordered<_> =
        (0..=PAGES_UNDER_WAY_MAX).map(|_| proxy.curl_at(CONNECT, "/channels", &["--max-time", "80"])).collect();

    let first = held.next().await.map(|answer| answer.status);
    assert_eq!(first, Some(503), "one more than may be under way is refused");

    let elsewhere = ["--max-time", "1", "--interface", "127.0.0.2"];
    let other = proxy.curl_at(CONNECT, "/channels", &elsewhere).await.status;
    assert_eq!(other, 0, "it waits for connect");
}
