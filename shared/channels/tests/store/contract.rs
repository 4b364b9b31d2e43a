//! Where each claim of the contract is tested.

/// Each claim becomes one test on Redis, one on Redis as the user of `ops` in `ops/redis/users.acl`, who may do no more
/// than this crate does, and one on files.
macro_rules! contract {
    ($($claim:ident),* $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let redis = super::Redis::shared().await;
                super::$claim(super::open(&super::ChannelsSettings::at(redis.url(), &redis.prefix()))).await;
            })*
        }

        mod redis_as_its_user {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let redis = super::Redis::start_with_shipped_users().await;
                super::$claim(super::open(&super::ChannelsSettings::at(redis.url_for("ops"), ""))).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                super::$claim(super::open(&super::ChannelsSettings::embedded(folder.path()))).await;
            })*
        }
    };
}
