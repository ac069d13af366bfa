//! On which chains a network anchors.

/// The chains whose anchors count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chains {
    /// Any. Of a chain that nobody can ask the time stays claimed.
    Any,
    /// Only these, by their CAIP-2 names; an anchor elsewhere is invalid.
    Only(Vec<String>),
}

impl Chains {
    /// Those of a network, by its name (as js-ceramic 6.11 lists them). A network that is not listed, such as `local-1`, is
    /// its makers' own, and so is the chain.
    pub fn of_network(name: &str) -> Self {
        let chains: &[&str] = match name {
            "mainnet" | "elp" => &["eip155:1"],
            "testnet-clay" => &["eip155:3", "eip155:4", "eip155:100"],
            "dev-unstable" => &["eip155:3", "eip155:4", "eip155:5", "eip155:11155111"],
            "local" => &["eip155:1337"],
            "inmemory" => &["inmemory:12345"],
            _ => return Self::Any,
        };
        Self::only(chains.iter().copied())
    }

    /// Only these.
    pub fn only<'a>(chains: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Only(chains.into_iter().map(str::to_owned).collect())
    }

    /// Whether an anchor on this chain counts.
    pub fn allow(&self, chain_id: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(chains) => chains.iter().any(|chain| chain == chain_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_on_a_test_chain_does_not_count_on_mainnet() {
        let mainnet = Chains::of_network("mainnet");
        assert!(mainnet.allow("eip155:1"));
        assert!(!mainnet.allow("eip155:100"));
        assert!(!mainnet.allow("eip155:11"));
        assert!(Chains::of_network("testnet-clay").allow("eip155:100"));
    }

    #[test]
    fn a_network_of_ones_own_may_anchor_anywhere() {
        assert!(Chains::of_network("local-1").allow("eip155:31337"));
        assert!(!Chains::of_network("local").allow("eip155:31337"));
    }
}
