//! Where each claim of the contract is tested. Whoever uses it needs to import nothing.

/// Each claim becomes one test on Redis, one on Redis as the user of `ops` in `ops/redis/users.acl`, who may do no more
/// than this crate does, one each as that user on a Redis with sentinels and on a cluster, and one on files.
macro_rules! contract {
    ($($claim:ident),* $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let redis = testkit::Redis::shared().await;
                super::$claim(crate::support::open(&channels::ChannelsSettings::at(redis.url(), &redis.prefix()))).await;
            })*
        }

        mod redis_as_its_user {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let redis = testkit::Redis::start_with_shipped_users().await;
                super::$claim(crate::support::open(&channels::ChannelsSettings::at(redis.url_for("ops"), ""))).await;
            })*
        }

        mod sentinels_as_its_user {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let set = testkit::SentinelSet::shared().await;
                let url = testkit::as_process(&set.url(), "ops");
                super::$claim(crate::support::open(&channels::ChannelsSettings::at(url, &set.prefix()))).await;
            })*
        }

        mod cluster_as_its_user {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let cluster = testkit::RedisCluster::shared().await;
                let url = testkit::as_process(&cluster.url(), "ops");
                super::$claim(crate::support::open(&channels::ChannelsSettings::at(url, &cluster.prefix()))).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                super::$claim(crate::support::open(&channels::ChannelsSettings::embedded(folder.path()))).await;
            })*
        }
    };
}
