//! Names: the same as rclone makes, and back.

use proptest::prelude::*;
use rclone_formats::crypt::names::{
    Caveat, Encoding, Kind, Length, NameError, NameScheme, Names, StoredName, standard,
};

use crate::data::{SETS, hex, keys, rows};

const ENCODINGS: [Encoding; 3] = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];

fn names(salt: Option<&[u8]>, encoding: Encoding) -> Names {
    Names::new(&keys(salt), NameScheme::Standard { encoding, folders: true })
}

#[test]
fn names_are_enciphered_as_by_rclone() {
    for (set, salt) in SETS {
        for (encoding, column) in ENCODINGS.into_iter().zip(2..) {
            let names = names(salt, encoding);
            for row in rows(&format!("{set}/names.tsv")) {
                let kind = if row[1] == "dir" { Kind::Folder } else { Kind::File };
                let (plain, shown) = (hex(&row[0]), &row[6]);
                let stored = names.encrypt_standard(kind, &plain).unwrap();
                assert_eq!(stored, StoredName::Cipher(row[column].clone()), "{set}: {shown}");
                let back = if row[5] == "=" { plain } else { hex(&row[5]) };
                let read = names.decrypt_standard(kind, row[column].as_bytes());
                assert_eq!(read, Ok(back), "{set}: {shown}");
            }
        }
    }
}

#[test]
fn names_on_disk_have_the_form_that_rclone_enciphers() {
    for row in rows("local-names.tsv") {
        let name = hex(&row[0]);
        let form = standard::from_disk(&name);
        assert_eq!(standard::to_disk(&form), name, "{}", row[3]);
        match row[1].as_str() {
            "=" => assert_eq!(form, name, "{}", row[3]),
            // Two names that are one to rclone; it takes the other one.
            "not copied" if !row[3].contains('‛') => assert_eq!(form, name),
            "not copied" => assert_eq!(String::from_utf8(form).unwrap().replace("‛‛", "‛"), {
                String::from_utf8(name).unwrap()
            }),
            expected => assert_eq!(form, hex(expected), "{}", row[3]),
        }
    }
}

#[test]
fn names_have_the_length_that_is_told_beforehand() {
    for (set, salt) in SETS {
        for (encoding, column) in ENCODINGS.into_iter().zip(2..) {
            let names = names(salt, encoding);
            for row in rows(&format!("{set}/names.tsv")) {
                let kind = if row[1] == "dir" { Kind::Folder } else { Kind::File };
                let length = names.stored_length(kind, &standard::to_disk(&hex(&row[0])));
                let stored = &row[column];
                assert_eq!(length.chars, stored.chars().count(), "{}", row[6]);
                match encoding {
                    Encoding::Base32768 => assert!((stored.len()..).contains(&length.bytes)),
                    Encoding::Base32 | Encoding::Base64 => assert_eq!(length.bytes, stored.len()),
                }
            }
        }
    }
}

#[test]
fn the_longest_names_that_fit_are_known() {
    let longest = |encoding: Encoding, fits: fn(Length) -> bool| {
        (0..2048).rev().find(|bytes| fits(encoding.length(*bytes))).unwrap()
    };
    let in_bytes = |length: Length| length.bytes <= 250;
    let in_chars = |length: Length| length.chars <= 250;
    assert_eq!(ENCODINGS.map(|encoding| longest(encoding, in_bytes)), [143, 175, 143]);
    assert_eq!(ENCODINGS.map(|encoding| longest(encoding, in_chars)), [143, 175, 463]);
}

