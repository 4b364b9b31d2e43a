//! The operator's console, started beside the stack, and the person who has opened it.

use testkit::Process;

use crate::support::browser::Browser;
use crate::support::chromium::Window;
use crate::support::stack::{Stack, program};

/// `ops console`, as it runs.
pub(crate) struct Console {
    pub(crate) process: Process,
    /// Where it is served, such as `127.0.0.1:40123`.
    pub(crate) address: String,
    /// The path of the link that opens it once.
    pub(crate) link: String,
}

impl Console {
    pub(crate) async fn start(stack: &Stack) -> Self {
        Self::start_with(stack, &[]).await
    }

    /// Starts it with further settings.
    pub(crate) async fn start_with(stack: &Stack, extra: &[(&str, &str)]) -> Self {
        let settings = stack.ops_settings();
        let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        settings.extend([("CONSOLE_LISTEN", "127.0.0.1:0"), ("LOG", "trace")]);
        settings.extend(extra);
        let mut process = Process::start(&program("ops"), &["console"], &settings);
        let link = process.logs("Open the console, once, at ").await;
        let link: url::Url = link.parse().expect("it prints an address");
        let address = format!("127.0.0.1:{}", link.port().expect("it has a port"));
        Self { process, address, link: link.path().to_owned() }
    }

    /// A browser without scripts that has opened the link.
    pub(crate) async fn browser(&self) -> Browser {
        let mut browser = Browser::new(&self.address);
        let entered = browser.get(&self.link).await;
        assert_eq!(entered.status, 303, "{entered:?}");
        browser
    }

    /// A real browser that has opened the link.
    pub(crate) async fn window(&self) -> Window {
        let window = Window::at(&self.address).await;
        window.goto(&self.link).await;
        window
    }
}
