//! A page of another site can neither begin a session in a person's browser nor hide for whom a channel is connected.

use crate::support::browser::Browser;
use crate::support::connect_stack::ConnectStack;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_cannot_begin_a_session() {
    let connect = ConnectStack::start().await;
    let link = connect.link("attacker").await;
    let ours = format!("http://{}", connect.address);
    let senders = [
        ("https://evil.example", "cross-site"),
        ("null", "cross-site"),
        // A script that a request was redirected to, and a program that names nothing.
        (ours.as_str(), "same-site"),
        ("", "cross-site"),
    ];

    for (origin, site) in senders {
        let mut browser = Browser::new(&connect.address);
        browser.origin = Some(origin.to_owned());
        browser.headers = vec![("sec-fetch-site", site)];
        let page = browser.post(&link, &[]).await;
        assert_eq!((page.status, browser.cookies_set), (403, 0), "{origin} {site}: {page:?}");
        assert!(page.body.contains("Another website"), "{page:?}");
    }
    let mut silent = Browser::new(&connect.address);
    silent.origin = Some(String::new());
    assert_eq!((silent.post(&link, &[]).await.status, silent.cookies_set), (403, 0));

    // None of them used the link up, and the person's own click is served.
    let own = Browser::new(&connect.address).post(&link, &[]).await;
    assert_eq!(own.status, 303, "{own:?}");
    assert_eq!(connect.metric("connect_refused_total{reason=\"origin\"}").await, 5);
}
