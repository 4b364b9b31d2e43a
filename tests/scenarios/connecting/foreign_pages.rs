//! A page of another site can neither begin a session in a person's browser nor hide for whom a channel is connected.

use ops::graph::NUMBER;

use crate::support::browser::{Browser, Page};
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

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_link_or_a_session_says_for_whom_channels_are_connected() {
    let connect = ConnectStack::start().await;
    let link = connect.link("Bakery & Sons").await;
    let mut browser = Browser::new(&connect.address);
    let names_it = |page: &Page| page.body.replace(['\u{2068}', '\u{2069}'], "").contains("customer Bakery &amp; Sons");

    let mut pages = vec![browser.get(&link).await];
    browser.post(&link, &[]).await;
    for path in ["/channels", "/whatsapp", "/instagram/return?state=forged", "/channels/disconnect?address=whatsapp:1"]
    {
        pages.push(browser.get(path).await);
    }
    pages.push(connect.sign_up_as(&mut browser, "CANCEL", "").await);
    pages.push(connect.sign_up_as(&mut browser, "FINISH", "100000000000777").await);
    pages.push(connect.sign_up(&mut browser).await);
    let address = format!("whatsapp:{NUMBER}");
    let ask = format!("/channels/disconnect?address={address}");
    pages.push(browser.get(&ask).await);
    pages.push(browser.press(&ask, "/channels/disconnect", &[("address", &address)]).await);

    let silent: Vec<&Page> = pages.iter().filter(|page| !names_it(page)).collect();
    assert!(silent.is_empty(), "{silent:?}");
    assert!(pages[0].body.contains("please close this page"), "{:?}", pages[0]);
}
