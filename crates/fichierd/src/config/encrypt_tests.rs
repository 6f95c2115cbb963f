//! Mirrors that are encrypted: what may be configured, and what the messages hide.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use expect_test::expect;
use rclone_formats::crypt::Keys;
use rclone_formats::crypt::names::{Encoding, NameScheme};

use super::tests::{check, mirror, parse};
use super::*;

fn encrypt(keys: &str) -> EncryptConfig {
    let inline = parse(&mirror(&format!("encrypt = {{ {} }}", keys.replace('\n', ", "))));
    let table = parse(&mirror(&format!("[mirror.encrypt]\n{keys}")));
    let [inline, table] = [inline, table].map(|it| it.unwrap().mirrors.remove(0).encrypt);
    assert_eq!(inline, table, "both ways to write it mean the same");
    inline.unwrap()
}

#[test]
fn a_password_is_enough_and_the_rest_is_as_rclone_has_it() {
    let found = encrypt("password_file = \"/etc/p\"");
    assert_eq!(found.password, SecretSource::File("/etc/p".into()));
    assert_eq!((found.salt, found.scheme), (None, NameScheme::default()));
    assert_eq!(parse(&mirror("")).unwrap().mirrors[0].encrypt, None);
}

#[test]
fn each_source_is_for_passwords_and_for_salts() {
    let found = encrypt("password_credential = \"photos_password\"\nsalt_file = \"/etc/s\"");
    let credential = SecretSource::Credential {
        name: "photos_password".to_owned(),
        path: None,
        beside: "/etc/fichierd/photos_password".into(),
    };
    assert_eq!(
        (found.password, found.salt),
        (credential, Some(SecretSource::File("/etc/s".into())))
    );
    let found =
        encrypt("password_command = [\"echo\", \"a b\"]\nsalt_command = \"echo c; echo d\"");
    let secrets = found.secrets().unwrap();
    assert_eq!((secrets.password(), secrets.salt()), ("a b", Some("c\nd")));
}

#[test]
fn systemd_hands_credentials_over_in_a_folder() {
    let unit = Surroundings::made_up(true, &[("CREDENTIALS_DIRECTORY", "/run/cred")]);
    let text = mirror("encrypt = { password_credential = \"photos\" }");
    let config = Config::parse(Path::new("/etc/fichierd/config.toml"), &text, &unit).unwrap();
    let password = config.mirrors[0].encrypt.as_ref().map(|it| &it.password);
    let Some(SecretSource::Credential { path, .. }) = password else { panic!("{password:?}") };
    assert_eq!(path.as_deref(), Some(Path::new("/run/cred/photos")));
}

#[test]
fn names_are_kept_in_each_way_that_rclone_can_read() {
    let scheme = |keys: &str| encrypt(&format!("password_file = \"/p\"\n{keys}")).scheme;
    let standard = |encoding| NameScheme::Standard { encoding, folders: true };
    let off = |suffix: &str| NameScheme::Off { suffix: suffix.to_owned() };
    assert_eq!(scheme("names = \"standard\""), standard(Encoding::Base32));
    assert_eq!(scheme("name_encoding = \"base64\""), standard(Encoding::Base64));
    assert_eq!(scheme("name_encoding = \"base32768\""), standard(Encoding::Base32768));
    assert_eq!(scheme("names = \"off\""), off(".bin"));
    for (suffix, read) in [("none", ""), (".enc", ".enc"), ("enc", ".enc"), ("..b", "..b")] {
        assert_eq!(scheme(&format!("names = \"off\"\nsuffix = \"{suffix}\"")), off(read));
    }
}

#[test]
fn keys_are_those_of_rclone_for_the_same_passwords() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let (password, salt) = (file("p", "pässword\n"), file("s", "salt\r\n"));
    let found = encrypt(&format!("password_file = \"{password}\"\nsalt_file = \"{salt}\""));
    let expected = Keys::derive("pässword".as_bytes(), Some(b"salt")).unwrap();
    assert_eq!(found.keys().unwrap().check_value(), expected.check_value());
    let unsalted = EncryptConfig { salt: None, ..found };
    let expected = Keys::derive("pässword".as_bytes(), None).unwrap();
    assert_eq!(unsalted.keys().unwrap().check_value(), expected.check_value());
    fs::write(&password, "").unwrap();
    let refused = unsalted.keys().unwrap_err().to_string();
    assert_eq!(refused, format!("`password_file` cannot be used: {password} is empty"));
}

