//! How a key of the store is called in Redis, and so on which node of a cluster it lies.

use crate::keys;

/// The hash tag of a cluster's keys. It stands at the end, so that the key patterns of a user list are the same for a single
/// Redis and for a cluster.
const TAG: &str = "{channels}";
/// How many keys show whether the nodes of a cluster take writes. Of six primaries each has one of these or more in 19 of 20
/// clusters, and of three in all but one of 700.
const CLUSTER_PROBES: usize = 16;

/// Where the keys are.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    pub(super) prefix: String,
    /// Whether the keys are those of a cluster.
    pub(super) is_spread: bool,
}

impl Placement {
    /// The name of a key. In a cluster the markers and trails of events, nearly all that is stored, are spread over its slots.
    /// Everything else lies in one slot, because a commit changes several keys, and Redis runs it for those of one slot only.
    pub(super) fn key(&self, key: &str) -> String {
        let prefix = &self.prefix;
        if !self.is_spread || key.starts_with(keys::DELIVERED) || key.starts_with(keys::TRAIL) {
            return format!("{prefix}{key}");
        }
        // The first { of a key begins its tag, and a tenant's name may have one.
        let key = key.replace('%', "%25").replace('{', "%7B");
        format!("{prefix}{key}{TAG}")
    }

    /// The keys that are written to see whether Redis takes writes.
    pub(super) fn probes(&self) -> Vec<String> {
        let mut probes = vec![self.key(keys::PROBE)];
        if self.is_spread {
            probes.extend((1..CLUSTER_PROBES).map(|number| format!("{}{}:{number}", self.prefix, keys::PROBE)));
        }
        probes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_redis_keeps_the_names_of_its_keys() {
        let placement = Placement { prefix: "p:".to_owned(), is_spread: false };

        assert_eq!(placement.key("channels:of:{a}%"), "p:channels:of:{a}%");
        assert_eq!(placement.probes(), ["p:channels:probe"]);
    }

    #[test]
    fn in_a_cluster_all_keys_but_the_markers_and_trails_of_events_have_one_tag() {
        let placement = Placement { prefix: "p:".to_owned(), is_spread: true };

        assert_eq!(placement.key("delivered:evt_1"), "p:delivered:evt_1");
        assert_eq!(placement.key("trail:evt_1"), "p:trail:evt_1");
        assert_eq!(placement.key("channel:whatsapp:1"), "p:channel:whatsapp:1{channels}");
        assert_eq!(placement.key("channels:of:{a}%"), "p:channels:of:%7Ba}%25{channels}");
        assert_eq!(placement.probes().len(), CLUSTER_PROBES);
    }
}
