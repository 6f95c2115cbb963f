//! The sample and the manual name every key of the program, and the sample shows its defaults.

use std::collections::BTreeSet;

use super::file::ConfigFile;
use super::*;

const SAMPLE: &str = include_str!("../../../../config/fichierd.toml");
const MANUAL: &str = include_str!("../../../../docs/configuration.md");

fn parse(text: &str) -> Config {
    let around = Surroundings::made_up(true, &[]);
    match Config::parse(Path::new("/etc/fichierd/config.toml"), text, &around) {
        Ok(config) => config,
        Err(error) => panic!("{error}"),
    }
}

/// The sample, including the keys that it shows behind a `#`.
fn uncommented() -> String {
    let is_key = |line: &str| {
        line.strip_prefix("# ").is_some_and(|rest| {
            ["[mirror.encrypt]", "[[notify]]"].contains(&rest)
                || rest.split_once(" = ").is_some_and(|(key, _)| {
                    key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                })
        })
    };
    let lines = SAMPLE.lines().map(|line| if is_key(line) { &line[2..] } else { line });
    lines.collect::<Vec<_>>().join("\n").replace("https://api.1fichier.com", "http://127.0.0.1:1")
}

/// Every key that the program knows, taken from its answer to a key that it does not know.
fn known_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for table in [
        "",
        "[account]\n",
        "[pace]\n",
        "[metrics]\n",
        "[[mirror]]\n",
        "[[mirror]]\n[mirror.encrypt]\n",
        "[[notify]]\n",
    ] {
        let error = toml::from_str::<ConfigFile>(&format!("{table}no_such_key = 1\n")).unwrap_err();
        let named = error.message().split('`').skip(3).step_by(2).map(str::to_owned);
        keys.extend(named);
    }
    keys
}

#[test]
fn the_sample_holds_the_defaults() {
    let sample = parse(SAMPLE);
    let [photos] = &sample.mirrors[..] else { panic!("one mirror, please") };
    let bare = parse(&format!(
        "[[mirror]]\nname = \"{}\"\nsource = \"{}\"\ntarget = \"{}\"\n",
        photos.name,
        photos.source.display(),
        photos.target
    ));
    assert_eq!(sample, bare);
}

#[test]
fn what_the_sample_shows_behind_a_hash_is_right_too() {
    let full = parse(&uncommented());
    assert_eq!(full.state_dir, parse(SAMPLE).state_dir);
    assert_eq!(full.control_socket, parse(SAMPLE).control_socket);
    assert_eq!(full.pace, parse(SAMPLE).pace);
    let encrypt = full.mirrors[0].encrypt.as_ref().unwrap();
    assert_eq!(encrypt.scheme, Default::default());
    assert!(encrypt.salt.is_some());
}

#[test]
fn the_manual_has_the_defaults_of_the_sample() {
    let is_default = |key: &str| !["name", "source", "target"].contains(&key);
    let shown = SAMPLE.lines().filter_map(|line| line.split_once(" = "));
    let shown = shown.filter(|(key, _)| !key.starts_with('#') && is_default(key));
    for (key, value) in shown {
        assert!(MANUAL.contains(&format!("| `{key}` | `{value}`")), "{key}: manual");
    }
}

#[test]
fn sample_and_manual_name_every_key() {
    let keys = known_keys();
    assert!(keys.len() > 15, "{keys:?}");
    let sample = uncommented();
    let tables = ["account", "pace", "metrics", "mirror", "encrypt", "notify"];
    for key in keys.iter().filter(|key| !tables.contains(&key.as_str())) {
        // What cannot stand beside another key is shown as the other choice.
        let starts = [format!("{key} = "), format!("# or {key} = ")];
        let is_shown = |line: &str| starts.iter().any(|start| line.starts_with(start));
        assert!(sample.lines().any(is_shown), "{key}: sample");
        assert!(MANUAL.contains(&format!("| `{key}` |")), "{key}: manual");
    }
    let all = ["[account]", "[pace]", "[metrics]", "[[mirror]]", "[mirror.encrypt]", "[[notify]]"];
    for table in all {
        assert!(SAMPLE.contains(table) && MANUAL.contains(&format!("## `{table}`")), "{table}");
    }
}
