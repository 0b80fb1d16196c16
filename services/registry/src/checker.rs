use selvedge_contracts::fault::*;
pub(crate) struct Checker;
impl Checker { pub(crate) fn new(_: &serde_json::Value) -> Result<Self, Fault> { Ok(Self) } pub(crate) fn check(&self, _: &serde_json::Value) -> Result<Vec<Detail>, Fault> { Ok(vec![]) } }
