//! Channel records with sealed tokens, and markers of delivered events: Redis, or SQLite on one machine. The only crate that names redis or fernet.
