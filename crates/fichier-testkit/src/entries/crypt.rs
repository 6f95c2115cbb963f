//! rclone's formats: encrypted contents, enciphered names, its configuration.

use std::sync::LazyLock;

use rclone_formats::conf::{Conf, CryptSection, reveal};
use rclone_formats::crypt::names::{Caveat, Encoding, Kind, NameScheme, Names, StoredName};
use rclone_formats::crypt::size::{cipher_size, plain_size};
use rclone_formats::crypt::{ContentError, Decryptor, Encryptor, Keys, Nonce};

/// The keys of the corpora, which the real rclone made with the same password.
static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::derive(b"correct horse battery staple", None).expect("a password"));

/// The bytes are the length of a piece, and then an encrypted file; and also a plain one.
pub fn crypt_contents(data: &[u8]) {
    let Some((first, file)) = data.split_first() else { return };
    let piece = usize::from(*first) + 1;
    let (plain, end) = decipher(file, file.len().max(1));
    assert_eq!(decipher(file, piece), (plain.clone(), end), "pieces of {piece} bytes");
    if let Ok(bytes) = end {
        assert_eq!(bytes, plain.len() as u64);
        assert_eq!(plain_size(file.len() as u64), Ok(bytes));
        let nonce = Nonce::from_header(file).expect("it was read");
        assert!(encrypt(nonce, &plain) == file, "another file has the same content");
    }
    let stored = encrypt(Nonce::from_bytes([*first; 24]), file);
    assert_eq!(cipher_size(file.len() as u64), Some(stored.len() as u64));
    let (back, end) = decipher(&stored, piece * 257);
    assert!(back == file && end == Ok(file.len() as u64));
}

fn decipher(file: &[u8], piece: usize) -> (Vec<u8>, Result<u64, ContentError>) {
    let mut plain = Vec::new();
    let mut decryptor = Decryptor::new(&KEYS);
    let pushed = file
        .chunks(piece)
        .try_for_each(|piece| decryptor.push(piece, |bytes| plain.extend_from_slice(bytes)));
    let end = pushed.and_then(|()| decryptor.finish(|bytes| plain.extend_from_slice(bytes)));
    (plain, end)
}

fn encrypt(nonce: Nonce, plain: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    let mut encryptor = Encryptor::new(&KEYS, nonce);
    encryptor.push(plain, |bytes| stored.extend_from_slice(bytes));
    encryptor.finish(|bytes| stored.extend_from_slice(bytes));
    stored
}

/// The bytes are a name as it is stored, and also one on a disk.
pub fn crypt_names(data: &[u8]) {
    let standard = |encoding, folders| NameScheme::Standard { encoding, folders };
    let schemes = [
        standard(Encoding::Base32, true),
        standard(Encoding::Base64, true),
        standard(Encoding::Base32768, true),
        standard(Encoding::Base32, false),
        NameScheme::Off { suffix: ".bin".to_owned() },
    ];
    for scheme in schemes {
        let names = Names::new(&KEYS, scheme);
        for kind in [Kind::File, Kind::Folder] {
            if let Ok(name) = names.decrypt(kind, data) {
                check_is_a_name(&name);
                check_leads_back(&names, kind, &name);
            }
            check_leads_back(&names, kind, data);
        }
    }
}

fn check_is_a_name(name: &[u8]) {
    assert!(![&b""[..], b".", b".."].contains(&name), "{}", name.escape_ascii());
    assert!(!name.iter().any(|byte| [b'/', 0].contains(byte)), "{}", name.escape_ascii());
}

fn check_leads_back(names: &Names, kind: Kind, name: &[u8]) {
    let Ok(stored) = names.encrypt(kind, name) else { return };
    check_is_a_name(name);
    let (bytes, chars) = match &stored {
        StoredName::Cipher(text) => (text.clone().into_bytes(), text.chars().count()),
        StoredName::Plain(bytes) => (bytes.clone(), String::from_utf8_lossy(bytes).chars().count()),
    };
    assert_eq!(matches!(stored, StoredName::Cipher(_)), names.are_enciphered(kind));
    let told = names.stored_length(kind, name);
    assert!(told.chars == chars && told.bytes >= bytes.len(), "{told:?}");
    let back = names.decrypt(kind, &bytes).expect("it was made of a name");
    let changes = names.caveat(kind, name) == Some(Caveat::ComesBackChanged);
    assert_eq!(back != name, changes, "{}", name.escape_ascii());
}

/// The bytes are the text of `rclone.conf`; each word of it is also an obscured password.
pub fn rclone_conf(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for word in text.split_whitespace() {
        if let Ok(password) = reveal(word) {
            assert!(password.len() < word.len());
        }
    }
    let conf = match Conf::parse(&text) {
        Ok(conf) => conf,
        Err(error) => return assert!(error.to_string().len() < 200),
    };
    for section in conf.sections() {
        for (key, value) in section.options() {
            assert_eq!(section.get(key), Some(value));
        }
        let shown = match CryptSection::read(section) {
            Ok(read) => format!("{read:?} {conf:?}"),
            Err(error) => format!("{error} {error:?} {conf:?}"),
        };
        let passwords = ["password", "password2"].into_iter().filter_map(|key| section.get(key));
        for password in passwords.filter(|password| is_telling(password, &text)) {
            assert!(!shown.contains(password), "the password is in {shown:?}");
        }
    }
}

/// Whether a password is in the configuration once only, and is no word that messages have.
fn is_telling(password: &str, text: &str) -> bool {
    let has_digit = password.contains(|c: char| c.is_ascii_digit());
    password.len() >= 12 && has_digit && text.matches(password).count() == 1
}
