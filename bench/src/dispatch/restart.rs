//! How long a dispatcher needs to start over a long history.

use std::time::Instant;

use selvedge_tests::{Options, dispatcher};

use super::Scene;
use crate::report::ratio;

/// Tasks that are finished, those of one plan, and those that are open, half of which somebody has.
const FINISHED: usize = 100_000;
const EACH: usize = 1_000;
const OPEN: usize = 1_000;

pub(crate) async fn measure() {
    let mut scene = Scene::start(Options::LAZY).await;
    let names: Vec<String> = (0..EACH).map(|index| format!("t{index}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let started = Instant::now();
    for _ in 0..FINISHED / EACH {
        scene.plan(&tasks).await;
        scene.finish().await;
    }
    println!(
        "\n### dispatch restart, {FINISHED} finished and {OPEN} open tasks\n\n- finished over the bus in {:.1} s, 64 workers",
        started.elapsed().as_secs_f64()
    );
    scene.plan(&tasks[..OPEN]).await;
    for index in 0..OPEN / 2 {
        super::claim_now(&scene.workers[index % scene.workers.len()]).await.expect("a task");
    }
    scene.replica.take().expect("a dispatcher").drain().await;
    let started = Instant::now();
    scene.replica = Some(dispatcher::start(&scene.fabric.bus, "d2").await);
    let serving = started.elapsed();
    super::claim_now(&scene.workers[0]).await.expect("a task");
    println!("- first claim answered after {:.2} s", started.elapsed().as_secs_f64());
    ratio("serving after s", serving.as_secs_f64(), "<= 3");
}
