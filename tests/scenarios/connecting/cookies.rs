//! What stays in a real browser: one cookie, and that not before somebody pressed "Continue".

use chassis::now;
use serde_json::{Value, json};

use crate::support::chromium::Window;
use crate::support::connect_stack::Desk;

/// Whatever a page can keep by script.
const KEPT: &str = r"
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

/// The names of all cookies that the browser has, once it is sure that nothing else is kept.
async fn kept(window: &Window, desk: &Desk) -> Vec<String> {
    let nothing = json!({
        "cookies": "", "localStorage": {}, "sessionStorage": {}, "databases": 0, "caches": 0, "workers": 0,
    });
    assert_eq!(window.run_to_end(KEPT).await, nothing, "{}", window.url().await);
    let origin = json!({ "origin": format!("http://{}", desk.address) });
    let usage = window.command("Storage.getUsageAndQuota", origin).await;
    assert_eq!(usage["usage"].as_f64(), Some(0.0), "{}: {usage}", window.url().await);
    let cookies = window.cookies().await;
    cookies.iter().map(|cookie| cookie["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// As the browser understood it: for us alone and all of our paths, for no script and no other site, for half an hour.
fn check(cookie: &Value) {
    let expected = json!({
        "name": "__Host-session", "domain": "127.0.0.1", "path": "/", "httpOnly": true, "secure": true,
        "sameSite": "Lax", "session": false,
    });
    for (name, value) in expected.as_object().expect("it is one") {
        assert_eq!(cookie[name], *value, "{name} of {cookie}");
    }
    let now = now().as_second();
    let ends = cookie["expires"].as_f64().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let left = ends - now as f64;
    assert!(left > 1_700.0 && left <= 1_801.0, "{left} s are left of {cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_keeps_anything_but_the_session_cookie_and_that_not_before_continue() {
    let desk = Desk::start().await;
    let window = Window::open(&desk).await;
    let link = desk.link("acme").await;

    for path in
        ["/", "/nowhere", "/privacy", "/channels", "/whatsapp", "/deletion/0123456789abcdef0123456789abcdef", &link]
    {
        window.goto(path).await;
        assert_eq!(kept(&window, &desk).await, Vec::<String>::new(), "{path}");
    }
    window.press("Continue").await;
    window.is_at("Your channels").await;
    for path in ["/", "/nowhere", "/privacy", "/channels", "/whatsapp", &link] {
        window.goto(path).await;
        assert_eq!(kept(&window, &desk).await, ["__Host-session"], "{path}");
    }
    check(&window.cookies().await[0]);

    window.sign_up("Finish").await;
    window.is_at("Connected").await;
    assert_eq!(kept(&window, &desk).await, ["__Host-session"]);
    window.log_in("Allow").await;
    window.is_at("Connected").await;
    assert_eq!(kept(&window, &desk).await, ["__Host-session"]);
    window.press("Back to your channels").await;
    window.press("Finish and sign out").await;
    window.is_at("This page needs a link").await;
    assert_eq!(kept(&window, &desk).await, Vec::<String>::new());
}
