//! Documents written by `did:3`, against what the npm packages make of them, and rule by rule.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::case::{cases, compare};
use common::three_id::{Key, Place, Tile};
use common::world::{ABSENT, Told, UNASKED};
use ostrakon_protocol::anchor::{Proof, Unasked};
use ostrakon_protocol::document::hear_all;
use ostrakon_protocol::{AnchorAnswer, Anchors, Cid, Document, Library, Refusal, World};
use serde_json::json;

const NOW: u64 = 1_000_000;
const WORLD: World = World::new(NOW, &Told);
/// The chain of [`Told`] knows times up to 255, so a day after any of them is never over.
const BEGUN: u8 = 10;
const ROTATED: u8 = 100;

#[test]
fn documents_written_by_a_3id_are_what_js_makes_of_them() {
    compare("three-id.json", |case| {
        (case.name == AGREEMENT).then_some("its key is not for signatures")
    });
}

const AGREEMENT: &str = "alg-EdDSA-agreement";

/// A deviation: js tries every key with every algorithm, also one whose prefix says that it is for agreement.
#[test]
fn a_key_for_agreement_signs_nothing() {
    let cases = cases("three-id.json");
    let case = cases.iter().find(|case| case.name == AGREEMENT).unwrap();
    assert_eq!(case.expected["strict"][0]["accept"], true);
    assert_eq!(case.refusals(), ["jws-signature"; 2]);
}

/// A 3ID of two versions, which are its first key and its second; and a tile of its, without content.
struct Rotated {
    place: Place,
    manager: Key,
    old: Key,
    new: Key,
    three_id: Tile,
    /// Before the second version was written.
    before: Tile,
    first: Cid,
    second: Cid,
    tile: Tile,
}

fn rotated(says: u8) -> Rotated {
    let mut place = Place::default();
    let (manager, old, new) = (Key::new(1), Key::new(2), Key::new(3));
    let mut three_id = place.three_id(&manager);
    place.keys(&mut three_id, &manager, &[&old]);
    let first = place.anchor(&mut three_id, BEGUN);
    let before = three_id;
    place.keys(&mut three_id, &manager, &[&new]);
    let second = place.anchor(&mut three_id, says);
    let tile = place.tile(&three_id.did(), "notes");
    Rotated {
        place,
        manager,
        old,
        new,
        three_id,
        before,
        first,
        second,
        tile,
    }
}

impl Rotated {
    fn by_old(&mut self, number: u64) -> Cid {
        let kid = self.three_id.at(&self.first);
        self.place.write(&mut self.tile, number, &self.old, &kid)
    }

    fn by_new(&mut self, number: u64) -> Cid {
        let kid = self.three_id.at(&self.second);
        self.place.write(&mut self.tile, number, &self.new, &kid)
    }

    fn anchor(&mut self, says: u8) -> Cid {
        self.place.anchor(&mut self.tile, says)
    }

    fn hear(&self) -> (Document, Vec<Refusal>) {
        hear(&self.place, &self.tile)
    }

    /// A library that knows the 3ID up to one of its events.
    fn library(&self, three_id: &Tile) -> Library {
        let mut library = Library::new();
        let chain = self.place.walk(&three_id.stream, &three_id.tip, None);
        let document = Document::verify_whole(chain, &WORLD).unwrap();
        library.admit(Arc::new(document), true);
        library
    }

    /// The tile as it is when the second version is not known yet.
    fn early(&self) -> Document {
        let library = self.library(&self.before);
        let chain = self.place.walk(&self.tile.stream, &self.tile.tip, None);
        Document::verify_whole(chain, &with(&library)).unwrap()
    }
}

fn with(library: &Library) -> World<'_> {
    World { library, ..WORLD }
}

fn hear(place: &Place, tile: &Tile) -> (Document, Vec<Refusal>) {
    hear_all(&tile.stream, &[tile.tip], &place.blocks, &WORLD).unwrap()
}

fn codes(refusals: &[Refusal]) -> Vec<&'static str> {
    refusals.iter().map(Refusal::code).collect()
}

#[test]
fn what_a_replaced_key_signed_waits_for_an_anchor_and_what_came_before_stays() {
    let mut all = rotated(ROTATED);
    all.by_old(1);
    let anchored = all.anchor(50);
    all.by_old(2);
    let (document, refusals) = all.hear();
    assert_eq!(document.tip(), &anchored);
    assert_eq!(codes(&refusals), ["three-id-revoked"]);

    // An anchor less than a day after the new version shows that it was written in time.
    let late = all.anchor(200);
    let (document, refusals) = all.hear();
    assert_eq!(document.tip(), &late);
    assert_eq!(refusals, []);
    assert_eq!(document.three_ids(), [all.three_id.stream].into());
}

