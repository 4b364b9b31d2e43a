//! A URL that names several hosts, which share everything else. No library's parser knows such a list.

/// What all hosts of a URL share, and their list. It holds a password, so it has no `Debug`.
pub struct HostList<'u> {
    /// User and password with the `@` behind them, or nothing.
    pub user: &'u str,
    hosts: &'u str,
    /// What follows after the last host: path, query and fragment.
    pub tail: &'u str,
}

impl<'u> HostList<'u> {
    /// Splits what follows after the scheme. The error repeats nothing of it, because it holds a password.
    pub fn of(rest: &'u str) -> Result<Self, String> {
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let is_list_of_urls = rest.contains("://") || user.matches('@').count() > 1 && user.contains(',');
        if is_list_of_urls {
            return Err("it repeats the scheme or the user: write both once, before the first address, and an @ in a \
                        password as %40"
                .to_owned());
        }
        Ok(Self { user, hosts, tail })
    }

    /// Whether there is more than one host.
    pub fn is_several(&self) -> bool {
        self.hosts.contains(',')
    }

    /// Parses each host and its port. An error says which of several hosts it is about; two hosts may not be the `same`.
    pub fn parse_each<T>(
        &self,
        parse: impl Fn(&str) -> Result<T, String>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Result<Vec<T>, String> {
        let hosts: Vec<&str> = self.hosts.split(',').collect();
        let count = hosts.len();
        let mut addresses: Vec<T> = Vec::with_capacity(count);
        for (before, host) in hosts.into_iter().enumerate() {
            let number = before + 1;
            if host.is_empty() && count > 1 {
                return Err(format!("address {number} of {count} is empty: remove a comma"));
            }
            let address = parse(host)
                .map_err(|error| if count > 1 { format!("address {number} of {count}: {error}") } else { error })?;
            if let Some(earlier) = addresses.iter().position(|earlier| same(earlier, &address)) {
                return Err(format!("address {number} of {count} is the same as address {}: remove one", earlier + 1));
            }
            addresses.push(address);
        }
        Ok(addresses)
    }
}
