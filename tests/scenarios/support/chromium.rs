//! A person's Chromium, without a screen: opens pages, presses what stands on them, and remembers what they asked for,
//! kept and complained about.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Chromedriver, Place, eventually, eventually_within};
use thirtyfour::error::WebDriverResult;
use thirtyfour::{
    By, ChromeCapabilities, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
    WindowHandle,
};

use crate::support::connect_stack::Desk;

/// It asks nobody of its own accord, and reaches nobody but this machine.
const ARGUMENTS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-proxy-server",
    "--lang=en-GB",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// How long a page may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// One person's browser. Dropping it ends it, whether its test went well or not.
pub(crate) struct Window {
    driver: WebDriver,
    address: String,
    main: WindowHandle,
    #[expect(
        dead_code,
        reason = "held for its drop after the driver's: the profile goes, and the next browser may start"
    )]
    place: Place,
}

/// A request that a page made.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) page: String,
    pub(crate) url: String,
}

impl Window {
    /// Opens a browser that has never been anywhere.
    pub(crate) async fn open(desk: &Desk) -> Self {
        let chromedriver = Chromedriver::shared().await;
        let place = chromedriver.place().await;
        let wanted = capabilities(&place.profile());
        let driver = WebDriver::new(&chromedriver.url(), wanted.expect("they are JSON")).await;
        let driver = driver.expect("chromedriver starts a browser; ops/test.sh installs what is missing");
        let main = driver.window().await.expect("there is one window");
        Self { driver, address: desk.address.clone(), main, place }
    }

    /// Opens one that has used a link, and shows the channels.
    pub(crate) async fn begin(desk: &Desk, tenant: &str) -> Self {
        let window = Self::open(desk).await;
        window.goto(&desk.link(tenant).await).await;
        window.press("Continue").await;
        window.is_at("Your channels").await;
        window
    }

    /// Opens one of our pages.
    pub(crate) async fn goto(&self, path: &str) {
        self.driver.goto(format!("http://{}{path}", self.address)).await.expect("it opens");
    }

    /// Goes back, by the browser's own button.
    pub(crate) async fn back(&self) {
        self.driver.back().await.expect("there is a page before");
    }

    /// Presses the button or link with that label.
    pub(crate) async fn press(&self, label: &str) {
        let path = format!("//*[self::a or self::button][normalize-space()={label:?} or @aria-label={label:?}]");
        let find = async || self.driver.find(By::XPath(path.as_str())).await.ok();
        let found = eventually_within(PATIENCE, &format!("there is {label:?}"), find).await;
        found.click().await.unwrap_or_else(|error| panic!("{label:?} can't be pressed: {error}"));
    }

    /// Waits until the page has that heading.
    pub(crate) async fn is_at(&self, heading: &str) {
        let mut last = String::new();
        let started = Instant::now();
        while last != heading {
            assert!(
                started.elapsed() < PATIENCE,
                "the heading is {last:?} and not {heading:?} at {}",
                self.url().await
            );
            let look = async || self.driver.find(By::Tag("h1")).await.ok()?.text().await.ok();
            last = eventually("the page has a heading", look).await;
        }
    }

    /// What a person reads on the page.
    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Where the page is.
    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.expect("a page is open").to_string()
    }

    /// Presses something in the window that a page opened; it closes itself.
    pub(crate) async fn press_in_popup(&self, label: &str) {
        let popup = eventually("a window opens", async || {
            let windows = self.driver.windows().await.ok()?;
            windows.into_iter().find(|window| *window != self.main)
        });
        self.driver.switch_to_window(popup.await).await.expect("it is open");
        eventually(&format!("{label:?} is there"), async || {
            let path = format!("//button[normalize-space()={label:?}]");
            self.driver.find(By::XPath(path)).await.ok()?.click().await.ok()
        })
        .await;
        self.driver.switch_to_window(self.main.clone()).await.expect("it is still open");
    }

    /// Goes through Embedded Signup up to its end.
    pub(crate) async fn sign_up(&self, ending: &str) {
        self.goto("/whatsapp").await;
        self.press("Continue with Facebook").await;
        self.press_in_popup(ending).await;
    }

    /// Goes through Instagram's login up to its end.
    pub(crate) async fn log_in(&self, ending: &str) {
        self.goto("/channels").await;
        self.press("Connect Instagram").await;
        self.press(ending).await;
    }

    /// The result of a script, which runs beside the page and not under its policy.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let result = self.driver.execute(script, vec![]).await;
        result
            .unwrap_or_else(|error| panic!("{error}\n{}", script.chars().take(400).collect::<String>()))
            .json()
            .clone()
    }

    /// The same for a script that ends later, by calling its first argument.
    pub(crate) async fn run_to_end(&self, script: &str) -> Value {
        self.driver.execute_async(script, vec![]).await.expect("the script ends").json().clone()
    }

    /// A command of the `DevTools` protocol.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        let result = self.driver.cdp().send_raw(name, parameters).await;
        result.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Presses the tabulator.
    pub(crate) async fn tab(&self) {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            self.command("Input.dispatchKeyEvent", key).await;
        }
    }

    /// Every cookie that the browser has, of whatever page.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let answer = self.command("Storage.getCookies", json!({})).await;
        answer["cookies"].as_array().cloned().unwrap_or_default()
    }

    /// What pages have complained about since the last look: errors, and whatever their policy forbade.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.expect("the browser keeps a log");
        log.into_iter().filter(|entry| entry.level != "INFO").map(|entry| entry.message).collect()
    }

    /// What pages have asked for since the last look.
    pub(crate) async fn asked(&self) -> BTreeSet<Asked> {
        let log = self.driver.get_log("performance").await.expect("the browser keeps a log");
        let messages = log.iter().filter_map(|entry| serde_json::from_str::<Value>(&entry.message).ok());
        messages.filter_map(|message| asked(&message["message"])).collect()
    }
}

fn asked(message: &Value) -> Option<Asked> {
    if message["method"] != "Network.requestWillBeSent" {
        return None;
    }
    let page = message["params"]["documentURL"].as_str()?.to_owned();
    let url = message["params"]["request"]["url"].as_str()?.to_owned();
    // The browser's own first page is none of ours.
    (page.starts_with("http") && !url.starts_with("data:")).then_some(Asked { page, url })
}

fn capabilities(profile: &str) -> WebDriverResult<ChromeCapabilities> {
    let mut wanted = DesiredCapabilities::chrome();
    for argument in ARGUMENTS {
        wanted.add_arg(argument)?;
    }
    wanted.add_arg(&format!("--user-data-dir={profile}"))?;
    for log in ["browser", "performance"] {
        wanted.set_logging_prefs(log, LoggingPrefsLogLevel::All)?;
    }
    Ok(wanted)
}