#[test]
fn a_newer_version_that_arrives_later_ends_what_no_anchor_shows_to_be_older() {
    let mut all = rotated(ROTATED);
    all.by_old(1);
    let anchored = all.anchor(50);
    let tail = all.by_old(2);
    let mut document = all.early();
    assert_eq!(document.tip(), &tail);

    let library = all.library(&all.three_id);
    let heard = document.recheck(&with(&library));
    assert!(heard.changed);
    assert_eq!(heard.refused.unwrap().code(), "three-id-revoked");
    assert_eq!(document.tips(), [anchored]);
    assert!(!document.recheck(&with(&library)).changed);
}

#[test]
fn whoever_hears_more_of_a_document_notices_the_newer_version_as_well() {
    let mut all = rotated(ROTATED);
    let old = all.by_old(1);
    let mut document = all.early();
    assert_eq!(document.tip(), &old);

    let library = all.library(&all.three_id);
    all.tile.tip = *all.tile.stream.init();
    let new = all.by_new(2);
    let chain = all.place.walk(&all.tile.stream, &new, Some(&document));
    assert!(document.hear(chain, &with(&library)).changed);
    assert_eq!(document.tips(), [new]);
}

#[test]
fn an_anchor_that_came_before_the_newer_version_was_known_is_judged_again() {
    // Anchored before the version began: valid as long as that is not known.
    let mut place = Place::default();
    let (manager, key) = (Key::new(1), Key::new(2));
    let names = json!({ "publicKeys": [key.text()] });
    let mut three_id = place.signed(&manager.did(), &names, &manager, &manager.did());
    let early = three_id;
    place.anchor(&mut three_id, BEGUN);
    let mut tile = place.tile(&three_id.did(), "notes");
    place.write(&mut tile, 1, &key, &early.at(early.stream.init()));
    place.anchor(&mut tile, BEGUN - 5);
    let library = |tip: &Cid| {
        let mut library = Library::new();
        let document = Document::verify_whole(place.walk(&early.stream, tip, None), &WORLD);
        library.admit(Arc::new(document.unwrap()), true);
        library
    };
    let chain = place.walk(&tile.stream, &tile.tip, None);
    let mut document = Document::verify_whole(chain, &with(&library(&early.tip))).unwrap();
    let heard = document.recheck(&with(&library(&three_id.tip)));
    assert_eq!(heard.refused.unwrap().code(), "three-id-before-creation");
    assert!(!document.contains(&tile.tip));
}

#[test]
fn nothing_is_dropped_because_a_3id_is_not_known_any_more() {
    let mut all = rotated(ROTATED);
    let tail = all.by_old(1);
    let mut document = all.early();
    assert!(!document.recheck(&WORLD).changed);
    assert_eq!(document.tip(), &tail);
}

#[test]
fn an_init_event_whose_key_was_replaced_stays_alone() {
    let mut all = rotated(ROTATED);
    let kid = all.three_id.at(&all.first);
    let did = all.three_id.did();
    all.tile = all.place.signed(&did, &json!({ "n": 0 }), &all.old, &kid);
    let init = all.tile.tip;
    all.by_old(1);
    let mut document = all.early();
    let library = all.library(&all.three_id);
    let heard = document.recheck(&with(&library));
    assert_eq!(heard.refused.unwrap().code(), "three-id-revoked");
    assert_eq!(document.tips(), [init]);
    assert_eq!(document.log().len(), 1);
}

#[test]
fn a_rotation_that_is_only_claimed_gives_no_time_and_is_asked_about() {
    let mut all = rotated(UNASKED);
    let by_old = all.by_old(1);
    let (document, refusals) = all.hear();
    assert_eq!(document.tip(), all.tile.stream.init());
    assert_eq!(codes(&refusals), ["needs-transaction"]);

    // Nor does it end what was held.
    let mut document = all.early();
    let library = all.library(&all.three_id);
    let heard = document.recheck(&with(&library));
    assert_eq!(heard.refused.unwrap().code(), "needs-transaction");
    assert_eq!(document.tip(), &by_old);
}

