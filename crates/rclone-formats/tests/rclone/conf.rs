//! `rclone.conf` and the passwords in it, as rclone reads them.

use std::collections::BTreeMap;
use std::fs;

use rclone_formats::conf::{
    Conf, ConfError, CryptSection, RevealError, SectionError, obscure, reveal,
};
use rclone_formats::crypt::names::{Encoding, NameScheme};

use crate::data::{PASSWORD, PASSWORD2, hex, path, rows};

fn sample(name: &str) -> String {
    fs::read_to_string(path("conf").join(name)).unwrap()
}

#[test]
fn obscured_passwords_are_revealed_and_made_as_by_rclone() {
    let all = rows("conf/obscured.tsv");
    assert_eq!(all.len(), 9);
    for row in all {
        let (obscured, plain) = (&row[0], hex(&row[1]));
        assert_eq!(*reveal(obscured).unwrap(), plain, "{obscured}");
        // The first 16 bytes are the random ones.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = obscured
            .chars()
            .fold(String::new(), |bits, c| bits + &format!("{:06b}", alphabet.find(c).unwrap()));
        let iv = u128::from_str_radix(&bits[..128], 2).unwrap().to_be_bytes();
        assert_eq!(obscure(&plain, iv), *obscured);
    }
}

#[test]
fn texts_that_are_no_obscured_passwords_are_refused() {
    let text = fs::read_to_string(path("conf/obscured.tsv")).unwrap();
    let refused = text.lines().filter_map(|line| line.strip_prefix("# refused: "));
    let mut count = 0;
    for (text, message) in refused.map(|line| line.split_once('\t').unwrap()) {
        let expected = match message.contains("too short") {
            true => RevealError::TooShort,
            false => RevealError::NotObscured,
        };
        assert_eq!(reveal(text).unwrap_err(), expected, "{text}");
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn a_configuration_is_read_as_rclone_reads_it() {
    let conf = Conf::parse(&sample("sample.conf")).unwrap();
    let as_read: BTreeMap<&str, BTreeMap<&str, &str>> =
        conf.sections().map(|section| (section.name(), section.options().collect())).collect();
    let json = sample("sample.json");
    let expected: BTreeMap<&str, BTreeMap<&str, serde_json::Value>> =
        serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_value(as_read).unwrap(), serde_json::to_value(expected).unwrap());
}

#[test]
fn a_byte_order_mark_and_other_line_ends_change_nothing() {
    let text = "\u{FEFF}[a]\r\n  key = value \r\n# = comment\r\n\r\nother:x=y\r\n";
    let conf = Conf::parse(text).unwrap();
    let options: Vec<_> = conf.section("a").unwrap().options().collect();
    assert_eq!(options, [("key", "value"), ("other", "x=y")]);
}

#[test]
fn a_configuration_that_is_wrong_is_refused_as_a_whole() {
    let encrypted = sample("encrypted.conf");
    let cases = [
        (encrypted.as_str(), ConfError::Encrypted),
        ("[a]\nkey = value\nno value\n", ConfError::NoValue { line: 3 }),
        ("\nkey = value\n[a]\n", ConfError::NoSection { line: 2 }),
        ("[a\nkey = value\n", ConfError::OpenSection { line: 1 }),
        ("[a] # comment\n", ConfError::OpenSection { line: 1 }),
    ];
    for (text, expected) in cases {
        assert_eq!(Conf::parse(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn crypt_sections_have_rclones_defaults() {
    let conf = Conf::parse(&sample("sample.conf")).unwrap();
    let secret = CryptSection::read(conf.section("secret").unwrap()).unwrap();
    assert_eq!(secret.remote, "box:backup/secret");
    assert_eq!(secret.names, NameScheme::Standard { encoding: Encoding::Base32, folders: true });
    assert_eq!((secret.password(), secret.salt()), (PASSWORD, Some(PASSWORD2)));
    let old = CryptSection::read(conf.section("secret-old").unwrap()).unwrap();
    assert_eq!(old.names, NameScheme::Off { suffix: ".enc".to_owned() });
    assert_eq!((old.password(), old.salt()), (PASSWORD, None));
}

/// A section of type `crypt` with one more line.
fn crypt(line: &str) -> Result<CryptSection, SectionError> {
    let password = "gDmXC_QAY-pHQ6jIomQM_KqAlgFAl_DMnYTFltPnYQRiDU7kJCimDrz2kdQ";
    let text = format!("[x]\ntype = crypt\nremote = r:p\npassword = {password}\n{line}\n");
    CryptSection::read(Conf::parse(&text).unwrap().section("x").unwrap())
}

#[test]
fn each_option_of_a_crypt_section_is_understood_or_refused() {
    let standard = |encoding, folders| NameScheme::Standard { encoding, folders };
    let off = |suffix: &str| NameScheme::Off { suffix: suffix.to_owned() };
    let understood = [
        ("filename_encryption = Standard", standard(Encoding::Base32, true)),
        ("filename_encoding = BASE64", standard(Encoding::Base64, true)),
        ("filename_encoding = base32768", standard(Encoding::Base32768, true)),
        ("directory_name_encryption = False", standard(Encoding::Base32, false)),
        ("directory_name_encryption = 1", standard(Encoding::Base32, true)),
        ("password2 =", standard(Encoding::Base32, true)),
        ("pass_bad_blocks = true\nshow_mapping = yes", standard(Encoding::Base32, true)),
        ("no_data_encryption = false", standard(Encoding::Base32, true)),
        ("filename_encryption = OFF", off(".bin")),
        ("filename_encryption = off\nsuffix = none", off("")),
        ("filename_encryption = off\nsuffix = x", off(".x")),
    ];
    for (line, names) in understood {
        assert_eq!(crypt(line).unwrap().names, names, "{line}");
    }
    let refused = [
        ("type = alias", "section `x` of the rclone configuration is not of type `crypt`"),
        ("remote =", "section `x` of the rclone configuration has no `remote`"),
        ("password =", "section `x` of the rclone configuration has no `password`"),
        (
            "password = plain text",
            "`password` in section `x` of the rclone configuration: it is not an obscured \
             password (see `rclone obscure`): it has other characters",
        ),
        (
            "password2 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "`password2` in section `x` of the rclone configuration is not an obscured password \
             (see `rclone obscure`): what comes out is not text",
        ),
        (
            "filename_encryption = obfuscate",
            "`filename_encryption = obfuscate` in section `x` of the rclone configuration is not \
             supported: it does not protect the names",
        ),
        (
            "no_data_encryption = true",
            "`no_data_encryption = true` in section `x` of the rclone configuration is not \
             supported: the contents would not be encrypted",
        ),
        (
            "filename_encryption = rot13",
            "`filename_encryption` in section `x` of the rclone configuration has an unknown value",
        ),
        (
            "filename_encoding = base16",
            "`filename_encoding` in section `x` of the rclone configuration has an unknown value",
        ),
        (
            "directory_name_encryption = yes",
            "`directory_name_encryption` in section `x` of the rclone configuration has an \
             unknown value",
        ),
    ];
    for (line, message) in refused {
        assert_eq!(crypt(line).unwrap_err().to_string(), message, "{line}");
    }
}

#[test]
fn an_obscured_empty_password_makes_no_keys() {
    use rclone_formats::crypt::KeyError;
    let section = crypt("password = AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    assert_eq!(section.keys().unwrap_err(), KeyError::EmptyPassword);
}

#[test]
fn debug_output_shows_no_value() {
    let conf = Conf::parse(&sample("sample.conf")).unwrap();
    let section = CryptSection::read(conf.section("secret").unwrap()).unwrap();
    let shown = format!("{conf:?} {section:?} {:?}", section.keys().unwrap());
    for secret in ["gDmXC", "correct", "salt and", "0123456789", "7c88"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("password2"), "{shown}");
}
