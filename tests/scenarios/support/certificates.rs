//! Certificates for proxies and for Meta, made with openssl.

use std::path::Path;

use tokio::process::Command;

use crate::support::workspace::read;

/// The subject of Meta's client certificate.
const META: &str = "client.webhooks.fbclientcerts.com";

/// Makes `NAME-key` and `NAME-certificate` in a folder, for a subject, signed by an authority or by itself. As always
/// with openssl, only the owner can read the key.
pub(crate) async fn certificate(folder: &Path, name: &str, subject: &str, authority: Option<&str>) {
    let file = |name: &str, kind: &str| folder.join(format!("{name}-{kind}")).display().to_string();
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

/// Makes Meta's authority (`meta-ca`), an intermediate one, and two certificates that the intermediate one signed:
/// `meta`, and `other` for somebody else.
pub(crate) async fn authorities(folder: &Path) {
    certificate(folder, "root", "root.test", None).await;
    certificate(folder, "intermediate", "intermediate.test", Some("root")).await;
    std::fs::copy(folder.join("root-certificate"), folder.join("meta-ca")).expect("the folder is ours");
    let intermediate = read(&folder.join("intermediate-certificate"));
    for (name, subject) in [("meta", META), ("other", "client.webhooks.example")] {
        certificate(folder, name, subject, Some("intermediate")).await;
        let own = read(&folder.join(format!("{name}-certificate")));
        std::fs::write(folder.join(format!("{name}-chain")), own + intermediate.as_str()).expect("the folder is ours");
    }
}