#[test]
fn what_an_anchor_may_still_show_to_be_in_time_sleeps_and_holds_up_nothing_else() {
    let mut all = rotated(ROTATED);
    let init = all.tile.tip;
    let hopeful = all.by_old(1);
    all.anchor(UNASKED);
    let mut document = all.early();
    all.tile.tip = init;
    let hopeless = all.by_old(2);
    let early = all.library(&all.before);
    let chain = all.place.walk(&all.tile.stream, &hopeless, Some(&document));
    assert_eq!(document.hear(chain, &with(&early)).refused, None);

    let library = all.library(&all.three_id);
    document.recheck(&with(&library));
    assert_eq!(document.tip(), &init);
    assert!(document.contains(&hopeful) && !document.contains(&hopeless));
}

#[test]
fn an_anchor_that_was_passed_over_counts_once_the_chain_has_it() {
    /// Before it was asked.
    struct Silent;
    impl Anchors for Silent {
        fn answer(&self, proof: &Proof) -> AnchorAnswer {
            match proof.tx_hash.hash().digest()[0] {
                ROTATED.. => AnchorAnswer::Unasked,
                _ => Told.answer(proof),
            }
        }
    }
    let mut all = rotated(ROTATED);
    let by_old = all.by_old(1);
    let mut three_id = all.before;
    all.place.anchor(&mut three_id, ROTATED);
    let walk = |tile: &Tile| all.place.walk(&tile.stream, &tile.tip, None);
    let silent = World::new(NOW, &Silent);
    let mut keys = Document::verify_whole(walk(&three_id), &silent).unwrap();
    let mut library = Library::new();
    library.admit(Arc::new(keys.clone()), true);
    let mut document = Document::verify_whole(walk(&all.tile), &with(&library)).unwrap();
    assert_eq!(document.tip(), &by_old);

    assert!(keys.recheck(&WORLD).changed);
    library.admit(Arc::new(keys), true);
    let heard = document.recheck(&with(&library));
    assert_eq!(heard.refused.unwrap().code(), "three-id-revoked");
}

#[test]
fn an_anchor_that_anchors_nothing_new_holds_up_nobody_while_it_is_only_claimed() {
    let mut all = rotated(ROTATED);
    let by_new = all.by_new(1);
    let mut three_id = all.three_id;
    all.place.anchor(&mut three_id, UNASKED);
    let (document, refusals) = all.hear();
    assert_eq!(document.tip(), &by_new);
    assert_eq!(refusals, []);
}

#[test]
fn an_anchor_of_a_3id_that_no_chain_has_changes_nothing() {
    let mut all = rotated(ABSENT);
    let by_old = all.by_old(1);
    let (document, refusals) = all.hear();
    assert_eq!(document.tip(), &by_old);
    assert_eq!(refusals, []);
}

#[test]
fn no_chain_is_needed_for_a_3id_that_was_never_anchored() {
    let mut place = Place::default();
    let (manager, key) = (Key::new(1), Key::new(2));
    let names = json!({ "publicKeys": { "k": key.text() } });
    let three_id = place.signed(&manager.did(), &names, &manager, &manager.did());
    let mut tile = place.tile(&three_id.did(), "notes");
    let event = place.write(&mut tile, 1, &key, &format!("{}#k", three_id.did()));
    let world = World::new(NOW, &Unasked);
    let heard = hear_all(&tile.stream, &[event], &place.blocks, &world).unwrap();
    assert_eq!(heard.0.tip(), &event);
}

#[test]
fn nobody_can_have_a_document_looked_up_by_signing_as_a_3id_that_may_not_write() {
    let mut all = rotated(ROTATED);
    let kid = all.three_id.at(&all.first);
    let mut foreign = all.place.tile(&all.new.did(), "foreign");
    all.place.write(&mut foreign, 1, &all.old, &kid);
    let chain = all.place.walk(&foreign.stream, &foreign.tip, None);
    let document = Document::verify(chain, &WORLD).unwrap();
    assert_eq!(document.refused().unwrap().code(), "wrong-signer");

    // Who may is asked for by name.
    all.by_new(1);
    let chain = all.place.walk(&all.tile.stream, &all.tile.tip, None);
    let document = Document::verify(chain, &WORLD).unwrap();
    let wanted = document.refused().and_then(Refusal::wanted).unwrap();
    assert_eq!(wanted.stream_id(), &all.three_id.stream);
}

#[test]
fn the_manager_of_a_3id_does_not_write_in_its_name() {
    let mut all = rotated(ROTATED);
    let did = all.manager.did();
    all.place.write(&mut all.tile, 1, &all.manager, &did);
    let (document, refusals) = all.hear();
    assert_eq!(document.tip(), all.tile.stream.init());
    assert_eq!(codes(&refusals), ["wrong-signer"]);
}

