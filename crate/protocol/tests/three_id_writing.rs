//! 3IDs of one's own: keys, rotations and keychains, against what 3id-did-provider makes and by our own verifier.

mod common;

use common::three_id::Place;
use common::world::Told;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ostrakon_protocol::author::three_id::{
    self, Fresh, KeySet, Keychain, Keyring, MAX_WALLETS, ThreeIdWriteError, Wallet,
};
use ostrakon_protocol::author::{Change, Edit, New};
use ostrakon_protocol::did::from_wallet::Seed;
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::event::{Map, Signature};
use ostrakon_protocol::jose::Ed25519Signer;
use ostrakon_protocol::{Block, Cid, Document, Ipld, Refusal, StreamId, StreamType, World, json};
use serde_json::{Value, json};

const NOW: u64 = 1_000_000;
const WORLD: World = World::new(NOW, &Told);

fn seed(text: &Value) -> Seed {
    let bytes = HEXLOWER.decode(text.as_str().unwrap().as_bytes()).unwrap();
    Seed::new(&bytes.try_into().unwrap())
}

fn keys(number: u8) -> KeySet {
    KeySet::of_seed(Seed::new(&[number; 32])).unwrap()
}

/// Random enough for a test: no two bytes in a row are the same.
fn fresh(keychain: &Keychain, salt: u8) -> Fresh {
    let bytes = (0..keychain.random_for_a_change()).map(|n| (n % 251) as u8 ^ salt);
    Fresh::new(bytes.collect())
}

fn wallet(number: u8) -> Wallet {
    Wallet {
        did: Ed25519Signer::from_seed(&[number; 32]).did().to_owned(),
        name: format!("eip155:1:0x{number:040x}"),
    }
}

fn code<T>(result: Result<T, ThreeIdWriteError>) -> &'static str {
    result.err().unwrap().code()
}

fn ipld(json: &Value) -> Ipld {
    json::from_json(json).unwrap()
}

#[test]
fn a_seed_makes_the_keys_and_the_document_that_3id_did_provider_makes() {
    let file = common::file("three-id-keys.json");
    let keys = KeySet::of_seed(seed(&file["seedHex"])).unwrap();
    let genesis = &file["genesis"];
    assert_eq!(
        json!([keys.management()]),
        genesis["metadata"]["controllers"]
    );
    assert_eq!(
        json::to_json(&keys.public_keys()),
        genesis["content"]["publicKeys"]
    );

    let (stream, blocks) = keys.create([1; 12]).unwrap();
    let place = place(blocks);
    let document = hear(&place, &stream, stream.init()).0;
    let state = document.state().to_json();
    assert_eq!(state["content"], genesis["content"]);
    assert_eq!(state["metadata"]["family"], genesis["metadata"]["family"]);
    assert_eq!(document.state().controller(), Some(keys.management()));
}

#[test]
fn a_3id_and_what_it_signs_are_byte_for_byte_what_3id_did_provider_makes() {
    let file = common::file("three-id-keys.json");
    let signed = &file["signed"];
    let keyring = Keyring::new(KeySet::of_seed(seed(&file["seedHex"])).unwrap());
    let unique = common::base64(&signed["unique"]).try_into().unwrap();
    let (stream, blocks) = keyring.latest().create(unique).unwrap();
    assert_eq!(format!("did:3:{stream}"), file["did"].as_str().unwrap());
    let cids: Vec<_> = blocks.iter().map(|block| block.cid().to_string()).collect();
    assert_eq!(json!(cids), json!([signed["payload"], signed["init"]]));

    let place = place(blocks);
    let document = hear(&place, &stream, stream.init()).0;
    let signer = keyring.signer(&document).unwrap();
    assert_eq!(signer.did(), file["did"].as_str().unwrap());
    let signature = signer.sign(&cids[0].parse().unwrap());
    let ours = json!({
        "protected": BASE64URL_NOPAD.encode(&signature.protected),
        "signature": BASE64URL_NOPAD.encode(&signature.signature),
    });
    assert_eq!(ours, signed["asId"]["signatures"][0]);
}