#[test]
fn what_is_no_ciphertext_of_these_keys_is_refused() {
    let not = |encoding| NameError::NotEncoded { encoding };
    let base32 = names(None, Encoding::Base32);
    let cases = [
        (".fichierd", not(Encoding::Base32)),
        ("with space", not(Encoding::Base32)),
        ("ec246hukqi06hebpl4i8l4e250=", not(Encoding::Base32)),
        ("ec246hukqi06hebpl4i8l4e25", not(Encoding::Base32)),
        ("ec246hukqi06hebpl4i8l4e2", NameError::NotBlocks { bytes: 15 }),
        ("", NameError::NotBlocks { bytes: 0 }),
        (&"0".repeat(3303), NameError::NotBlocks { bytes: 2064 }),
        (&"0".repeat(3302), not(Encoding::Base32)),
        ("ec246hukqi06hebpl4i8l4e24g", NameError::OtherKeys),
        ("ec246hukqi06hebpl4i8l4e250.txt", not(Encoding::Base32)),
        ("-v2001-02-03-040506-1234", not(Encoding::Base32)),
    ];
    for (stored, expected) in cases {
        let found = base32.decrypt(Kind::File, stored.as_bytes());
        assert_eq!(found, Err(expected), "{stored}");
    }
    assert_eq!(base32.decrypt(Kind::File, b"\xFF"), Err(not(Encoding::Base32)));
    let upper = base32.decrypt(Kind::File, b"EC246HUKQI06HEBPL4I8L4E250");
    assert_eq!(upper, Ok(b"a".to_vec()));
    // rclone does not look at the last bits either.
    let other_end = base32.decrypt(Kind::File, b"ec246hukqi06hebpl4i8l4e251");
    assert_eq!(other_end, Ok(b"a".to_vec()));

    let base64 = names(None, Encoding::Base64);
    assert_eq!(base64.decrypt(Kind::File, b"cwRDR9TUgGi5eakkipHCKA"), Ok(b"a".to_vec()));
    let lower = base64.decrypt(Kind::File, b"cwrdr9tuggi5eakkiphcka");
    assert_eq!(lower, Err(NameError::OtherKeys));

    let wide = names(None, Encoding::Base32768);
    let broken = wide.decrypt(Kind::File, "忢㜑ꄺ湦氫\n贄潵㠂㪿".as_bytes());
    assert_eq!(broken, Ok(b"a".to_vec()));
    // The short alphabet is for the last character only.
    let early = wide.decrypt(Kind::File, "ɟ㜑ꄺ湦氫贄潵㠂㪿".as_bytes());
    assert_eq!(early, Err(not(Encoding::Base32768)));
}

#[test]
fn names_that_no_file_can_have_come_neither_in_nor_out() {
    let names = names(None, Encoding::Base32);
    for name in ["", ".", "..", "a/b", "a\0"] {
        assert_eq!(names.encrypt(Kind::File, name.as_bytes()), Err(NameError::NotAName), "{name}");
        if !name.is_empty() {
            let Ok(StoredName::Cipher(stored)) =
                names.encrypt_standard(Kind::File, name.as_bytes())
            else {
                panic!("{name}");
            };
            let read = names.decrypt(Kind::File, stored.as_bytes());
            assert_eq!(read, Err(NameError::NotAName), "{name}");
        }
    }
    let most = NameError::TooLong { most: 2047 };
    assert_eq!(names.encrypt(Kind::File, &[b'a'; 2048]), Err(most));
    assert!(names.encrypt(Kind::File, &[b'a'; 2047]).is_ok());
}

#[test]
fn folders_can_stay_plain() {
    let scheme = NameScheme::Standard { encoding: Encoding::Base32, folders: false };
    let names = Names::new(&keys(None), scheme);
    assert!(!names.are_enciphered(Kind::Folder) && names.are_enciphered(Kind::File));
    let plain = StoredName::Plain(b"a\nb".to_vec());
    assert_eq!(names.encrypt(Kind::Folder, b"a\nb"), Ok(plain));
    assert_eq!(names.decrypt(Kind::Folder, b"a\nb"), Ok(b"a\nb".to_vec()));
    let cipher = StoredName::Cipher("ec246hukqi06hebpl4i8l4e250".to_owned());
    assert_eq!(names.encrypt(Kind::File, b"a"), Ok(cipher));
}

