use super::*;

#[test]
fn the_did_is_the_first_that_the_pattern_of_js_finds() {
    for (message, did) in [
        (
            "Link this\n\ndid:key:z6Mk \nTimestamp: 1",
            Some("did:key:z6Mk"),
        ),
        ("Link this\n\n \nTimestamp: 1", None),
        ("adid:a:b did:c:d", Some("did:a:b")),
        ("did:a: did:b did::c did:c:d:e:", Some("did:c:d:e:")),
        ("did::: x", None),
        ("did:::: x", Some("did::::")),
        ("did:::: x", Some("did::::")),
        ("did:did:key:z", Some("did:did:key:z")),
        ("did:x:", None),
        ("did::x", None),
        ("did:é:ü\u{a0}x", Some("did:é:ü")),
        ("did:a:b\u{85}c\u{feff}d", Some("did:a:b\u{85}c")),
        ("did:a\u{2028}:b", None),
    ] {
        assert_eq!(first_did(message), did, "{message:?}");
    }
}

#[test]
fn a_message_of_many_dids_is_searched_once() {
    let many = "did: did:x ".repeat(50_000);
    let start = std::time::Instant::now();
    assert_eq!(first_did(&many), None);
    assert_eq!(first_did(&format!("{many}did:a:b")), Some("did:a:b"));
    assert!(start.elapsed().as_secs() < 1);
}
