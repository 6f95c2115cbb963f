//! Names: the same as rclone makes, and back.

use rclone_formats::crypt::names::{Encoding, Kind, NameScheme, Names, StoredName, standard};

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
