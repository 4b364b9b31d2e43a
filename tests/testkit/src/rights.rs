//! The users of the servers, as `ops/rabbitmq/users.json` and `ops/redis/users.acl` ship them: a process under test may do
//! no more than these files say.

use std::path::Path;

use serde_json::{Value, json};

/// The password of every user.
pub const PASSWORD: &str = "pa55word";
/// The user of a test in a Sentinel set or a Redis Cluster, who may do everything.
pub(crate) const ADMIN: &str = "admin";
/// The user and password of a test, which may do everything in RabbitMQ.
pub(crate) const EVERYTHING: &str = "guest:guest";
/// The hash of the password `guest`, with its salt, as the broker stores it.
const EVERYTHING_HASH: &str = "AQIDBEMMOXwY6PKx/JKP9PAqfsb4ozuD0Ta3pxxa9gEYBMmD";

/// A URL of RabbitMQ or Redis with the user of a process (`ingest`, `dispatcher`, `connect`, `ops`), instead of the one who
/// may do everything. A URL that names another user stays as it is.
pub fn as_process(url: &str, process: &str) -> String {
    match url.split_once("://") {
        Some(("amqp", rest)) => match rest.strip_prefix(EVERYTHING) {
            Some(rest) => format!("amqp://{process}:{PASSWORD}{rest}"),
            None => url.to_owned(),
        },
        Some(("redis", rest)) if !rest.contains('@') => format!("redis://{process}:{PASSWORD}@{rest}"),
        Some((scheme @ ("redis+sentinel" | "redis+cluster"), rest)) => match rest.strip_prefix(ADMIN) {
            Some(rest) => format!("{scheme}://{process}{rest}"),
            None => url.to_owned(),
        },
        Some(_) | None => url.to_owned(),
    }
}

/// Settings in which the addresses of RabbitMQ and Redis name the users of a process.
pub fn with_rights(process: &str, settings: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let with_user = |name: &str, value: &str| match name {
        "QUEUE_URL" | "CHANNELS_URL" => as_process(value, process),
        _ => value.to_owned(),
    };
    settings.iter().map(|(name, value)| (*name, with_user(name, value))).collect()
}

pub(crate) fn shipped(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The definitions of a broker with these virtual hosts, in each of which every shipped user has the shipped rights.
pub(crate) fn definitions(vhosts: &[String]) -> String {
    let shipped: Value = serde_json::from_str(&shipped("rabbitmq/users.json")).expect("it is JSON");
    let list = |name: &str| shipped[name].as_array().cloned().unwrap_or_default();
    let mut users = list("users");
    users.iter_mut().for_each(|user| user["password"] = PASSWORD.into());
    users.push(json!({
        "name": "guest",
        "password_hash": EVERYTHING_HASH,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["administrator"],
    }));
    let mut rights = list("permissions");
    rights.push(json!({ "user": "guest", "configure": ".*", "write": ".*", "read": ".*" }));
    let permissions = vhosts.iter().flat_map(|vhost| {
        rights.iter().cloned().map(move |mut right| {
            right["vhost"] = vhost.as_str().into();
            right
        })
    });
    let permissions: Vec<Value> = permissions.collect();
    let vhosts: Vec<Value> = vhosts.iter().map(|name| json!({ "name": name })).collect();
    json!({ "users": users, "vhosts": vhosts, "permissions": permissions }).to_string()
}

/// The users of Redis, one line for each.
pub(crate) fn shipped_redis_users() -> Vec<String> {
    users_in("redis/users.acl")
}

fn users_in(file: &str) -> Vec<String> {
    let list = shipped(file);
    let lines = list.lines().filter(|line| line.starts_with("user "));
    let with_password = |word: &str| if word.starts_with('#') { format!(">{PASSWORD}") } else { word.to_owned() };
    lines.map(|line| line.split(' ').map(with_password).collect::<Vec<_>>().join(" ")).collect()
}

/// The users of a server in a Sentinel set or a Redis Cluster, one line for each: those that are shipped, under every prefix of
/// the tests, and one who may do everything.
pub(crate) fn set_users() -> Vec<String> {
    let processes = shipped_redis_users().into_iter().map(|line| line.replace(" ~", " ~test*:"));
    let among_servers = users_in("cluster/redis-users.acl");
    processes.chain(among_servers).chain([admin()]).collect()
}

/// The lines of `ops/cluster/sentinel-users.conf`, and one user who may do everything.
pub(crate) fn sentinel_users() -> Vec<String> {
    let file = shipped("cluster/sentinel-users.conf");
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let password = |line: &str| line.replace("SENTINEL_PASSWORD", PASSWORD).replace("SERVICE_PASSWORD", PASSWORD);
    lines.map(password).chain([admin()]).collect()
}

/// The user of a test, who may do everything.
pub(crate) fn admin() -> String {
    format!("user {ADMIN} on >{PASSWORD} allkeys allchannels allcommands")
}
