use std::fmt::Write as _;

use super::{CacaoError, Capability, Words};
use crate::did::pkh::Account;

/// The parts of the text that an account signed: "Sign in with X" (EIP-4361, CAIP-122).
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) account: &'a Account<'a>,
    domain: &'a str,
    version: &'a str,
    nonce: &'a str,
    issued: &'a str,
    audience: &'a str,
    words: &'a Words,
    resources: &'a [String],
    /// Issued before the order of lines changed.
    pub(super) old: bool,
}

/// The last moment of the old order of lines, 2022-09-20, in unix milliseconds.
const REORDERED: i64 = 1_663_632_000_000;

impl<'a> Message<'a> {
    /// Errors if a part is missing without which nobody signed anything, which js fills in with what it likes; or if one
    /// has a line break that would make it look like several.
    pub(super) fn of(
        capability: &'a Capability,
        account: &'a Account<'a>,
    ) -> Result<Self, CacaoError> {
        let words = &capability.words;
        let part =
            |part: &'a Option<String>, error| part.as_deref().ok_or(CacaoError::Malformed(error));
        let lines = [
            &words.domain,
            &words.version,
            &words.nonce,
            &words.issued,
            &words.expires,
            &words.not_before,
            &words.request,
        ];
        let lines = lines.into_iter().flatten().chain(&capability.resources);
        let mut lines = lines.chain([&capability.audience]);
        if lines.any(|line| line.contains('\n')) {
            return Err(CacaoError::Malformed("a line break in a field"));
        }
        Ok(Self {
            account,
            domain: part(&words.domain, "no domain")?,
            version: part(&words.version, "no version")?,
            nonce: part(&words.nonce, "no nonce")?,
            issued: part(&words.issued, "no time of issue")?,
            audience: &capability.audience,
            resources: &capability.resources,
            old: capability.times.issued_by(REORDERED),
            words,
        })
    }

    /// The text as js-ceramic writes it, with the account's address as given. Unlike EIP-4361 there is one blank line, not
    /// two, where there is no statement.
    pub(super) fn write(&self, chain: &str, address: &str) -> String {
        let mut text = self.head(chain, address);
        let mut line = |name: &str, value: &str| line(&mut text, name, value);
        line("Chain ID: ", self.account.reference);
        line("Nonce: ", self.nonce);
        self.times(&mut line);
        if !self.resources.is_empty() {
            self.list(&mut line);
        }
        text
    }

    /// The text as it was until 2022-09-20: the chain later, and `Resources:` even if there are none.
    pub(super) fn write_old(&self, chain: &str, address: &str) -> String {
        let mut text = self.head(chain, address);
        let mut line = |name: &str, value: &str| line(&mut text, name, value);
        line("Nonce: ", self.nonce);
        self.times(&mut line);
        line("Chain ID: ", self.account.reference);
        self.list(&mut line);
        text
    }

    fn head(&self, chain: &str, address: &str) -> String {
        let domain = self.domain;
        let mut text =
            format!("{domain} wants you to sign in with your {chain} account:\n{address}\n\n");
        if let Some(statement) = &self.words.statement {
            text.push_str(statement);
            text.push_str("\n\n");
        }
        // Writing to a String never fails.
        let _ = write!(text, "URI: {}\nVersion: {}", self.audience, self.version);
        text
    }

    fn times(&self, line: &mut impl FnMut(&str, &str)) {
        line("Issued At: ", self.issued);
        let optional = [
            ("Expiration Time: ", &self.words.expires),
            ("Not Before: ", &self.words.not_before),
            ("Request ID: ", &self.words.request),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                line(name, value);
            }
        }
    }

    fn list(&self, line: &mut impl FnMut(&str, &str)) {
        line("Resources:", "");
        for resource in self.resources {
            line("- ", resource);
        }
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    text.extend(["\n", name, value]);
}
