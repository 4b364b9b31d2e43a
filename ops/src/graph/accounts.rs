//! The apps, accounts and people that the stand-in for Meta knows.

/// The app that connects WhatsApp, with its secret.
pub const APP: (&str, &str) = ("310000000000001", "meta-app-secret-of-the-stand-in");
/// The app that connects Instagram, with its secret.
pub const INSTAGRAM_APP: (&str, &str) = ("320000000000001", "instagram-app-secret-of-the-stand-in");
/// The WhatsApp account that is chosen in Embedded Signup.
pub const ACCOUNT: &str = "200000000000009";
/// The number of that account.
pub const NUMBER: &str = "100000000000009";
/// The Instagram account as webhooks name it. It is larger than 2^53.
pub const INSTAGRAM_USER: &str = "17841400000000001234";
/// The same account as callbacks name it.
pub const INSTAGRAM_APP_USER: &str = "9000000000000042";
/// The person who granted access to the WhatsApp account, as callbacks name them.
pub const APP_USER: &str = "122100000000000042";
