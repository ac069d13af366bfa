//! `ostrakon id`: what a text names.

use std::str::FromStr as _;

use data_encoding::HEXLOWER;
use ostrakon_protocol::did::key::PublicKey;
use ostrakon_protocol::{Cid, CommitId, DocumentRef, StreamId, did};
use serde_json::{Map, Value};

/// What a text names, as label and value, in the order to show.
pub type Explanation = Vec<(&'static str, Value)>;

/// A text that names nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unknown {
    /// A stable name of the refusal.
    pub code: &'static str,
    /// What is wrong with the text.
    pub message: String,
}

/// Explains a StreamID, CommitID, CID or DID, or an address made of one.
pub fn explain(text: &str) -> Result<Explanation, Unknown> {
    let text = text.trim();
    if text.starts_with("did:") {
        return match did::resolve(text) {
            Ok(document) => Ok(of_did(&document)),
            Err(error) => Err(Unknown {
                code: error.code(),
                message: error.to_string(),
            }),
        };
    }
    let cid = text
        .strip_prefix("ipfs://")
        .or_else(|| text.strip_prefix("/ipfs/"))
        .unwrap_or(text);
    let not_a_reference = match DocumentRef::from_str(text) {
        Ok(DocumentRef::Stream(stream)) => return Ok(of_stream(&stream)),
        Ok(DocumentRef::Commit(commit)) => return Ok(of_commit(&commit)),
        Err(error) => error,
    };
    match Cid::try_from(cid) {
        Ok(cid) => Ok(of_cid(&cid)),
        Err(_)
            if text.starts_with('k')
                || text.starts_with("ceramic:")
                || text.starts_with("/ceramic/") =>
        {
            Err(Unknown {
                code: not_a_reference.code(),
                message: not_a_reference.to_string(),
            })
        }
        Err(_) => Err(Unknown {
            code: "unknown-id",
            message: "this is no StreamID, CommitID, CID or DID".to_owned(),
        }),
    }
}

/// The explanation as one JSON object.
pub fn to_json(explanation: &Explanation) -> Value {
    Value::Object(
        explanation
            .iter()
            .map(|(label, value)| ((*label).to_owned(), value.clone()))
            .collect::<Map<_, _>>(),
    )
}

fn of_stream(stream: &StreamId) -> Explanation {
    let mut lines = vec![
        ("kind", "StreamID".into()),
        ("means", "a document, at its newest version".into()),
    ];
    lines.extend(document(stream));
    lines
}

fn of_commit(commit: &CommitId) -> Explanation {
    let init = commit.commit() == commit.stream_id().init();
    let means = if init {
        "a document as its init event made it"
    } else {
        "a document at one version"
    };
    let mut lines = vec![
        ("kind", "CommitID".into()),
        ("means", means.into()),
        ("id", commit.to_string().into()),
    ];
    lines.extend([
        ("event", commit.commit().to_string().into()),
        ("url", commit.url().into()),
    ]);
    lines.extend(
        document(commit.stream_id())
            .into_iter()
            .map(|(label, value)| match label {
                "id" => ("stream", value),
                "url" => ("streamUrl", value),
                other => (other, value),
            }),
    );
    lines
}

fn document(stream: &StreamId) -> Explanation {
    let kind = stream.stream_type();
    let name = kind
        .name()
        .map_or_else(|| format!("unknown type {}", kind.code()), str::to_owned);
    vec![
        ("id", stream.to_string().into()),
        ("url", stream.url().into()),
        ("type", name.into()),
        ("typeCode", kind.code().into()),
        ("init", stream.init().to_string().into()),
        ("initIs", codec_means(stream.init().codec()).into()),
    ]
}

fn of_cid(cid: &Cid) -> Explanation {
    let digest = HEXLOWER.encode(cid.hash().digest());
    let mut lines = vec![
        ("kind", "CID".into()),
        ("means", codec_means(cid.codec()).into()),
        ("id", cid.to_string().into()),
        ("version", u64::from(cid.version()).into()),
        ("codec", codec_name(cid.codec()).into()),
        ("hash", hash_name(cid.hash().code()).into()),
        ("digest", digest.clone().into()),
    ];
    if cid.codec() == 0x93 {
        lines.push(("transaction", format!("0x{digest}").into()));
    }
    lines
}

