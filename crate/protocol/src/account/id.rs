//! Account ids (CAIP-10), as the npm package caip 1.1 reads them: each part must *contain* a run of the right characters.

/// An account and its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountId<'t> {
    pub(super) namespace: &'t str,
    pub(super) reference: &'t str,
    pub(super) address: &'t str,
}

impl<'t> AccountId<'t> {
    /// Reads `address@namespace:reference`, where js drops a second `@` and what follows, or
    /// `namespace:reference:address`.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        let Some((address, rest)) = text.split_once('@') else {
            return Self::parse(text);
        };
        let chain = rest.split('@').next()?;
        let (namespace, reference) = chain.split_once(':')?;
        let good = !address.is_empty()
            && !reference.contains(':')
            && has_run(chain, 5, b"-:")
            && is_chain(namespace, reference);
        good.then_some(Self {
            namespace,
            reference,
            address,
        })
    }

    fn parse(text: &'t str) -> Option<Self> {
        let mut parts = text.split(':');
        let id = Self {
            namespace: parts.next()?,
            reference: parts.next()?,
            address: parts.next()?,
        };
        let good = parts.next().is_none() && has_run(text, 7, b"-:");
        id.strict().filter(|_| good).copied()
    }

    /// The id, if it is one in either form.
    pub(super) fn strict(&self) -> Option<&Self> {
        let good = is_chain(self.namespace, self.reference)
            && !self.address.contains(':')
            && has_run(self.address, 1, b"");
        good.then_some(self)
    }

    /// The old form.
    pub(super) fn legacy(&self) -> String {
        let Self {
            namespace,
            reference,
            address,
        } = self;
        format!("{address}@{namespace}:{reference}")
    }
}

fn is_chain(namespace: &str, reference: &str) -> bool {
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    longest_run(namespace, lower) >= 3 && has_run(reference, 1, b"-")
}

fn has_run(text: &str, least: usize, others: &[u8]) -> bool {
    longest_run(text, |b| b.is_ascii_alphanumeric() || others.contains(&b)) >= least
}

fn longest_run(text: &str, fits: impl Fn(u8) -> bool) -> usize {
    let runs = text.as_bytes().split(|b| !fits(*b));
    runs.map(<[u8]>::len).max().unwrap_or(0)
}
