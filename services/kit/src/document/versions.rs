//! Finding a payload contract among those that a view holds: each version is an entity of its own.

use selvedge_contracts::{
    fault::Fault,
    id::{ContractName, Mission},
    payload::contract::Contract,
};

use crate::view::{Entry, View};

/// The newest version of a contract; 0 if there is none.
pub fn latest_version(contracts: &View<Contract>, name: &ContractName) -> u32 {
    // Versions count up without gaps, so the newest is found by doubling, then halving.
    let has = |version: u32| version_of(contracts, name, version).is_some();
    let mut high = 1;
    while has(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low.midpoint(high);
        if has(middle) { low = middle } else { high = middle }
    }
    low
}

/// One version of a contract.
pub fn version_of(contracts: &View<Contract>, name: &ContractName, version: u32) -> Option<Entry<Contract>> {
    contracts.get(&Mission::kluster(), &name.version_id(version))
}

/// One version of a contract, the newest if none is named.
///
/// # Errors
/// `not_found` if there is none.
pub fn find(
    contracts: &View<Contract>,
    name: &ContractName,
    version: Option<u32>,
) -> Result<Entry<Contract>, Fault> {
    let wanted = version.unwrap_or_else(|| latest_version(contracts, name));
    version_of(contracts, name, wanted).ok_or_else(|| {
        let version = version.map_or_else(String::new, |version| format!(" version {version}"));
        Fault::not_found(format!(
            "there is no contract {name}{version}; registry.contract_list shows those there are"
        ))
    })
}
