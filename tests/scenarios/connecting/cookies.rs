//! A real browser keeps one cookie, and none before a person has pressed "Continue".

use chassis::now;
use serde_json::{Value, json};

use crate::support::chromium::Window;
use crate::support::connect_stack::ConnectStack;

/// Everything that a page can store by script.
const STORED: &str = r"
const [done] = arguments;
(async () => ({
  cookies: document.cookie,
  localStorage: { ...localStorage },
  sessionStorage: { ...sessionStorage },
  databases: (await indexedDB.databases()).length,
  caches: (await caches.keys()).length,
  workers: (await navigator.serviceWorker.getRegistrations()).length,
}))().then(done, (error) => done(String(error)));
";

/// Checks that the browser stores nothing but cookies, and returns their names.
async fn cookie_names(window: &Window, connect: &ConnectStack) -> Vec<String> {
    let nothing = json!({
        "cookies": "", "localStorage": {}, "sessionStorage": {}, "databases": 0, "caches": 0, "workers": 0,
    });
    assert_eq!(window.run_to_end(STORED).await, nothing, "{}", window.url().await);
    let origin = json!({ "origin": format!("http://{}", connect.address) });
    let usage = window.command("Storage.getUsageAndQuota", origin).await;
    assert_eq!(usage["usage"].as_f64(), Some(0.0), "{}: {usage}", window.url().await);
    let cookies = window.cookies().await;
    cookies.iter().map(|cookie| cookie["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Checks how the browser understood the cookie: for all of our paths and no other site, hidden from scripts, valid for
/// half an hour.
fn check(cookie: &Value) {
    let expected = json!({
        "name": "__Host-session", "domain": "127.0.0.1", "path": "/", "httpOnly": true, "secure": true,
        "sameSite": "Lax", "session": false,
    });
    for (name, value) in expected.as_object().expect("it is an object") {
        assert_eq!(cookie[name], *value, "{name} of {cookie}");
    }
    let now = now().as_second();
    let ends = cookie["expires"].as_f64().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let remaining = ends - now as f64;
    assert!(remaining > 1_700.0 && remaining <= 1_801.0, "{cookie} is valid for {remaining} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_keeps_anything_but_the_session_cookie_and_that_not_before_continue() {
    let connect = ConnectStack::start().await;
    let window = Window::open(&connect).await;
    let link = connect.link("acme").await;

    for path in
        ["/", "/nowhere", "/privacy", "/channels", "/whatsapp", "/deletion/0123456789abcdef0123456789abcdef", &link]
    {
        window.goto(path).await;
        assert_eq!(cookie_names(&window, &connect).await, Vec::<String>::new(), "{path}");
    }
    window.press("Continue").await;
    window.is_at("Your channels").await;
    for path in ["/", "/nowhere", "/privacy", "/channels", "/whatsapp", &link] {
        window.goto(path).await;
        assert_eq!(cookie_names(&window, &connect).await, ["__Host-session"], "{path}");
    }
    check(&window.cookies().await[0]);

    window.sign_up("Finish").await;
    window.is_at("Connected").await;
    assert_eq!(cookie_names(&window, &connect).await, ["__Host-session"]);
    window.log_in("Allow").await;
    window.is_at("Connected").await;
    assert_eq!(cookie_names(&window, &connect).await, ["__Host-session"]);
    window.press("Back to your channels").await;
    window.press("Finish and sign out").await;
    window.is_at("This page needs a link").await;
    assert_eq!(cookie_names(&window, &connect).await, Vec::<String>::new());
}
