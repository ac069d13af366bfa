//! Proofs that an account wants a link, case by case against what js makes of them.

use std::collections::BTreeMap;

use ostrakon_protocol::account::{Proof, ProofError};
use ostrakon_protocol::{Ipld, json};
use serde_json::Value;

/// Proofs that are refused where js takes them, and those that are unverified, by the code and the reason.
const STRICTER: [(&str, &str, &str); 6] = [
    (
        "polkadot-sr25519/",
        "proof-unverified-scheme",
        "its crate needs an older curve25519-dalek",
    ),
    (
        "fil-f3/",
        "proof-unverified-scheme",
        "BLS is a curve that nothing else here needs",
    ),
    (
        "near/s beyond the order",
        "proof-signature",
        "a signature has one form",
    ),
    (
        "cosmos/key of another",
        "proof-signature",
        "js does not ask whose key signed",
    ),
    (
        "cosmos/no address",
        "proof-signature",
        "js does not ask whose key signed",
    ),
    (
        "cosmos/url alphabet inside",
        "proof-signature",
        "Node reads any base64, a browser does not",
    ),
];

fn verdict(proof: &Ipld) -> Result<(String, Option<String>), ProofError> {
    let proof = Proof::read(proof)?;
    let account = proof.verify()?;
    Ok((account, proof.did().map(str::to_owned)))
}

fn recorded() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("caip10-proofs.json")).unwrap();
    file["cases"].as_array().unwrap().clone()
}

#[test]
fn every_proof_is_judged_as_js_judges_it() {
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut stricter: BTreeMap<&str, usize> = BTreeMap::new();
    let mut others = 0;
    let cases = recorded();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let got = verdict(&json::from_json(&case["proof"]).unwrap());
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        let expected = (case["accept"] == true).then(|| (text("account").unwrap(), text("did")));
        let kind = name.split('/').next().unwrap().to_owned();
        counts.entry(kind).or_default()[usize::from(expected.is_none())] += 1;
        let code = got.as_ref().err().map(ProofError::code);
        if case["note"] == "needs a third party" {
            assert_eq!(code, Some("proof-needs-third-party"), "{name}");
            others += 1;
        }
        if got.as_ref().ok() == expected.as_ref() {
            continue;
        }
        let known = STRICTER
            .iter()
            .find(|(part, known, _)| name.contains(part) && code == Some(known));
        match known {
            Some((part, ..)) => *stricter.entry(part).or_default() += 1,
            None => wrong.push(format!("{name}: {got:?}, but js: {expected:?}")),
        }
    }
    for (kind, [accepted, refused]) in &counts {
        println!("{kind}: js takes {accepted} and refuses {refused}");
    }
    for (part, _, reason) in STRICTER {
        println!(
            "stricter: {part} ({}): {reason}",
            stricter.get(part).unwrap_or(&0)
        );
    }
    println!("{others} need a third party, and are refused for that");
    println!("{} proofs, {} disagreements", cases.len(), wrong.len());
    assert!(cases.len() >= 590 && others >= 4);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
