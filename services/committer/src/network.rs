//! Which addresses the committer may reach by HTTP. A name that a policy allows may stand for any address, its
//! own machine's and its neighbours' among them: those are not asked unless a setting allows their range.
//!
//! Names are resolved here, and only what was judged here is connected to: nothing is looked up a second time.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// A range of addresses (RFC 4632): `10.0.0.0/8`, `::1/128`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix_bits: u8,
}

/// Not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no range of addresses: expected one such as 10.0.0.0/8 or ::1/128, with no bit set beyond its prefix"
)]
pub struct InvalidNetwork(String);

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let shift = |bits: u8| u32::from(bits).saturating_sub(u32::from(self.prefix_bits));
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let wrong = || InvalidNetwork(text.to_owned());
        let (first, prefix) = text.split_once('/').map_or((text, None), |(first, bits)| (first, Some(bits)));
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let (longest, bits) = match first {
            IpAddr::V4(first) => (32, u128::from(first.to_bits()) << 96),
            IpAddr::V6(first) => (128, first.to_bits()),
        };
        let prefix_bits = prefix.map_or(Ok(longest), str::parse).map_err(|_| wrong())?;
        let is_beyond = bits.checked_shl(u32::from(prefix_bits)).unwrap_or(0) != 0;
        if prefix_bits > longest || is_beyond { Err(wrong()) } else { Ok(Self { first, prefix_bits }) }
    }
}

/// What may be reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach(pub(crate) Vec<Network>);

/// An address, or a name that stands for none but such, that is not to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreached {
    host: String,
    addresses: Vec<IpAddr>,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().take(4).map(ToString::to_string).collect();
        write!(
            f,
            "{} is at {}, which is no public address: not asked unless `committer.allowed_networks` holds it",
            self.host,
            addresses.join(", ")
        )
    }
}

impl Error for Unreached {}

impl Reach {
    fn allows(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        is_public(plain) || self.0.iter().any(|network| network.contains(plain))
    }

    /// Whether an address that stands in a URL itself, which no resolver is asked for, may be reached.
    pub(crate) fn judge(&self, url: &Url) -> Result<(), Unreached> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        let host = || url.host_str().unwrap_or_default().to_owned();
        if self.allows(address) { Ok(()) } else { Err(Unreached { host: host(), addresses: vec![address] }) }
    }

    /// Of the addresses of a name those that may be reached.
    fn of(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Unreached> {
        let (reached, not): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| self.allows(at.ip()));
        if reached.is_empty() && !not.is_empty() {
            let addresses = not.iter().map(SocketAddr::ip).collect();
            return Err(Unreached { host: host.to_owned(), addresses });
        }
        Ok(reached)
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let reached = reach.of(name.as_str(), found)?;
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

/// The refusal among the causes of an error, if that is what it is.
pub(crate) fn unreached<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Unreached> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Whether an address is anybody's on the internet (IANA's registries of special-purpose addresses, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(matches!(a, 0 | 10 | 127 | 224..=255) // this network, private, loopback, multicast, reserved
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 169 && b == 254) // link-local
        || (a == 172 && (16..32).contains(&b)) // private
        || (a == 192 && b == 168) // private
        || (a == 192 && b == 0 && matches!(c, 0 | 2)) // protocols, documentation
        || (a == 198 && matches!(b, 18 | 19)) // benchmarks
        || (a == 198 && b == 51 && c == 100) // documentation
        || (a == 203 && b == 0 && c == 113)) // documentation
}

/// Of the global unicast range alone (2000::/3), and not what leads to an IPv4 address or nowhere.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, ..] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        (0x64, 0xff9b) => {
            let [.., high, low] = address.segments();
            address.segments().iter().skip(2).take(4).all(|part| *part == 0) && is_public_v4(v4(high, low))
        }
        (0x2002, high) => is_public_v4(v4(high, c)), // 6to4
        (0x2001, 0..0x200 | 0xdb8) => false,         // protocols (Teredo among them), documentation
        (0x3fff, 0..0x1000) => false,                // documentation
        _ => (0x2000..0x4000).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn reach(networks: &[&str]) -> Reach {
        Reach(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    #[test]
    fn only_public_addresses_are_reached_in_whichever_form_they_are_written() {
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"]
        {
            assert!(reach(&[]).allows(address(public)), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!reach(&[]).allows(address(private)), "{private}");
        }
    }

    #[test]
    fn a_range_that_is_allowed_is_reached_and_no_other() {
        let reach = reach(&["10.0.0.0/8", "::1/128", "192.168.7.1"]);
        for allowed in ["10.255.0.1", "::1", "192.168.7.1", "::ffff:10.0.0.1"] {
            assert!(reach.allows(address(allowed)), "{allowed}");
        }
        for not in ["11.0.0.1".replace("11", "127").as_str(), "192.168.7.2", "fe80::1"] {
            assert!(!reach.allows(address(not)), "{not}");
        }
        assert!(reach.0.iter().all(|network| !network.contains(address("9.255.255.255"))));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(address("127.0.0.1")));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for wrong in ["", "10.0.0.1/8", "10.0.0.0/33", "localhost", "10.0.0.0/", "::1/127", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_judged_and_a_name_by_where_it_leads() {
        let reach = reach(&[]);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]:8080/",
            "http://[::ffff:7f00:1]/",
        ] {
            let refused = reach.judge(&Url::parse(url).unwrap()).unwrap_err();
            assert!(refused.to_string().contains("committer.allowed_networks"), "{refused}");
        }
        reach.judge(&Url::parse("http://example.org/").unwrap()).unwrap();
        let at = |ip: &str| SocketAddr::new(address(ip), 0);
        let mixed = reach.of("two-faced", vec![at("127.0.0.1"), at("1.1.1.1")]).unwrap();
        assert_eq!(mixed, [at("1.1.1.1")], "only where it may be reached");
        let refused = reach.of("inside", vec![at("10.0.0.1")]).unwrap_err();
        assert!(refused.to_string().starts_with("inside is at 10.0.0.1"), "{refused}");
        assert_eq!(reach.of("nowhere", Vec::new()).unwrap(), [], "that is for whoever connects to say");
    }
}
