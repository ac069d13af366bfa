//! Links of accounts, case by case against what js-ceramic made of them.

mod common;

use common::case::compare;

#[test]
fn links_are_what_js_makes_of_them() {
    compare("caip10-link.json", |_| None);
}