#[test]
fn a_password_comes_from_one_place_and_a_salt_from_one_at_most() {
    check(
        &mirror("[mirror.encrypt]\nnames = \"off\""),
        expect![[r#"
            config.toml:5:1: `encrypt` does not say where the password is
              5 | [mirror.encrypt]
                | ^^^^^^^^^^^^^^^^
              help: add `password_file`, `password_credential` or `password_command`"#]],
    );
    check(
        &mirror(
            "encrypt = { password_file = \"/p\", password_command = \"x\", salt_file = \"/s\", \
             salt_credential = \"s\" }",
        ),
        expect![[r#"
            config.toml:5:54: the password is read from more than one place
              5 | encrypt = { password_file = "/p", password_command = "*", salt_file = "/s", salt_credential = "*" }
                |                                                      ^^^
              help: keep one of the keys
            config.toml:5:95: the salt is read from more than one place
              5 | encrypt = { password_file = "/p", password_command = "*", salt_file = "/s", salt_credential = "*" }
                |                                                                                               ^^^
              help: keep one of the keys"#]],
    );
    check(
        &mirror("encrypt = { salt_file = \"/s\" }"),
        expect![[r#"
        config.toml:5:11: `encrypt` does not say where the password is
          5 | encrypt = { salt_file = "/s" }
            |           ^^^^^^^^^^^^^^^^^^^^
          help: add `password_file`, `password_credential` or `password_command`"#]],
    );
}

#[test]
fn what_cannot_be_a_source_is_refused() {
    check(
        &mirror("encrypt = { password_file = \"p\", salt_credential = \"../s\" }"),
        expect![[r#"
        config.toml:5:29: `password_file` must be a whole path
          5 | encrypt = { password_file = "*", salt_credential = "****" }
            |                             ^^^
          help: begin it with `/`: a service has no current folder, and `~` is not expanded
        config.toml:5:52: `salt_credential` is not the name of a credential
          5 | encrypt = { password_file = "*", salt_credential = "****" }
            |                                                    ^^^^^^
          help: use letters, digits, `.`, `_` and `-`, as in LoadCredential=NAME:FILE of the unit"#]],
    );
    check(
        &mirror("[mirror.encrypt]\npassword_command = []"),
        expect![[r#"
        config.toml:6:20: `password_command` names no program
          6 | password_command = []
            |                    ^^
          help: write it like ["pass", "show", "photos"]"#]],
    );
    check(
        &mirror("[mirror.encrypt]\npassword_command = \" \""),
        expect![[r#"
        config.toml:6:20: `password_command` names no program
          6 | password_command = "*"
            |                    ^^^
          help: write it like ["pass", "show", "photos"]"#]],
    );
    check(
        &mirror("[mirror.encrypt]\npassword_command = 5"),
        expect![[r#"
        config.toml:6:20: wrong type: expected a command: ["program", "argument"], or "a line for a shell"
          6 | password_command = *
            |                    ^"#]],
    );
}

#[test]
fn names_that_cannot_be_kept_that_way_are_refused() {
    let with = |keys: &str| mirror(&format!("[mirror.encrypt]\npassword_file = \"/p\"\n{keys}"));
    check(
        &with("names = \"obfuscate\""),
        expect![[r#"
            config.toml:7:9: `names = "obfuscate"` is not supported: it does not protect the names
              7 | names = "obfuscate"
                |         ^^^^^^^^^^^
              help: write "standard", or "off" for plain names"#]],
    );
    check(
        &with("names = \"on\"\nname_encoding = \"BASE32\""),
        expect![[r#"
            config.toml:7:9: `names` is neither "standard" nor "off"
              7 | names = "on"
                |         ^^^^
              help: "standard" encrypts the names, "off" keeps them plain
            config.toml:8:17: `name_encoding` is none that there is
              8 | name_encoding = "BASE32"
                |                 ^^^^^^^^
              help: write "base32", "base64" or "base32768""#]],
    );
    check(
        &with("names = \"off\"\nname_encoding = \"base64\"\nsuffix = \"a/b\""),
        expect![[r#"
            config.toml:8:17: `name_encoding` is only for names that are encrypted
              8 | name_encoding = "base64"
                |                 ^^^^^^^^
              help: remove it, or `names`
            config.toml:9:10: `suffix` is not the end of a name
              9 | suffix = "a/b"
                |          ^^^^^
              help: write it like ".bin", or "none" for names without one"#]],
    );
    check(
        &with("suffix = \".bin\""),
        expect![[r#"
        config.toml:7:10: `suffix` is only for names that stay plain
          7 | suffix = ".bin"
            |          ^^^^^^
          help: remove it, or set `names = "off"`"#]],
    );
    check(
        &with("names = \"off\"\nsuffix = \"\""),
        expect![[r#"
            config.toml:8:10: `suffix` is not the end of a name
              8 | suffix = ""
                |          ^^
              help: write it like ".bin", or "none" for names without one"#]],
    );
}

#[test]
fn unknown_keys_are_refused_in_both_forms() {
    check(
        &mirror("encrypt = { password_file = \"/p\", nmaes = \"off\" }"),
        expect![[r#"
        config.toml:5:35: unknown key `nmaes`
          5 | encrypt = { password_file = "/p", nmaes = "off" }
            |                                   ^^^^^
          help: did you mean `names`?"#]],
    );
    check(
        &mirror("[mirror.encrypt]\npassword_file = \"/p\"\nfilename_encryption = \"off\""),
        expect![[r#"
            config.toml:7:1: unknown key `filename_encryption`
              7 | filename_encryption = "off"
                | ^^^^^^^^^^^^^^^^^^^
              help: it is called `names` here"#]],
    );
    check(
        &mirror("salt_file = \"/s\""),
        expect![[r#"
        config.toml:5:1: unknown key `salt_file`
          5 | salt_file = "/s"
            | ^^^^^^^^^
          help: it belongs into the table `encrypt`: [mirror.encrypt]"#]],
    );
}

#[test]
fn a_password_in_the_configuration_is_refused_and_not_shown() {
    check(
        &mirror("[mirror.encrypt]\npassword = \"hunter2\""),
        expect![[r#"
            config.toml:6:1: unknown key `password`
              6 | password = "*******"
                | ^^^^^^^^
              help: the configuration holds no secrets: write it into a file that only its owner may read, and name that file with `password_file`"#]],
    );
    check(
        &mirror("encrypt = \"hunter2\""),
        expect![[r#"
        config.toml:5:11: wrong type: expected a table: { password_file = "/…" }
          5 | encrypt = "*******"
            |           ^^^^^^^^^"#]],
    );
    check(
        &mirror("password2 = \"hunter2\""),
        expect![[r#"
            config.toml:5:1: unknown key `password2`
              5 | password2 = "*******"
                | ^^^^^^^^^
              help: the configuration holds no secrets: write it into a file that only its owner may read, and name that file with `salt_file` in [mirror.encrypt]"#]],
    );
    for keys in [
        "encrypt = { password = \"hunter2\" }",
        "encrypt = 'hunter2'",
        "encrypt = true",
        "[mirror.encrypt]\npassword = hunter2",
        "[mirror.encrypt]\npassword = \"\"\"\nhunter2\n\"\"\"",
        "[mirror.encrypt]\npassword_file = \"hunter2\"",
        "[mirror.encrypt]\npassword_file = 7777777",
        "[mirror.encrypt]\npassword_file = 'hunter2, expected x\"'",
        "[mirror.encrypt]\npassword_credential = \"hunter2!\"",
        "[mirror.encrypt]\npassword_credential = [\"hunter2\"]",
        "[mirror.encrypt]\npassword_command = [\"echo\", [\"hunter2\"]]",
        "[mirror.encrypt]\npassword_command = [\"echo\", 7777777]",
        "[mirror.encrypt]\npassword_command = { hunter2 = 1 }",
        "[mirror.encrypt]\nsalt = 'hunter2'",
        "[mirror.encrypt]\npassphrase = 'hunter2'",
        "[mirror.encrypt]\npassword_file = \"/p\"\nsalt_file = \"hunter2\" hunter2",
    ] {
        let error = parse(&mirror(keys)).unwrap_err();
        for drawing in [Drawing::Plain, Drawing::Monochrome] {
            let drawn = error.render(drawing);
            assert!(!drawn.contains("hunter2") && !drawn.contains("7777777"), "{keys}:\n{drawn}");
        }
        let shown = format!("{error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("7777777"), "{keys}:\n{shown}");
    }
    let config = parse(&mirror("encrypt = { password_command = \"echo hunter2\" }")).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