#[test]
fn keychains_that_3id_did_provider_wrote_are_opened_by_their_wallets_alone() {
    let file = common::file("three-id-keys.json");
    let wallets = file["wallets"].as_array().unwrap();
    for case in file["cases"].as_array().unwrap() {
        let keychain = Keychain::read(&ipld(&case["content"])).unwrap();
        for wallet in wallets {
            let opened = keychain.open(&seed(&wallet["secretHex"]));
            if !case["wallets"].as_array().unwrap().contains(&wallet["did"]) {
                assert_eq!(code(opened), "keychain-unknown-wallet");
                continue;
            }
            let keyring = opened.unwrap();
            let expected = KeySet::of_seed(seed(&case["latest"])).unwrap();
            assert_eq!(keyring.latest().public_keys(), expected.public_keys());
            assert_eq!(
                json::to_json(&keyring.latest().public_keys()),
                case["state"]["content"]["publicKeys"]
            );
            assert_eq!(keyring.rotations(), case["past"].as_array().unwrap().len());
            let names = keychain.wallets(&keyring).unwrap();
            let known = names.iter().any(|known| {
                wallet["did"] == known.did.as_str() && wallet["name"] == known.name.as_str()
            });
            assert!(known);
        }
        // Written again it is the same.
        assert_eq!(json::to_json(&keychain.content().unwrap()), case["content"]);
    }
}

fn named(blocks: Vec<Block>) -> std::collections::BTreeMap<Cid, Block> {
    blocks
        .into_iter()
        .map(|block| (*block.cid(), block))
        .collect()
}

fn place(blocks: Vec<Block>) -> Place {
    let mut place = Place::default();
    place.blocks.extend(named(blocks));
    place
}

/// Whatever the blocks say of the 3ID is known.
fn hear(place: &Place, stream: &StreamId, tip: &Cid) -> (Document, Vec<Refusal>) {
    hear_all(stream, &[*tip], &place.blocks, &WORLD).unwrap()
}

/// A 3ID, its blocks and its newest event.
struct Own {
    place: Place,
    stream: StreamId,
    tip: Cid,
}

impl Own {
    fn new(keys: &KeySet) -> Self {
        let (stream, blocks) = keys.create([7; 12]).unwrap();
        let place = place(blocks);
        Self {
            place,
            stream,
            tip: *stream.init(),
        }
    }

    fn did(&self) -> String {
        format!("did:3:{}", self.stream)
    }

    fn add(&mut self, blocks: Vec<Block>) -> Cid {
        let tip = *blocks.last().unwrap().cid();
        self.place.blocks.extend(named(blocks));
        tip
    }

    fn document(&self) -> Document {
        let (document, refusals) = hear(&self.place, &self.stream, &self.tip);
        assert_eq!(refusals, []);
        document
    }

    fn rotate(&mut self, old: &KeySet, new: &KeySet) {
        let blocks = old.rotate(&self.document(), new).unwrap();
        self.tip = self.add(blocks);
    }

    fn anchor(&mut self, says: u8) {
        let mut tile = common::three_id::Tile {
            stream: self.stream,
            tip: self.tip,
        };
        self.tip = self.place.anchor(&mut tile, says);
    }

    /// A tile that the 3ID controls: its id, and a change signed by who is in force according to the keyring.
    fn write(&mut self, keyring: &Keyring, family: &str, content: Ipld) -> (StreamId, Cid) {
        let three_id = self.document();
        let signer = keyring.signer(&three_id).unwrap();
        let (kind, init) = New::Tile(three_id::tile_of(family))
            .init(signer.did(), [0; 12])
            .unwrap();
        assert_eq!(kind, StreamType::TILE);
        let stream = StreamId::new(kind, *init.payload().cid());
        self.add(init.unsigned());
        let document = self.judge(&stream, stream.init()).0;
        let edit = Edit {
            change: Change::Content(content.into()),
            header: Map::new(),
        };
        let event = edit.after(&document).unwrap();
        let signature: Signature = signer.sign(event.payload().cid());
        let tip = self.add(event.signed_by(signature).unwrap());
        (stream, tip)
    }