#[test]
fn plain_names_of_files_have_a_suffix() {
    for suffix in [".bin", ".enc", ""] {
        let names = Names::new(&keys(None), NameScheme::Off { suffix: suffix.to_owned() });
        let stored = [b"a\n\xFF", suffix.as_bytes()].concat();
        let encrypted = names.encrypt(Kind::File, b"a\n\xFF");
        assert_eq!(encrypted, Ok(StoredName::Plain(stored.clone())));
        assert_eq!(names.decrypt(Kind::File, &stored), Ok(b"a\n\xFF".to_vec()));
        let length = Length { chars: 3 + suffix.len(), bytes: stored.len() };
        assert_eq!(names.stored_length(Kind::File, b"a\n\xFF"), length);
        let folder = names.encrypt(Kind::Folder, b"a\n\xFF");
        assert_eq!(folder, Ok(StoredName::Plain(b"a\n\xFF".to_vec())));
        assert_eq!(names.decrypt(Kind::File, suffix.as_bytes()), Err(NameError::NotAName));
    }
    let names = Names::new(&keys(None), NameScheme::Off { suffix: ".bin".to_owned() });
    assert_eq!(names.decrypt(Kind::File, b"a.txt"), Err(NameError::NoSuffix));
    assert_eq!(names.decrypt(Kind::Folder, b"a.txt"), Ok(b"a.txt".to_vec()));
}

#[test]
fn names_that_come_back_otherwise_are_told() {
    let names = names(None, Encoding::Base32);
    let stamp = "-v2001-02-03-040506-123";
    let cases = [
        ("a.txt".to_owned(), None),
        (format!("a{stamp}.txt"), None),
        (format!("{stamp}.txt"), Some(Caveat::ComesBackChanged)),
        (format!(".txt{stamp}"), None),
        (stamp.to_owned(), Some(Caveat::OnlyAStamp)),
        ("‛x".to_owned(), Some(Caveat::OtherNameForRclone)),
        ("‛‛x".to_owned(), Some(Caveat::OtherNameForRclone)),
        ("‛／".to_owned(), None),
        ("␊".to_owned(), None),
    ];
    for (name, expected) in cases {
        assert_eq!(names.caveat(Kind::File, name.as_bytes()), expected, "{name}");
        let stored = names.encrypt(Kind::File, name.as_bytes()).unwrap();
        let StoredName::Cipher(stored) = stored else { panic!("{name}") };
        let back = names.decrypt(Kind::File, stored.as_bytes()).unwrap();
        let is_changed = expected == Some(Caveat::ComesBackChanged);
        assert_eq!(back != name.as_bytes(), is_changed, "{name}");
    }
    assert_eq!(names.caveat(Kind::Folder, format!("{stamp}.txt").as_bytes()), None);
}

/// Names with everything that is special in them.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let parts: [&[u8]; 16] = [
        "‛".as_bytes(),
        "␊".as_bytes(),
        "␡".as_bytes(),
        "␀".as_bytes(),
        "／".as_bytes(),
        "．".as_bytes(),
        b"\n",
        b"\x7F",
        b"\xFF",
        b"\xE2",
        b"\x80",
        b".",
        b" ",
        b"-v2001-02-03-040506-123",
        b"abcdefghijklmno",
        "日本".as_bytes(),
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 1..8)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_standard_form_of_a_name_is_that_of_no_other(name in any_name(), other in any_name()) {
        let form = standard::from_disk(&name);
        prop_assert_eq!(&standard::to_disk(&form), &name);
        prop_assert_eq!(standard::from_disk(&other) == form, other == name);
    }
}

#[test]
fn every_name_comes_back_unless_it_is_told_that_it_does_not() {
    for encoding in ENCODINGS {
        let names = names(None, encoding);
        let kinds = prop::sample::select(&[Kind::File, Kind::Folder][..]);
        let config = ProptestConfig { cases: 256, ..ProptestConfig::default() };
        proptest!(config, |(name in any_name(), kind in kinds)| {
            let Ok(StoredName::Cipher(stored)) = names.encrypt(kind, &name) else {
                prop_assert!([&b"."[..], b".."].contains(&&name[..]));
                return Ok(());
            };
            prop_assert_eq!(names.stored_length(kind, &name).chars, stored.chars().count());
            let back = names.decrypt(kind, stored.as_bytes()).unwrap();
            let changes = names.caveat(kind, &name) == Some(Caveat::ComesBackChanged);
            prop_assert_eq!(back != name, changes);
        });
    }
}
