//! The configuration.
//!
//! The bytes are its text.

use std::fs;
use std::path::Component;

use fichierd::config::Config;
use fichierd::disk::Filter;
use tempfile::TempDir;

/// The bytes are a configuration file, which is refused or read as one that makes sense.
pub fn config(data: &[u8]) {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("config.toml");
    fs::write(&path, data).expect("a file");
    let config = match Config::load(Some(&path)) {
        Ok(config) => config,
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.is_empty());
            return;
        }
    };
    assert!(config.state_dir.is_absolute() && config.control_socket.is_absolute());
    assert!(config.pace.calls_per_second > 0.0 && config.pace.calls_per_second <= 3.0);
    assert!((1..=16).contains(&config.pace.parallel_uploads));
    assert!((1..=16).contains(&config.pace.parallel_downloads));
    assert!(config.pace.time_scale >= 1);
    for mirror in &config.mirrors {
        let is_name = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
        assert!((1..=64).contains(&mirror.name.len()) && mirror.name.chars().all(is_name));
        assert!(mirror.source.is_absolute());
        assert!(!mirror.source.components().any(|part| part == Component::ParentDir));
        let names: Vec<_> = mirror.target.split('/').collect();
        assert!(names.len() > 1 && names[0].is_empty(), "{}", mirror.target);
        for name in &names[1..] {
            assert!(!matches!(*name, "" | "." | ".."), "{}", mirror.target);
        }
        assert!(Filter::new(&mirror.source, &mirror.exclude).is_ok());
        // No time that is added to another overflows.
        assert!(mirror.sync_patience() >= mirror.settle);
    }
    for (at, one) in config.mirrors.iter().enumerate() {
        for other in &config.mirrors[at + 1..] {
            let below = |inner: &str, outer: &str| {
                inner
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            assert!(!below(&one.target, &other.target) && !below(&other.target, &one.target));
            assert!(
                !one.source.starts_with(&other.source) && !other.source.starts_with(&one.source)
            );
        }
    }
}
