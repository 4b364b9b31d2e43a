//! Carries out the faults of a plan: begins each, waits, and ends it.

use std::time::{Duration, Instant};

use event::Class;
use futures_util::future::join_all;
use queue::BrokerQueue;

use super::evidence::Happened;
use super::fault::{Cable, Damage, Fault, Manner};
use super::plan::{Group, Planned};
use super::world::World;

/// Carries out the whole plan, and returns what happened when. Times count from `start`.
pub(crate) async fn carry_out(plan: &[Group], world: &World, start: Instant) -> Vec<Happened> {
    let mut happened = Vec::new();
    for group in plan {
        wait(group.calm).await;
        happened.extend(join_all(group.faults.iter().map(|planned| strike(*planned, world, start))).await);
    }
    happened
}

async fn strike(planned: Planned, world: &World, start: Instant) -> Happened {
    let Planned { fault, lasts } = planned;
    let began = start.elapsed();
    println!("{:6.1} s: {fault} for {lasts:.0?}", began.as_secs_f64());
    begin(fault, world).await;
    wait(lasts).await;
    end(fault, world).await;
    let ended = start.elapsed();
    println!("{:6.1} s: over: {fault}", ended.as_secs_f64());
    Happened { fault, began, ended }
}

async fn begin(fault: Fault, world: &World) {
    match fault {
        Fault::Kill(role) => world.slot(role).kill().await,
        Fault::Freeze(role) => world.slot(role).signal("STOP").await,
        Fault::Upgrade => upgrade(world).await,
        Fault::KillBroker => world.engines.rabbit().kill(),
        Fault::Alarm => world.engines.rabbit().raise_memory_alarm().await,
        Fault::DeleteQueue(number) => {
            let queue = BrokerQueue::of_class(Class::Messages).nth(number).expect("there are so many partitions");
            world.engines.control(&["delete_queue", queue.as_str()]).await;
        }
        Fault::CloseConnections => world.engines.control(&["close_all_connections", "drill"]).await,
        Fault::MoveLeaders => world.engines.move_leaders().await,
        Fault::KillNode(node) => world.engines.cluster().kill(node),
        Fault::FreezeNode(node) => world.engines.cluster().freeze(node).await,
        Fault::Cable(cable, damage) => world.cables(cable).damage(damage),
        Fault::KillRedis => {
            world.cables(Cable::Redis).damage(Damage::Cut);
            world.engines.redis().restart().await;
        }
        Fault::ForgetMarkers => world.engines.remove_keys("delivered:*").await,
        Fault::FillRedis => world.engines.ask_redis(&["CONFIG", "SET", "maxmemory", "1"]).await,
        Fault::Dsk(tenant, manner) => world.dsk.behave(tenant, manner),
        Fault::FillDisk => limit_files(world, "0").await,
    }
}

async fn end(fault: Fault, world: &World) {
    match fault {
        Fault::Kill(role) => world.slot(role).start().await,
        Fault::Freeze(role) => world.slot(role).signal("CONT").await,
        Fault::KillBroker => world.engines.rabbit().start_again().await,
        Fault::Alarm => world.engines.rabbit().clear_memory_alarm().await,
        Fault::KillNode(_) | Fault::FreezeNode(_) => world.engines.cluster().mend().await,
        Fault::Cable(cable, _) => world.cables(cable).mend(),
        Fault::KillRedis => world.cables(Cable::Redis).mend(),
        Fault::FillRedis => world.engines.ask_redis(&["CONFIG", "SET", "maxmemory", "0"]).await,
        Fault::Dsk(tenant, _) => world.dsk.behave(tenant, Manner::Well),
        Fault::FillDisk => limit_files(world, "unlimited").await,
        Fault::Upgrade | Fault::DeleteQueue(_) | Fault::CloseConnections | Fault::MoveLeaders => {}
        Fault::ForgetMarkers => {}
    }
}

async fn limit_files(world: &World, bytes: &str) {
    for slot in &world.slots {
        slot.limit_files(bytes).await;
    }
}

/// Stops each process as an upgrade does, and starts the new one before the next one stops.
async fn upgrade(world: &World) {
    for slot in &world.slots {
        let code = slot.stop().await;
        if code != Some(0) {
            // Another fault may have cut the drain short. What that costs, the verdict shows.
            println!("{} ended with {code:?}", slot.role);
        }
        slot.start().await;
    }
}

async fn wait(time: Duration) {
    tokio::time::sleep_until((Instant::now() + time).into()).await;
}