fn of_did(document: &did::DidDocument) -> Explanation {
    let keys: Vec<Value> = document
        .methods
        .iter()
        .map(|method| key_name(&method.key).into())
        .collect();
    vec![
        ("kind", "DID".into()),
        ("means", "a controller: who may write a document".into()),
        ("id", document.did.as_str().into()),
        ("method", document.did.method().into()),
        ("keys", keys.into()),
        ("document", document.to_json()),
    ]
}

fn key_name(key: &PublicKey) -> String {
    match key {
        PublicKey::Ed25519(_) => "Ed25519, signs with EdDSA".to_owned(),
        PublicKey::Secp256k1(_) => "secp256k1, signs with ES256K".to_owned(),
        PublicKey::P256(_) => "P-256, signs with ES256".to_owned(),
        PublicKey::P384(_) => "P-384, signs no events".to_owned(),
        PublicKey::P521(_) => "P-521, signs no events".to_owned(),
        PublicKey::Account { account, .. } => format!("the account {account}, signs capabilities"),
    }
}

fn codec_name(code: u64) -> String {
    match code {
        0x55 => "raw".to_owned(),
        0x70 => "dag-pb".to_owned(),
        0x71 => "dag-cbor".to_owned(),
        0x85 => "dag-jose".to_owned(),
        0x93 => "eth-tx".to_owned(),
        other => format!("0x{other:x}"),
    }
}

fn codec_means(code: u64) -> &'static str {
    match code {
        0x71 => "an unsigned event, a payload, a proof or a witness",
        0x85 => "a signed event",
        0x93 => "an anchor transaction of an Ethereum chain",
        _ => "nothing that an event is made of",
    }
}

fn hash_name(code: u64) -> String {
    match code {
        0x00 => "identity".to_owned(),
        0x12 => "sha2-256".to_owned(),
        0x1b => "keccak-256".to_owned(),
        other => format!("0x{other:x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "kjzl6cwe1jw147dvq16zluojmraqvwdmbh61dx9e0c59i344lcrsgqfohexp60s";
    const INIT: &str = "bagcqcerakszw2vsovxznyp5gfnpdj4cqm2xiv76yd24wkjewhhykovorwo6a";
    const COMMIT: &str = "k1dpgaqe3i64kjqcp801r3sn7ysi5i0k7nxvs7j351s7kewfzr3l7mdxnj7szwo4kr9mn2qki5nnj0cv836ythy1t1gya9s25cn1nexst3jxi5o3h6qprfyju";

    fn explained(text: &str) -> Value {
        to_json(&explain(text).unwrap())
    }

    #[test]
    fn every_way_to_write_a_document_explains_the_same() {
        let expected = explained(STREAM);
        assert_eq!(expected["type"], "tile");
        assert_eq!(expected["init"], INIT);
        for text in [
            format!("ceramic://{STREAM}"),
            format!("/ceramic/{STREAM}"),
            format!(" {STREAM}\n"),
        ] {
            assert_eq!(explained(&text), expected);
        }
    }

    #[test]
    fn a_version_names_its_event_and_its_document() {
        let version = explained(COMMIT);
        assert_eq!(version["kind"], "CommitID");
        assert_eq!(
            version["event"],
            "bagjqcgzaday6dzalvmy5ady2m5a5legq5zrbsnlxfc2bfxej532ds7htpova"
        );
        assert_eq!(version["stream"], STREAM);
    }

    #[test]
    fn a_cid_says_what_it_is_the_hash_of() {
        assert_eq!(explained(INIT)["codec"], "dag-jose");
        let transaction =
            explained("bagjqcgzaday6dzalvmy5ady2m5a5legq5zrbsnlxfc2bfxej532ds7htpova");
        assert_eq!(transaction["hash"], "keccak-256");
        assert!(
            transaction["transaction"]
                .as_str()
                .unwrap()
                .starts_with("0x1831e1e4")
        );
    }

    #[test]
    fn a_did_comes_with_its_document() {
        let did = explained("did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z#anything");
        assert_eq!(
            did["id"],
            "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z"
        );
        assert_eq!(did["document"]["id"], did["id"]);
        assert_eq!(explain("did:foo:bar").unwrap_err().code, "did-method");
    }

    #[test]
    fn a_text_that_names_nothing_is_said_to_name_nothing() {
        assert_eq!(explain("hello").unwrap_err().code, "unknown-id");
        assert_ne!(explain("kjzl6cwe1jw147").unwrap_err().code, "unknown-id");
    }
}
