//! Meta sends the owner of an app lists of those who want their data deleted.

use event::Address;
use ops::graph::{APP, APP_USER, INSTAGRAM_APP, NUMBER};

use super::data_rights::signed_request;
use crate::support::browser::Browser;
use crate::support::connect_stack::ConnectStack;

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_list_of_metas_names_is_erased_by_command_also_after_a_withdrawal() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let person = format!("{}/{APP_USER}", APP.0);
    let namesake = format!("{}/{APP_USER}", INSTAGRAM_APP.0);

    let (_, of_another_app) = connect.ops(&["erase", "--instagram-user", &namesake]).await;
    let (_, dry) = connect.ops(&["erase", "--app-user", &person]).await;
    let signed = signed_request(APP_USER, APP.1);
    let withdrawn = Browser::new(&connect.address).post("/meta/deauthorize", &[("signed_request", &signed)]).await;
    assert_eq!(withdrawn.status, 200);
    let (succeeded, output) = connect.ops(&["erase", "--app-user", &person, "--yes"]).await;
    let (_, again) = connect.ops(&["erase", "--app-user", &person, "--yes"]).await;

    assert!(of_another_app.contains("Would erase: 0 channels"), "{of_another_app}");
    assert!(dry.contains("Would erase: 1 channel of") && dry.contains("Nothing is done yet"), "{dry}");
    assert!(succeeded && output.contains("Erased: 1 channel of"), "{output}");
    assert!(
        connect.store.get(&Address::new(format!("whatsapp:{NUMBER}"))).await.expect("the store answers").is_none(),
        "the tombstone is gone"
    );
    assert!(again.contains("Erased: 0 channels of"), "{again}");
    let code = output.split("--show ").nth(1).and_then(|rest| rest.split('`').next()).expect("there is a code");
    let (_, shown) = connect.ops(&["erase", "--show", code]).await;
    assert!(shown.contains("requested by operator"), "{shown}");
}
