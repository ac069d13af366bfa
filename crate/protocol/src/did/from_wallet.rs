//! A `did:key` that a wallet can make again on any device: its ed25519 seed is derived from the wallet's signature over a
//! fixed text.
//!
//! **What is signed** is [`KeyRequest::text`], version 1: it names the account, without its chain, and the site, and says what
//! the signature is good for. The same account gives the same DID for the same site on every device, for another site another
//! one: who gets hold of a signature is that identity for good, so one site's carelessness must not cost those of all others. The
//! text can't be taken for one of EIP-4361, nor one of those for it.
//!
//! **What becomes of it**: r ‖ s of an Ethereum account, with s in the lower half of the order, or the 64 bytes of a Solana
//! account. From them HKDF-SHA256 (RFC 5869) with the salt [`SALT`] and the text itself as the info makes 32 bytes.
//!
//! **Who signs** is verified first: of an Ethereum account the key is recovered, so a contract (ERC-1271) has no such key.
//! Wallets sign deterministically (RFC 6979, RFC 8032), but nobody can see from one signature whether this one does; when
//! an identity is made for the first time it should be asked twice ([`KeyRequest::seed`]), else it may never be found again.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::pkh::Account;
use crate::account::ethereum;
use crate::cacao::{
    Answer, Kind, SessionError, checksum, hex65, is_host, length, pair, signing_account,
};
use crate::encoding::base58;

/// The salt of HKDF. It belongs to version 1 of the text.
pub const SALT: &[u8] = b"ostrakon did:key from a wallet, version 1";

/// Why a wallet's signature makes no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The account, the site, or the form of the signature.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The account did not sign this text.
    #[error(
        "the wallet did not sign the text for the key with this account: ask again, or use another wallet"
    )]
    Signature,
    /// Asked twice, the wallet gave two signatures.
    #[error(
        "the wallet signs differently each time, so its key could never be made again: use another wallet, or a session"
    )]
    NotDeterministic,
}

impl KeyError {
    /// A stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Session(error) => error.code(),
            Self::Signature => "key-signature",
            Self::NotDeterministic => "key-not-deterministic",
        }
    }
}

/// The seed of a key. It is wiped when it is dropped, and can't be printed, cloned or written.
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// Takes bytes that nobody else knows. The caller wipes their own copy.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut seed = Self(Zeroizing::new([0; 32]));
        seed.0.copy_from_slice(bytes);
        seed
    }

    /// For whoever makes the key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What an account is asked to sign for a key of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    kind: Kind,
    address: String,
    text: String,
}

impl KeyRequest {
    /// For an account, as CAIP-10 or `did:pkh`, and the host of a site, as `location.hostname` has it.
    ///
    /// # Errors
    /// `session-account` and `session-domain`.
    pub fn new(account: &str, site: &str) -> Result<Self, KeyError> {
        let short = |text: &str| text.chars().take(128).collect();
        let bad = || SessionError::Account(short(account));
        let (kind, did) = signing_account(account).ok_or_else(bad)?;
        let account = Account::of_did(&did).ok_or_else(bad)?;
        if !is_host(site) {
            return Err(SessionError::Domain(short(site)).into());
        }
        let site = site.to_ascii_lowercase();
        let (chain, address) = match kind {
            Kind::Eip191 => {
                let digits = account.address.trim_start_matches("0x");
                ("Ethereum", checksum(digits))
            }
            _ => ("Solana", account.address.to_owned()),
        };
        let text = format!(
            "Ostrakon key, version 1\n\
             \n\
             Site: {site}\n\
             {chain} account: {address}\n\
             \n\
             Your signature under this text is turned into a secret key. Whoever has the signature can write and read as you \
             on this site, for ever.\n\
             \n\
             Sign this only on {site}, and show the signature to nobody."
        );
        Ok(Self {
            kind,
            address: account.address.to_owned(),
            text,
        })
    }

    /// What the wallet signs: ASCII, the same for ever.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The seed of the key. `again` is a second signature that the wallet made when it was asked once more; ask for it when
    /// the identity is new.
    ///
    /// # Errors
    /// `session-signature-format`, `session-signature-length` and `session-other-wallet` for what is no signature of this
    /// kind, `key-signature` for one that is not the account's, `key-not-deterministic` if the two differ.
    pub fn seed(&self, answer: &Answer, again: Option<&Answer>) -> Result<Seed, KeyError> {
        let signature = self.verified(answer)?;
        if let Some(again) = again
            && *self.verified(again)? != *signature
        {
            return Err(KeyError::NotDeterministic);
        }
        let mut seed = Seed::new(&[0; 32]);
        Hkdf::<Sha256>::new(Some(SALT), &*signature)
            .expand(self.text.as_bytes(), &mut *seed.0)
            // Never: 32 bytes are less than HKDF can give.
            .map_err(|_| KeyError::Signature)?;
        Ok(seed)
    }