#[test]
fn a_3id_of_version_0_is_refused_by_name() {
    let mut place = Place::default();
    let key = Key::new(2);
    let did = "did:3:bafyreia5ycca77ovehaxzmwnwljwz7sulaitjz3v7nir4jphuhvry32mba";
    let mut tile = place.tile(did, "notes");
    place.write(&mut tile, 1, &key, &format!("{did}?version=0#signing"));
    let (document, refusals) = hear(&place, &tile);
    assert_eq!(document.tip(), tile.stream.init());
    assert_eq!(codes(&refusals), ["three-id-legacy"]);
}

#[test]
fn a_document_cannot_be_the_3id_that_writes_it() {
    let mut place = Place::default();
    let (manager, key) = (Key::new(1), Key::new(2));
    let mut own = place.three_id(&manager);
    place.keys(&mut own, &manager, &[&key]);
    let header = json!({ "controllers": [own.did()] });
    place.change(&mut own, &json!([]), &header, &manager, &manager.did());
    let version = place.anchor(&mut own, BEGUN);
    let kid = own.at(&version);
    place.keys(&mut own, &key, &[&manager]);
    own.tip = version;
    place.write(&mut own, 1, &key, &kid);
    let (document, refusals) = hear(&place, &own);
    assert_eq!(document.tip(), &version);
    assert_eq!(codes(&refusals), ["three-id-own-document"]);
}

#[test]
fn three_ids_that_control_each_other_end_where_the_circle_begins() {
    let mut place = Place::default();
    let keys = [Key::new(1), Key::new(2)];
    let mut ids = [place.three_id(&keys[0]), place.three_id(&keys[1])];
    let dids = [ids[0].did(), ids[1].did()];
    let mut versions = Vec::new();
    for (number, id) in ids.iter_mut().enumerate() {
        place.keys(id, &keys[number], &[&keys[number]]);
        let header = json!({ "controllers": [dids[1 - number]] });
        let did = keys[number].did();
        place.change(id, &json!([]), &header, &keys[number], &did);
        versions.push(place.anchor(id, BEGUN));
    }
    let kids = [ids[0].at(&versions[0]), ids[1].at(&versions[1])];
    for number in [0, 1] {
        let other = 1 - number;
        place.write(&mut ids[number], 1, &keys[other], &kids[other]);
    }
    for number in [0, 1] {
        let (document, refusals) = hear(&place, &ids[number]);
        assert_eq!(document.tip(), &versions[number]);
        assert_eq!(codes(&refusals), ["needs-document"]);
    }
}

#[test]
fn a_long_row_of_3ids_each_written_by_the_next_is_not_followed_to_its_end() {
    let mut place = Place::default();
    let key = Key::new(1);
    let mut kid = key.did();
    let mut did = key.did();
    let mut last = None;
    for number in 0..300 {
        let content = json!({ "publicKeys": [key.text()], "n": number });
        let tile = place.signed(&did, &content, &key, &kid);
        did = tile.did();
        kid = format!("{did}#k");
        last = Some(tile);
    }
    let last = last.unwrap();
    let began = Instant::now();
    let refusal = hear_all(&last.stream, &[last.tip], &place.blocks, &WORLD).unwrap_err();
    assert_eq!(refusal.code(), "needs-document");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_3id_of_a_thousand_versions_is_gone_through_once() {
    let mut place = Place::default();
    let (manager, keys) = (Key::new(1), [Key::new(2), Key::new(3)]);
    let mut three_id = place.three_id(&manager);
    let mut versions = Vec::new();
    for number in 0..1_000 {
        place.keys(&mut three_id, &manager, &[&keys[number % 2]]);
        versions.push(place.anchor(&mut three_id, 10 + u8::try_from(number / 10).unwrap()));
    }
    let library = {
        let mut library = Library::new();
        let chain = place.walk(&three_id.stream, &three_id.tip, None);
        let document = Document::verify_whole(chain, &WORLD).unwrap();
        library.admit(Arc::new(document), true);
        library
    };
    let mut tile = place.tile(&three_id.did(), "notes");
    for number in 0..200 {
        let version = number * 5;
        let kid = three_id.at(&versions[version]);
        place.write(&mut tile, 1, &keys[version % 2], &kid);
    }
    place.anchor(&mut tile, 200);
    let began = Instant::now();
    let chain = place.walk(&tile.stream, &tile.tip, None);
    let document = Document::verify_whole(chain, &with(&library)).unwrap();
    assert_eq!(document.log().len(), 202);
    assert!(began.elapsed() < Duration::from_secs(20));
}