    /// What our verifier says of a tile of the 3ID.
    fn judge(&self, stream: &StreamId, tip: &Cid) -> (Document, Vec<&'static str>) {
        let (document, refusals) = hear(&self.place, stream, tip);
        (document, refusals.iter().map(Refusal::code).collect())
    }
}

#[test]
fn a_new_3id_writes_its_keychain_at_once_and_our_verifier_accepts_all_of_it() {
    let keyring = Keyring::new(keys(1));
    let mut own = Own::new(keyring.latest());
    let mut keychain = Keychain::default();
    let fresh_bytes = fresh(&keychain, 3);
    keychain
        .add(&keyring, &own.did(), &wallet(9), fresh_bytes)
        .unwrap();
    let content = keychain.content().unwrap();
    let (stream, tip) = own.write(&keyring, three_id::KEYCHAIN_FAMILY, content);
    let (document, refusals) = own.judge(&stream, &tip);
    assert_eq!((document.tip(), refusals), (&tip, vec![]));
    let read = Keychain::read(document.state().content().unwrap()).unwrap();
    let opened = read.open(&Seed::new(&[9; 32])).unwrap();
    assert_eq!(
        opened.latest().public_keys(),
        keyring.latest().public_keys()
    );
    assert_eq!(read.wallets(&opened).unwrap(), [wallet(9)]);

    let index = three_id::index_content(None, &stream);
    let (stream, tip) = own.write(&keyring, three_id::INDEX_FAMILY, index);
    assert_eq!(own.judge(&stream, &tip).1, Vec::<&str>::new());
}

#[test]
fn after_a_rotation_the_old_keys_write_until_its_anchor_and_the_new_ones_after_it() {
    let mut keyring = Keyring::new(keys(1));
    let mut own = Own::new(keyring.latest());
    own.anchor(10);
    let mut keychain = Keychain::default();
    for (number, salt) in [(9, 3), (10, 4)] {
        let fresh = fresh(&keychain, salt);
        keychain
            .add(&keyring, &own.did(), &wallet(number), fresh)
            .unwrap();
    }
    let before = own.document();
    let (next, bytes) = (keys(2), fresh(&keychain, 5));
    own.rotate(keyring.latest(), &next);
    let removed = wallet(10).did;
    keychain
        .rotate(&mut keyring, &before, next, &[&removed], bytes)
        .unwrap();

    // Not anchored yet.
    let pending = keyring.signer(&own.document()).unwrap().kid().to_owned();
    assert_eq!(
        Keyring::new(keys(1)).signer(&own.document()).unwrap().kid(),
        pending
    );
    assert_eq!(
        code(Keyring::new(keys(2)).signer(&own.document()).map(|_| ())),
        "three-id-not-in-force"
    );
    let (stream, tip) = own.write(&keyring, "early", ipld(&json!({ "n": 1 })));
    assert_eq!(own.judge(&stream, &tip).1, Vec::<&str>::new());

    own.anchor(100);
    let now = keyring.signer(&own.document()).unwrap().kid().to_owned();
    assert_ne!(now, pending);
    assert!(now.contains(&format!("?version-id={}#", own.tip)));
    assert_eq!(own.judge(&stream, &tip).1, ["three-id-revoked"]);
    let (stream, tip) = own.write(&keyring, "late", ipld(&json!({ "n": 2 })));
    assert_eq!(own.judge(&stream, &tip).1, Vec::<&str>::new());
    // The old manager has no say any more.
    assert_eq!(
        code(keys(1).rotate(&own.document(), &keys(3))),
        "three-id-not-controller"
    );
    own.rotate(&keys(2), &keys(3));
    assert_eq!(own.document().state().content().unwrap(), &{
        let mut content = Map::new();
        content.insert("publicKeys".to_owned(), keys(3).public_keys());
        Ipld::Map(content)
    });

    // The removed wallet has the old seed and no entry; the other one opens all of it.
    assert_eq!(
        code(keychain.open(&Seed::new(&[10; 32]))),
        "keychain-unknown-wallet"
    );
    let read = Keychain::read(&keychain.content().unwrap()).unwrap();
    let opened = read.open(&Seed::new(&[9; 32])).unwrap();
    assert_eq!(opened.rotations(), 1);
    assert_eq!(opened.latest().public_keys(), keys(2).public_keys());
    assert_eq!(opened.decryption_keys().len(), 2);
    assert_eq!(read.wallets(&opened).unwrap(), [wallet(9)]);
}