    /// The one form of the account's signature.
    fn verified(&self, answer: &Answer) -> Result<Zeroizing<[u8; 64]>, KeyError> {
        let signature = match (self.kind, answer) {
            (Kind::Eip191, Answer::Ethereum(hex)) => {
                hex65(hex)?;
                self.ethereum(hex)
            }
            (Kind::Solana, Answer::Solana(bytes)) => {
                length(bytes.len(), 64)?;
                self.solana(bytes)
            }
            _ => return Err(SessionError::OtherWallet.into()),
        };
        signature.ok_or(KeyError::Signature)
    }

    fn ethereum(&self, hex: &str) -> Option<Zeroizing<[u8; 64]>> {
        let (signature, id) = pair(hex)?;
        let digest = ethereum::digest(&self.text, self.text.len());
        let signer = ethereum::recover(&digest, &signature, id)?;
        let signer = data_encoding::HEXLOWER.encode(&signer);
        if self.address.strip_prefix("0x") != Some(&signer) {
            return None;
        }
        Some(Zeroizing::new(signature.normalize_s().to_bytes().into()))
    }

    fn solana(&self, bytes: &[u8]) -> Option<Zeroizing<[u8; 64]>> {
        let key: [u8; 32] = base58(&self.address)?.try_into().ok()?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key).ok()?;
        let signature = ed25519_dalek::Signature::from_slice(bytes).ok()?;
        // Strictly, lest one key have several signatures that pass.
        key.verify_strict(self.text.as_bytes(), &signature).ok()?;
        Some(Zeroizing::new(signature.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use ed25519_dalek::Signer as _;
    use k256::ecdsa::{RecoveryId, Signature, SigningKey};

    use super::*;
    use crate::jose::Ed25519Signer;

    const SITE: &str = "notes.example";

    fn wallet(seed: u8) -> (SigningKey, String) {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let owner = ethereum::address(key.verifying_key()).unwrap();
        (key, format!("0x{}", HEXLOWER.encode(&owner)))
    }

    fn sign(key: &SigningKey, text: &str) -> (Signature, RecoveryId) {
        key.sign_prehash_recoverable(&ethereum::digest(text, text.len()))
    }

    fn hex(signature: &Signature, v: u8) -> String {
        format!("0x{}{v:02x}", HEXLOWER.encode(&signature.to_bytes()))
    }

    fn did(seed: &Seed) -> String {
        Ed25519Signer::from_seed(seed.expose()).did().to_owned()
    }

    fn ethereum_did(account: &str, site: &str) -> String {
        let request = KeyRequest::new(account, site).unwrap();
        let (signature, id) = sign(&wallet(0x30).0, request.text());
        let hex = hex(&signature, id.to_byte() + 27);
        did(&request.seed(&Answer::Ethereum(&hex), None).unwrap())
    }

    /// The DIDs are those that @noble/curves 1.9 and the HKDF of Node 20 make.
    #[test]
    fn the_text_and_what_becomes_of_its_signature_never_change() {
        let (_, address) = wallet(0x30);
        let request = KeyRequest::new(&format!("eip155:1:{address}"), SITE).unwrap();
        let text = "\
Ostrakon key, version 1

Site: notes.example
Ethereum account: 0x827b44d53Df2854057713b25Cdd653Eb70Fe36C4

Your signature under this text is turned into a secret key. Whoever has the signature can write and read as you on this site, for ever.

Sign this only on notes.example, and show the signature to nobody.";
        assert_eq!(request.text(), text);
        assert!(text.is_ascii());
        assert_eq!(
            ethereum_did(&format!("eip155:1:{address}"), SITE),
            "did:key:z6MkvvZ6ebDWoTSHKh5eqCqwTfgekmKkmtRRcRoUzWRqgHpS"
        );

        let key = ed25519_dalek::SigningKey::from_bytes(&[0x40; 32]);
        let address = multibase::Base::Base58Btc.encode(key.verifying_key().as_bytes());
        let account = format!("did:pkh:solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:{address}");
        let request = KeyRequest::new(&account, SITE).unwrap();
        assert!(
            request
                .text()
                .contains(&format!("Solana account: {address}\n"))
        );
        let signature = key.sign(request.text().as_bytes()).to_bytes();
        let seed = request.seed(
            &Answer::Solana(&signature),
            Some(&Answer::Solana(&signature)),
        );
        assert_eq!(
            did(&seed.unwrap()),
            "did:key:z6MkgdFFG89VxB2ut72LhZUXka5jwQEzxT87aT3kLTPTSoi5"
        );
    }

    #[test]
    fn one_account_is_one_did_on_every_chain_and_in_any_letters_and_another_on_another_site() {
        let (_, address) = wallet(0x30);
        let one = ethereum_did(&format!("eip155:1:{address}"), SITE);
        let capitals = address.to_uppercase().replace("0X", "0x");
        for account in [
            format!("eip155:137:{address}"),
            format!("did:pkh:eip155:1:{capitals}"),
        ] {
            assert_eq!(ethereum_did(&account, "Notes.Example"), one);
        }
        assert_ne!(
            ethereum_did(&format!("eip155:1:{address}"), "notes.example:8080"),
            one
        );
    }

    #[test]
    fn every_form_of_one_signature_makes_the_same_key() {
        let (key, address) = wallet(0x30);
        let request = KeyRequest::new(&format!("eip155:1:{address}"), SITE).unwrap();
        let (signature, id) = sign(&key, request.text());
        let v = id.to_byte();
        let (r, s) = signature.split_scalars();
        let mirrored = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        let forms = [
            hex(&signature, v),
            hex(&signature, v + 27),
            hex(&signature, v + 27).to_uppercase().replace("0X", "0x"),
            hex(&mirrored, (v ^ 1) + 27),
        ];
        let dids = forms.iter().map(|form| {
            let answer = Answer::Ethereum(form);
            did(&request
                .seed(&answer, Some(&Answer::Ethereum(&forms[0])))
                .unwrap())
        });
        let dids: std::collections::BTreeSet<_> = dids.collect();
        assert_eq!(dids.len(), 1);
    }

    #[test]
    fn a_signature_over_another_text_or_by_another_account_makes_no_key() {
        let (key, address) = wallet(0x30);
        let account = format!("eip155:1:{address}");
        let request = KeyRequest::new(&account, SITE).unwrap();
        let code = |hex: &str| {
            request
                .seed(&Answer::Ethereum(hex), None)
                .err()
                .unwrap()
                .code()
        };
        let other = KeyRequest::new(&account, "other.example").unwrap();
        let (signature, id) = sign(&key, other.text());
        assert_eq!(code(&hex(&signature, id.to_byte())), "key-signature");
        let (signature, id) = sign(&wallet(0x31).0, request.text());
        let stranger = hex(&signature, id.to_byte() + 27);
        assert_eq!(code(&stranger), "key-signature");
        assert_eq!(code(&stranger[..130]), "session-signature-length");
        assert_eq!(code(&stranger[2..]), "session-signature-format");
        assert_eq!(code(&hex(&signature, 29)), "key-signature");
        let solana = request.seed(&Answer::Solana(&[0; 64]), None);
        assert_eq!(solana.err().unwrap().code(), "session-other-wallet");
    }

    #[test]
    fn a_wallet_that_signs_differently_each_time_is_found_out() {
        use k256::ecdsa::signature::hazmat::PrehashSigner as _;
        use k256::elliptic_curve::ops::Reduce;
        use k256::elliptic_curve::point::AffineCoordinates as _;
        use k256::{FieldBytes, ProjectivePoint, Scalar};

        let (key, address) = wallet(0x30);
        let request = KeyRequest::new(&format!("eip155:1:{address}"), SITE).unwrap();
        let digest = ethereum::digest(request.text(), request.text().len());
        let first: Signature = key.sign_prehash(&digest).unwrap();
        // The same key with a nonce of the wallet's own.
        let nonce = Scalar::from(7_u64);
        let point = (ProjectivePoint::GENERATOR * nonce).to_affine();
        let r = <Scalar as Reduce<FieldBytes>>::reduce(&point.x());
        let z = <Scalar as Reduce<FieldBytes>>::reduce(&digest.into());
        let s = nonce.invert().unwrap() * (z + r * **key.as_nonzero_scalar());
        let second = Signature::from_scalars(r.to_bytes(), s.to_bytes())
            .unwrap()
            .normalize_s();
        let answer = |signature: &Signature| {
            let forms = [0, 1].map(|v| hex(signature, v));
            let good = |hex: &&String| request.seed(&Answer::Ethereum(hex), None).is_ok();
            forms.iter().find(good).unwrap().clone()
        };
        let (first, second) = (answer(&first), answer(&second));
        let error = request.seed(&Answer::Ethereum(&first), Some(&Answer::Ethereum(&second)));
        assert_eq!(error.err().unwrap().code(), "key-not-deterministic");
    }

    #[test]
    fn who_could_not_sign_or_is_no_site_is_not_asked() {
        let (_, address) = wallet(0x30);
        let code = |account: &str, site: &str| KeyRequest::new(account, site).err().unwrap().code();
        assert_eq!(code("eip155:1:0x1", SITE), "session-account");
        assert_eq!(code("tezos:x:y", SITE), "session-account");
        for site in ["", "a b", "evil\nSite: notes.example", "nötes.example"] {
            assert_eq!(code(&format!("eip155:1:{address}"), site), "session-domain");
        }
    }
}
