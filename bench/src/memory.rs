//! What the services hold in memory when nothing happens.

use selvedge_tests::fabric::Fabric;

pub(crate) async fn measure() {
    let _fabric = Fabric::start().await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS unknown");
    println!("\n### memory\n\nthis process with every service, idle: {resident} (goal <= 60 MB)");
}
