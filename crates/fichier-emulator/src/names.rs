//! Which names the service refuses for folders and changes for files (docs/api-notes.md, F.1).

const RESERVED: [char; 9] = ['\\', '<', '>', '\'', '$', '`', '/', '"', '\u{7f}'];
/// The documented limit of folder names, and the assumed one of file names (G.1 row 23).
const MAX_LENGTH: usize = 250;

/// Why `mkdir` refuses a name.
pub(crate) fn refusal(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.chars().any(is_reserved) {
        Some("it contains a reserved character")
    } else if name.starts_with(' ') {
        Some("it begins with a space")
    } else if name.chars().count() > MAX_LENGTH {
        Some("it is longer than 250 characters")
    } else {
        None
    }
}

/// The name that the service stores in place of `name`.
pub(crate) fn mangle(name: &str) -> String {
    let mut mangled: String =
        name.trim_matches(' ').chars().map(|c| if is_reserved(c) { '_' } else { c }).collect();
    while mangled.len() > MAX_LENGTH {
        mangled.pop();
    }
    if mangled.is_empty() { "_".to_owned() } else { mangled }
}

fn is_reserved(c: char) -> bool {
    c.is_control() || RESERVED.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_name_is_neither_refused_nor_changed() {
        for name in ["a.txt", "été (1).jpg", "．．", "␠x", "日本"] {
            assert_eq!(refusal(name), None, "{name}");
            assert_eq!(mangle(name), name);
        }
    }

    #[test]
    fn reserved_characters_are_refused_for_folders_and_replaced_for_files() {
        assert_eq!(refusal("it's"), Some("it contains a reserved character"));
        assert_eq!(mangle(" a<b>$ "), "a_b__");
        assert_eq!(refusal(" a"), Some("it begins with a space"));
        assert_eq!(refusal(&"x".repeat(251)), Some("it is longer than 250 characters"));
        assert_eq!(mangle(&"é".repeat(200)).len(), 250);
    }
}
