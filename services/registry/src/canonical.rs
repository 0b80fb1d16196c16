use selvedge_contracts::fault::Fault;
pub(crate) fn digest(_: &serde_json::Value) -> Result<String, Fault> { Err(Fault::internal("x")) }