#[test]
fn a_rotation_that_stopped_half_way_is_finished_from_any_wallet_and_its_keychain_stays() {
    for in_time in [true, false] {
        let mut keyring = Keyring::new(keys(1));
        let mut own = Own::new(keyring.latest());
        own.anchor(10);
        let mut keychain = Keychain::default();
        for (number, salt) in [(9, 3), (10, 4)] {
            let fresh = fresh(&keychain, salt);
            let wallet = wallet(number);
            keychain.add(&keyring, &own.did(), &wallet, fresh).unwrap();
        }
        let (three_id, bytes) = (own.document(), fresh(&keychain, 5));
        let removed = wallet(10).did;
        keychain
            .rotate(&mut keyring, &three_id, keys(2), &[&removed], bytes)
            .unwrap();
        let content = keychain.content().unwrap();
        let (stream, mut tip) = own.write(&keyring, three_id::KEYCHAIN_FAMILY, content);
        assert!(!three_id::is_anchored(&own.judge(&stream, &tip).0));
        if in_time {
            tip = own
                .place
                .anchor(&mut common::three_id::Tile { stream, tip }, 50);
        }
        drop(keyring);

        // On another device.
        let (document, refusals) = own.judge(&stream, &tip);
        assert_eq!(
            (three_id::is_anchored(&document), refusals),
            (in_time, vec![])
        );
        let found = Keychain::read(document.state().content().unwrap()).unwrap();
        let opened = found.open(&Seed::new(&[9; 32])).unwrap();
        let event = opened.catch_up(&own.document()).unwrap().unwrap();
        own.tip = own.add(event);
        assert_eq!(opened.catch_up(&own.document()), Ok(None));
        assert_eq!(
            code(Keyring::new(keys(1)).catch_up(&own.document())),
            "three-id-not-controller"
        );
        own.anchor(100);

        let (document, refusals) = own.judge(&stream, &tip);
        match in_time {
            true => {
                assert_eq!(refusals, Vec::<&str>::new());
                assert_eq!(document.tip(), &tip);
            }
            // Why the anchor is waited for.
            false => assert_eq!(refusals, ["three-id-revoked"]),
        }
        let (stream, tip) = own.write(&opened, "notes", ipld(&json!({ "n": 1 })));
        assert_eq!(own.judge(&stream, &tip).1, Vec::<&str>::new());
    }
}

#[test]
fn many_rotations_open_back_to_the_first_seed() {
    let mut keyring = Keyring::new(keys(1));
    let mut own = Own::new(keyring.latest());
    let mut keychain = Keychain::default();
    let bytes = fresh(&keychain, 3);
    keychain
        .add(&keyring, &own.did(), &wallet(9), bytes)
        .unwrap();
    for number in 2..12 {
        own.anchor(number * 10);
        let before = own.document();
        let bytes = fresh(&keychain, number);
        own.rotate(keyring.latest(), &keys(number));
        keychain
            .rotate(&mut keyring, &before, keys(number), &[], bytes)
            .unwrap();
    }
    let opened = keychain.open(&Seed::new(&[9; 32])).unwrap();
    let secrets = |keyring: &Keyring| -> Vec<_> {
        keyring
            .decryption_keys()
            .iter()
            .map(|key| key.public())
            .collect()
    };
    assert_eq!(secrets(&opened).len(), 11);
    assert_eq!(secrets(&opened), secrets(&keyring));
    assert_eq!(
        secrets(&opened).last(),
        Some(&keys(1).decryption_key().public())
    );
}

