//! Names on their way to the service and back.

use proptest::prelude::*;

use super::table::{QUOTE, decode, encode, replacement};
use super::{MAX_NAME_BYTES, RemoteName};

#[track_caller]
fn check(local: &[u8], expected: &str) {
    let name = RemoteName::encode(local);
    assert_eq!(name.as_str(), expected);
    assert_eq!(name.decode(), local);
}

#[test]
fn reserved_characters_become_their_look_alikes() {
    check(b"a.txt", "a.txt");
    check("été 日本".as_bytes(), "été 日本");
    check(br#"\<>'"$`/"#, "＼＜＞＇＂＄｀／");
    check(b"\0\x01\n\x1f\x7f", "␀␁␊␟␡");
}

#[test]
fn spaces_are_replaced_at_the_ends_only() {
    check(b" a b ", "␠a b␠");
    check(b" ", "␠");
    check(b"  ", "␠␠");
    check("a␠b".as_bytes(), "a␠b");
    check("␠ ".as_bytes(), "‛␠␠");
    check("‛ ".as_bytes(), "‛‛␠");
}

#[test]
fn dots_are_replaced_as_whole_names_only() {
    check(b".", "．");
    check(b"..", "．．");
    check(b"...", "...");
    check("．".as_bytes(), "‛．");
    check("．．".as_bytes(), "‛．‛．");
    check("a．b".as_bytes(), "a．b");
}

#[test]
fn look_alikes_and_the_quote_itself_are_quoted() {
    check("／␀‛".as_bytes(), "‛／‛␀‛‛");
    check("‛41".as_bytes(), "‛‛41");
}

#[test]
fn bytes_that_are_not_text_are_written_as_digits() {
    check(b"a\xFF\xE2\x80", "a‛FF‛E2‛80");
    check("\u{FFFD}".as_bytes(), "\u{FFFD}");
}

#[test]
fn composed_and_decomposed_accents_stay_two_names() {
    assert_ne!(RemoteName::encode("é".as_bytes()), RemoteName::encode("e\u{301}".as_bytes()));
}

#[test]
fn a_name_at_the_limit_is_kept_and_a_longer_one_cut_with_its_extension() {
    let longest = "x".repeat(246) + ".jpg";
    check(longest.as_bytes(), &longest);
    let longer = "x".repeat(247) + ".jpg";
    let name = RemoteName::encode(longer.as_bytes());
    assert_eq!(name.as_str().len(), 250);
    assert!(name.as_str().ends_with(".jpg"), "{name}");
    assert!(name.is_shortened_from(longer.as_bytes()));
    assert!(!name.is_shortened_from(longest.as_bytes()));
    assert!(!RemoteName::encode(b"other").is_shortened_from(longer.as_bytes()));
    assert!(!RemoteName::encode(longest.as_bytes()).is_shortened_from(longest.as_bytes()));
}

#[test]
fn an_extension_of_at_most_seventeen_bytes_survives_a_cut() {
    let end = |extension: &str| {
        let name = RemoteName::encode(("x".repeat(300) + extension).as_bytes());
        name.as_str().rsplit_once('~').unwrap().1.get(32..).unwrap().to_owned()
    };
    assert_eq!(end(".tar.gz"), ".gz");
    assert_eq!(end(".sixteen-letters_"), ".sixteen-letters_");
    assert_eq!(end(".seventeen-letters"), "");
}

#[test]
fn a_name_is_printed_as_it_is() {
    let name = RemoteName::encode(b"a b");
    assert_eq!(format!("{name} {name:?}"), "a b \"a b\"");
}

#[test]
fn n05_a_name_that_looks_like_a_cut_one_is_cut_too() {
    for long in ["x".repeat(300), "é".repeat(150) + ".jpg", "‛".repeat(90), "\0".repeat(100)] {
        let cut = RemoteName::encode(long.as_bytes());
        let other = RemoteName::encode(cut.as_str().as_bytes());
        assert_ne!(cut, other, "two names of one folder would be one on the service");
        assert!(other.is_shortened_from(cut.as_str().as_bytes()));
        let third = RemoteName::encode(other.as_str().as_bytes());
        assert!(third != other && third != cut, "{third}");
    }
    let hash = "0123456789abcdef".repeat(2);
    // No cut name is as short as this, and a hash is what it looks like.
    for kept in [
        format!("x~{hash}"),
        "x".repeat(210) + "~" + &hash,
        "x".repeat(217) + "~" + &hash.to_uppercase(),
    ] {
        check(kept.as_bytes(), &kept);
    }
}

#[test]
fn a_cut_behind_a_quote_leaves_none_that_quotes_the_hash() {
    // Each is written as two, of three bytes each; 217 bytes are left for the stem.
    for before in 0..12 {
        let local = "x".repeat(before) + &"‛".repeat(60);
        let name = RemoteName::encode(local.as_bytes());
        let stem = name.as_str().split('~').next().unwrap();
        let left = stem.chars().rev().take_while(|c| *c == QUOTE).count();
        assert!(left % 2 == 0 && stem.len() >= 217 - 2 - 3, "{stem}");
    }
}

#[test]
fn long_names_that_differ_in_the_cut_part_stay_different() {
    let (one, two) = ("é".repeat(200) + "1", "é".repeat(200) + "2");
    assert_ne!(RemoteName::encode(one.as_bytes()), RemoteName::encode(two.as_bytes()));
}

/// Names of the characters and bytes that the table treats in some way.
fn awkward_names() -> impl Strategy<Value = Vec<u8>> {
    let special = "/\\<>\"'`$\0\n\x7f .～␠␀␊␡．‛＜＼Aé4F";
    let chars: Vec<Vec<u8>> = special.chars().map(|c| c.to_string().into_bytes()).collect();
    let piece = prop_oneof![
        4 => proptest::sample::select(chars),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_short_name_survives_the_way_there_and_back(local in awkward_names()) {
        let encoded = encode(&local);
        prop_assert_eq!(decode(&encoded), local.clone());
        let unsafe_char = encoded.chars().find(|c| replacement(*c).is_some());
        prop_assert_eq!(unsafe_char, None);
        prop_assert!(!encoded.starts_with(' ') && !encoded.ends_with(' '));
    }

    #[test]
    fn every_long_name_is_cut_to_something_safe(
        local in proptest::collection::vec(awkward_names(), 8..20).prop_map(|n| n.concat()),
    ) {
        let name = RemoteName::encode(&local);
        prop_assert!(name.as_str().len() <= MAX_NAME_BYTES);
        prop_assert!(name.decode() == local || name.is_shortened_from(&local));
        prop_assert!(!name.as_str().starts_with(' ') && !name.as_str().ends_with(' '));
    }
}
