//! The containers of docker-compose.yml are what their names say, and cannot send away what is in them.

use crate::documents::container_files::{compose, object, services, target, texts};
use crate::support::workspace::{read, root};

/// Whoever takes ingest over has the app secret, which is of use only to someone who can send it away.
#[test]
fn ingest_has_no_way_out() {
    let networks = object(&compose(), "/networks");
    let translates = "com.docker.network.bridge.enable_ip_masquerade";

    for name in ["ingest", "proxy", "proxy-mtls"] {
        let service = &services()[name];
        for network in texts(service, "/networks") {
            let network = &networks[&network];
            assert!(network["internal"] == true || network["driver_opts"][translates] == "false", "{name}: {network}");
        }
        assert_eq!(texts(service, "/dns"), ["127.0.0.1"], "{name} can ask for names outside");
    }
}

/// Whether a tag names one release: three numbers, and perhaps the variant of the image.
fn is_exact(tag: &str) -> bool {
    let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
    let numbers: Vec<&str> = version.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

/// An image is named by its digest or by a release: a tag such as `8` leads to another image tomorrow.
#[test]
fn every_foreign_image_is_named_exactly() {
    let composed = services().into_iter().filter(|(_, service)| target(service).is_none());
    let composed = composed.map(|(_, service)| service["image"].as_str().unwrap_or_default().to_owned());
    let dockerfile = read(&root().join("Dockerfile"));
    let bases = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next());
    let bases = bases.filter(|base| base.contains(':')).map(str::to_owned);

    let images: Vec<String> = composed.chain(bases).collect();
    assert!(images.len() >= 7, "{images:?}");
    for image in images {
        let tag = image.split_once(':').map(|(_, tag)| tag).unwrap_or_default();
        assert!(image.contains("@sha256:") || is_exact(tag), "{image} may become another image");
    }
    assert!(!is_exact("8") && !is_exact("4.3-management") && is_exact("v3.13.3") && is_exact("1.95.0-slim-bookworm"));
}