#[test]
fn what_would_lock_everybody_out_or_says_nothing_is_refused_and_changes_nothing() {
    let mut keyring = Keyring::new(keys(1));
    let own = Own::new(keyring.latest());
    let did = own.did();
    let document = own.document();
    let mut keychain = Keychain::default();
    let bytes = fresh(&keychain, 1);
    keychain.add(&keyring, &did, &wallet(9), bytes).unwrap();
    let before = keychain.content().unwrap();

    let again = keychain.add(&keyring, &did, &wallet(9), Fresh::new(vec![0; 1_000]));
    assert_eq!(code(again), "keychain-known-wallet");
    let stranger = Wallet {
        did: "did:key:z6Mk".to_owned(),
        name: String::new(),
    };
    let bytes = fresh(&keychain, 2);
    assert!(keychain.add(&keyring, &did, &stranger, bytes).is_err());
    let poor = keychain.add(&keyring, &did, &wallet(10), Fresh::new(vec![0; 100]));
    assert_eq!(code(poor), "jwe-randomness");
    let last = wallet(9).did;
    let bytes = fresh(&keychain, 3);
    let empty = keychain.rotate(&mut keyring, &document, keys(2), &[&last], bytes);
    assert_eq!(code(empty), "keychain-last-wallet");
    let bytes = fresh(&keychain, 4);
    let unknown = keychain.rotate(&mut keyring, &document, keys(2), &["did:key:x"], bytes);
    assert_eq!(code(unknown), "keychain-unknown-wallet");
    let poor = keychain.rotate(
        &mut keyring,
        &document,
        keys(2),
        &[],
        Fresh::new(vec![0; 300]),
    );
    assert_eq!(code(poor), "jwe-randomness");
    assert_eq!(keychain.content().unwrap(), before);
    assert_eq!(
        (keyring.rotations(), keyring.latest().signing()),
        (0, keys(1).signing())
    );
}

#[test]
fn a_keychain_that_is_none_is_refused() {
    let file = common::file("three-id-keys.json");
    let good = &file["cases"][1]["content"];
    let secret = seed(&file["wallets"][0]["secretHex"]);
    let did = file["wallets"][0]["did"].as_str().unwrap();
    let read = |change: &dyn Fn(&mut Value)| {
        let mut content = good.clone();
        change(&mut content);
        Keychain::read(&ipld(&content)).and_then(|keychain| keychain.open(&secret))
    };
    assert!(read(&|_| ()).is_ok());
    for change in [
        &|content: &mut Value| *content = json!([]),
        &|content: &mut Value| content["authMap"] = json!(7),
        &|content: &mut Value| content["pastSeeds"] = json!({}),
        &|content: &mut Value| content["authMap"]["did:key:x"] = json!(1),
        &|content: &mut Value| content["authMap"]["did:key:x"] = json!({ "data": {} }),
    ] as [&dyn Fn(&mut Value); 5]
    {
        assert_eq!(code(read(change)), "keychain-malformed");
    }
    let swapped = read(&|content| {
        let id = content["authMap"][did]["id"].clone();
        content["authMap"][did]["data"] = id;
    });
    assert!(swapped.is_err());
    let forged = read(&|content| content["pastSeeds"][0]["ciphertext"] = json!("AAAA"));
    assert!(forged.is_err());
    let many: serde_json::Map<_, _> = (0..=MAX_WALLETS)
        .map(|n| (n.to_string(), json!(1)))
        .collect();
    assert_eq!(
        code(read(
            &|content| content["authMap"] = Value::Object(many.clone())
        )),
        "keychain-too-many"
    );
}

#[test]
fn a_document_that_is_no_3id_is_not_rotated() {
    let mut own = Own::new(&keys(1));
    let keyring = Keyring::new(keys(1));
    let (stream, tip) = own.write(&keyring, "notes", ipld(&json!({ "n": 1 })));
    let (document, _) = own.judge(&stream, &tip);
    assert_eq!(
        code(keys(1).rotate(&document, &keys(2))),
        "three-id-other-document"
    );
}
