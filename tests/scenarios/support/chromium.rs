//! A person's Chromium without a screen: it opens pages, presses buttons, and records requests and errors.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{BrowserSlot, Chromedriver, eventually, eventually_within};
use thirtyfour::error::WebDriverResult;
use thirtyfour::{
    By, ChromeCapabilities, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
    WindowHandle,
};

use crate::support::connect_stack::ConnectStack;

/// With these arguments the browser sends nothing by itself, and reaches no other machine.
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

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_mins(1);

/// One person's browser. It ends when it is dropped, even if its test failed.
pub(crate) struct Window {
    driver: WebDriver,
    address: String,
    main: WindowHandle,
    #[expect(dead_code, reason = "dropped after the driver: it removes the profile and lets the next browser start")]
    slot: BrowserSlot,
}

/// A request that a page made.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageRequest {
    pub(crate) page: String,
    pub(crate) url: String,
}

impl Window {
    /// Opens a browser with an empty profile.
    pub(crate) async fn open(connect: &ConnectStack) -> Self {
        Self::at(&connect.address).await
    }

    /// Opens a browser with an empty profile for the pages at that host and port.
    pub(crate) async fn at(address: &str) -> Self {
        let chromedriver = Chromedriver::shared().await;
        let slot = chromedriver.slot().await;
        let capabilities = capabilities(&slot.profile());
        let driver = WebDriver::new(&chromedriver.url(), capabilities.expect("they are JSON")).await;
        let driver = driver.expect("chromedriver starts a browser; ops/test.sh installs what is missing");
        let main = driver.window().await.expect("there is one window");
        Self { driver, address: address.to_owned(), main, slot }
    }

    /// Opens a browser that has used a link and shows the channels.
    pub(crate) async fn begin(connect: &ConnectStack, tenant: &str) -> Self {
        let window = Self::open(connect).await;
        window.goto(&connect.link(tenant).await).await;
        window.press("Continue").await;
        window.is_at("Your channels").await;
        window
    }

    /// Opens one of our pages.
    pub(crate) async fn goto(&self, path: &str) {
        self.driver.goto(format!("http://{}{path}", self.address)).await.expect("it opens");
    }

    /// Presses the browser's own button to go back.
    pub(crate) async fn back(&self) {
        self.driver.back().await.expect("there is a page before");
    }

    /// Presses the button or link with that label.
    pub(crate) async fn press(&self, label: &str) {
        let path = format!("//*[self::a or self::button][normalize-space()={label:?} or @aria-label={label:?}]");
        let find = async || self.driver.find(By::XPath(path.as_str())).await.ok();
        let control = eventually_within(PATIENCE, &format!("there is {label:?}"), find).await;
        control.click().await.unwrap_or_else(|error| panic!("{label:?} can't be pressed: {error}"));
    }

    /// Waits until the page shows that heading.
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

    /// The text that a person reads on the page.
    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// The URL of the page.
    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.expect("a page is open").to_string()
    }

    /// Presses a button in the window that a page opened, which then closes.
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

    /// Walks through Embedded Signup, and ends it with this button.
    pub(crate) async fn sign_up(&self, ending: &str) {
        self.goto("/whatsapp").await;
        self.press("Continue with Facebook").await;
        self.press_in_popup(ending).await;
    }

    /// Walks through Instagram's login, and ends it with this link.
    pub(crate) async fn log_in(&self, ending: &str) {
        self.goto("/channels").await;
        self.press("Connect Instagram").await;
        self.press(ending).await;
    }

    /// Runs a script outside the page's content security policy, and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let result = self.driver.execute(script, vec![]).await;
        result
            .unwrap_or_else(|error| panic!("{error}\n{}", script.chars().take(400).collect::<String>()))
            .json()
            .clone()
    }

    /// Runs a script that ends by calling its first argument, and returns its result.
    pub(crate) async fn run_to_end(&self, script: &str) -> Value {
        self.driver.execute_async(script, vec![]).await.expect("the script ends").json().clone()
    }

    /// Sends a command of the `DevTools` protocol and returns its result.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        let result = self.driver.cdp().send_raw(name, parameters).await;
        result.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Presses the tab key.
    pub(crate) async fn tab(&self) {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            self.command("Input.dispatchKeyEvent", key).await;
        }
    }

    /// Every cookie that the browser has, of any page.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let answer = self.command("Storage.getCookies", json!({})).await;
        answer["cookies"].as_array().cloned().unwrap_or_default()
    }

    /// What pages logged since the last call: errors, and what their content security policy blocked.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.expect("the browser keeps a log");
        log.into_iter().filter(|entry| entry.level != "INFO").map(|entry| entry.message).collect()
    }

    /// The requests that pages made since the last call.
    pub(crate) async fn requests(&self) -> BTreeSet<PageRequest> {
        let log = self.driver.get_log("performance").await.expect("the browser keeps a log");
        let messages = log.iter().filter_map(|entry| serde_json::from_str::<Value>(&entry.message).ok());
        messages.filter_map(|message| page_request(&message["message"])).collect()
    }
}

fn page_request(message: &Value) -> Option<PageRequest> {
    if message["method"] != "Network.requestWillBeSent" {
        return None;
    }
    let page = message["params"]["documentURL"].as_str()?.to_owned();
    let url = message["params"]["request"]["url"].as_str()?.to_owned();
    // The browser begins with a page of its own.
    (page.starts_with("http") && !url.starts_with("data:")).then_some(PageRequest { page, url })
}

fn capabilities(profile: &str) -> WebDriverResult<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in ARGUMENTS {
        capabilities.add_arg(argument)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={profile}"))?;
    for log in ["browser", "performance"] {
        capabilities.set_logging_prefs(log, LoggingPrefsLogLevel::All)?;
    }
    Ok(capabilities)
}
