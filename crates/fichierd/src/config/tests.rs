//! Configurations, and the messages about them.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;

fn around() -> Surroundings {
    Surroundings::made_up(true, &[])
}

pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/fichierd/config.toml"), text, &around())
}

pub(super) fn check(text: &str, expected: Expect) {
    let said = match parse(text) {
        Ok(config) => panic!("accepted: {config:#?}"),
        Err(error) => error.to_string().replace("/etc/fichierd/", ""),
    };
    expected.assert_eq(&said);
}

/// A whole mirror, with `lines` added or put in place of the usual lines.
pub(super) fn mirror(lines: &str) -> String {
    let usual = [("name", "photos"), ("source", "/no/photos"), ("target", "/backups/photos")];
    let is_given = |key: &str| lines.lines().any(|line| line.starts_with(&format!("{key} =")));
    let usual = usual.iter().filter(|(key, _)| !is_given(key));
    let usual: String = usual.map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
    format!("[[mirror]]\n{usual}{lines}\n")
}

#[test]
fn a_mirror_needs_only_three_keys() {
    let config = parse(&mirror("")).unwrap();
    assert_eq!(config.state_dir, Path::new("/var/lib/fichierd"));
    assert_eq!(config.account.api_url, "https://api.1fichier.com/v1");
    let photos = config.mirror("photos").unwrap();
    assert_eq!(photos.settle, Duration::from_secs(5));
    assert_eq!(photos.max_removals, MaxRemovals::Percent(25));
    assert_eq!(photos.keep, Keep::For(Duration::from_secs(30 * 86_400)));
}

#[test]
fn an_unknown_key_is_pointed_at_with_the_nearest_one() {
    check(
        &mirror("setle = \"5s\""),
        expect![[r#"
        config.toml:5:1: unknown key `setle`
          5 | setle = "5s"
            | ^^^^^
          help: did you mean `settle`?"#]],
    );
    check(
        "[pace]\nbandwidth = 3\n",
        expect![[r#"
            config.toml:2:1: unknown key `bandwidth`
              2 | bandwidth = 3
                | ^^^^^^^^^
              help: the keys here are calls_per_second, parallel_uploads, parallel_downloads, time_scale, file"#]],
    );
}

#[test]
fn a_missing_key_is_named() {
    check(
        "[[mirror]]\nname = \"photos\"\ntarget = \"/x\"\n",
        expect![[r#"
        config.toml:1:1: the key `source` is missing here
          1 | [[mirror]]
            | ^^^^^^^^^^"#]],
    );
}

#[test]
fn broken_toml_is_pointed_at() {
    check(
        "[pace\n",
        expect![[r#"
        config.toml:1:6: unclosed table, expected `]`
          1 | [pace
            |      ^"#]],
    );
}

#[test]
fn a_wrong_type_says_what_is_expected() {
    check(
        &mirror("settle = 5"),
        expect![[r#"
        config.toml:5:10: wrong type: integer `5`, expected a duration with its unit, in quotes, such as "90s" or "1h 30m"
          5 | settle = 5
            |          ^"#]],
    );
    check(
        "[pace]\ncalls_per_second = \"fast\"\n",
        expect![[r#"
        config.toml:2:20: wrong type: string "fast", expected a number
          2 | calls_per_second = "fast"
            |                    ^^^^^^"#]],
    );
    check(
        &mirror("exclude = \"*.tmp\""),
        expect![[r#"
        config.toml:5:11: wrong type: string "*.tmp", expected a list: ["…", "…"]
          5 | exclude = "*.tmp"
            |           ^^^^^^^"#]],
    );
    check(
        &mirror("exclude = [5]"),
        expect![[r#"
        config.toml:5:12: wrong type: integer `5`, expected text in quotes
          5 | exclude = [5]
            |            ^"#]],
    );
    check(
        &mirror("source = 5"),
        expect![[r#"
        config.toml:4:10: wrong type: integer `5`, expected a path in quotes
          4 | source = 5
            |          ^"#]],
    );
    check(
        &mirror("keep = 30"),
        expect![[r#"
        config.toml:5:8: wrong type: integer `30`, expected a duration in quotes such as "30d", or "0", or "forever"
          5 | keep = 30
            |        ^^"#]],
    );
    check(
        &mirror("max_removals = -1"),
        expect![[r#"
        config.toml:5:16: wrong type: integer `-1`, expected a share such as "25%", or a number of files
          5 | max_removals = -1
            |                ^^"#]],
    );
}

#[test]
fn keys_that_do_not_fit_are_told_all_at_once() {
    check(
        "[pace]\ncalls_per_second = \"fast\"\nparalel_uploads = 3\n\
         [[mirror]]\nname = 5\nsource = \"/srv/a\"\ntarget = \"/a\"\nexclude = [7]\n\
         [[mirror]]\nname = \"b\"\ntarget = \"/b\"\nkeep = 30\n",
        expect![[r#"
            config.toml:2:20: wrong type: string "fast", expected a number
              2 | calls_per_second = "fast"
                |                    ^^^^^^
            config.toml:3:1: unknown key `paralel_uploads`
              3 | paralel_uploads = 3
                | ^^^^^^^^^^^^^^^
              help: did you mean `parallel_uploads`?
            config.toml:5:8: wrong type: integer `5`, expected text in quotes
              5 | name = 5
                |        ^
            config.toml:8:12: wrong type: integer `7`, expected text in quotes
              8 | exclude = [7]
                |            ^
            config.toml:9:1: the key `source` is missing here
              9 | [[mirror]]
                | ^^^^^^^^^^
            config.toml:12:8: wrong type: integer `30`, expected a duration in quotes such as "30d", or "0", or "forever"
              12 | keep = 30
                 |        ^^"#]],
    );
}

#[test]
fn audits_and_drills_are_switched_off_as_the_manual_says() {
    let config = parse(&mirror("audit = \"0\"\ndrill = \"0\"")).unwrap();
    assert_eq!((config.mirrors[0].audit, config.mirrors[0].drill), (None, None));
}

#[test]
fn a_bad_duration_says_how_it_is_written() {
    check(
        &mirror("rescan = \"1 fortnight\""),
        expect![[r#"
        config.toml:5:10: `fortnight` is not a unit of time; the units are ms, s, m, h, d and w
          5 | rescan = "1 fortnight"
            |          ^^^^^^^^^^^^^"#]],
    );
    check(
        &mirror("settle = \"5\""),
        expect![[r#"
        config.toml:5:10: `5` has no unit; did you mean `5s` or `5m`?
          5 | settle = "5"
            |          ^^^"#]],
    );
}

#[test]
fn impossible_values_are_refused_all_at_once() {
    check(
        "[pace]\ncalls_per_second = 4\nparallel_uploads = 0\ntime_scale = 100\n",
        expect![[r#"
            config.toml:2:20: `calls_per_second` must be above 0 and at most 3
              2 | calls_per_second = 4
                |                    ^
              help: the service publishes 3 as its limit and locks addresses well below it; 1 is safe
            config.toml:3:20: `parallel_uploads` must be between 1 and 16
              3 | parallel_uploads = 0
                |                    ^
              help: 2 uploads fill most lines
            config.toml:4:14: `time_scale` is only for an emulator on this machine
              4 | time_scale = 100
                |              ^^^
              help: remove it: against the real service it would break the limits and lock the account"#]],
    );
    check(
        &mirror("rescan = \"0s\"\nsettle = \"1h\"\nsettle_at_most = \"1m\"\nremovals_floor = -1"),
        expect![[r#"
            config.toml:5:10: `rescan` must be at least 1s
              5 | rescan = "0s"
                |          ^^^^
              help: leave the key out for the default
            config.toml:7:18: `settle_at_most` is shorter than `settle`
              7 | settle_at_most = "1m"
                |                  ^^^^
              help: settle_at_most is the longest wait for a file that is being written all the time
            config.toml:8:18: `removals_floor` must not be negative
              8 | removals_floor = -1
                |                  ^^
              help: 0 means that only max_removals counts"#]],
    );
    check(
        &mirror("name = \"My Photos\"\nexclude = [\"*.tmp\", \"a[z-a]\"]"),
        expect![[r#"
        config.toml:4:8: `My Photos` cannot be the name of a mirror
          4 | name = "My Photos"
            |        ^^^^^^^^^^^
          help: use 1 to 64 of: small letters, digits, `.`, `_`, `-`
        config.toml:5:21: this pattern cannot be read: error parsing glob 'a[z-a]': invalid range; 'z' > 'a'
          5 | exclude = ["*.tmp", "a[z-a]"]
            |                     ^^^^^^^^
          help: patterns are written as in .gitignore"#]],
    );
}

#[test]
fn a_file_that_settles_late_may_never_rest_that_long() {
    let config = parse(&mirror("settle = \"10m\"")).unwrap();
    assert_eq!(config.mirrors[0].settle_at_most, Duration::from_secs(600));
}

#[test]
fn the_time_scale_is_accepted_for_an_emulator() {
    let text = "account.api_url = \"http://127.0.0.1:8080/v1/\"\npace.time_scale = 100\n";
    let config = parse(text).unwrap();
    assert_eq!(config.pace.time_scale, 100);
    assert_eq!(config.account.api_url, "http://127.0.0.1:8080/v1");
}

#[test]
fn the_key_is_never_sent_in_the_clear() {
    check(
        "[account]\napi_url = \"http://api.1fichier.com/v1\"\n",
        expect![[r#"
        config.toml:2:11: `api_url` would send the API key unencrypted
          2 | api_url = "http://api.1fichier.com/v1"
            |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          help: use https"#]],
    );
    check(
        "[account]\napi_url = \"api.1fichier.com\"\n",
        expect![[r#"
        config.toml:2:11: `api_url` is not an address: relative URL without a base
          2 | api_url = "api.1fichier.com"
            |           ^^^^^^^^^^^^^^^^^^
          help: write it like "https://api.1fichier.com/v1""#]],
    );
}

#[test]
fn a_key_in_the_wrong_place_is_not_shown() {
    let key = "0123456789abcdefghijABCDEFGHIJ_-";
    check(
        &format!("[account]\napi_key = \"{key}\"\n"),
        expect![[r#"
        config.toml:2:1: unknown key `api_key`
          2 | api_key = "********************************"
            | ^^^^^^^
          help: did you mean `api_key_file`?"#]],
    );
    for text in [
        format!("[account]\napi_key_file = \"{key}\"\n"),
        format!("[account]\nkey = \"{key}\"\n"),
        format!("[account]\napi_key_file = {key}\n"),
        format!("[[mirror]]\nname = \"{key}!\"\nsource = \"/s\"\ntarget = \"/t\"\n"),
    ] {
        let error = parse(&text).unwrap_err();
        for drawing in [Drawing::Plain, Drawing::Monochrome] {
            let drawn = error.render(drawing);
            assert!(!drawn.contains("0123456789"), "{drawn}");
        }
        assert!(!format!("{error:?}").contains(key), "{error:?}");
    }
}

#[test]
fn a_target_is_a_folder_below_the_root() {
    check(
        &mirror("target = \"/\""),
        expect![[r#"
        config.toml:4:10: `target` must not be the root of the account
          4 | target = "/"
            |          ^^^
          help: everything in the account would lie inside the mirror; name a folder"#]],
    );
    check(
        &mirror("target = \"backups\""),
        expect![[r#"
        config.toml:4:10: `target` must be a whole path
          4 | target = "backups"
            |          ^^^^^^^^^
          help: begin it with `/`: the account's root"#]],
    );
    check(
        &mirror("target = \"/a/../b\""),
        expect![[r#"
        config.toml:4:10: `target` contains `..`
          4 | target = "/a/../b"
            |          ^^^^^^^^^
          help: write the path it leads to"#]],
    );
    check(
        &mirror("target = \"/a/.fichierd\""),
        expect![[r#"
        config.toml:4:10: `.fichierd` is reserved for this program
          4 | target = "/a/.fichierd"
            |          ^^^^^^^^^^^^^^
          help: choose another folder"#]],
    );
    let tidied = parse(&mirror("target = \"//a//b/\"")).unwrap();
    assert_eq!(tidied.mirrors[0].target, "/a/b");
}

#[test]
fn mirrors_with_the_same_name_or_target_are_refused() {
    let two = mirror("") + &mirror("source = \"/no/other\"");
    check(
        &two,
        expect![[r#"
        config.toml:7:8: a mirror named `photos` stands above already
          7 | name = "photos"
            |        ^^^^^^^^
          help: each mirror needs a name of its own; commands use it
        config.toml:8:10: this target is also that of mirror `photos` (/backups/photos)
          8 | target = "/backups/photos"
            |          ^^^^^^^^^^^^^^^^^
          help: two mirrors must not write into one folder; choose targets side by side"#]],
    );
}

#[test]
fn targets_and_sources_must_lie_side_by_side() {
    let inner = mirror("name = \"raw\"\nsource = \"/no/photos/raw\"\ntarget = \"/backups\"");
    check(
        &(mirror("") + &inner),
        expect![[r#"
        config.toml:8:10: this source lies inside that of mirror `photos` (/no/photos)
          8 | source = "/no/photos/raw"
            |          ^^^^^^^^^^^^^^^^
          help: the files in both would be sent twice; choose sources side by side
        config.toml:9:10: this target contains that of mirror `photos` (/backups/photos)
          9 | target = "/backups"
            |          ^^^^^^^^^^
          help: two mirrors must not write into one folder; choose targets side by side"#]],
    );
    let beside = mirror("name = \"b\"\nsource = \"/no/photos-b\"\ntarget = \"/backups/photos-b\"");
    parse(&(mirror("") + &beside)).unwrap();
}

#[test]
fn sources_that_are_one_folder_by_a_symbolic_link_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let first = mirror(&format!("source = \"{}\"", real.display()));
    let second = format!("name = \"b\"\ntarget = \"/b\"\nsource = \"{}/x\"", link.display());
    let said = parse(&(first + &mirror(&second))).unwrap_err().to_string();
    assert!(said.contains("this source lies inside that of mirror `photos`"), "{said}");
}

#[test]
fn the_state_folder_lies_outside_of_every_source() {
    check(
        &("state_dir = \"/no/photos/state\"\n".to_owned() + &mirror("")),
        expect![[r#"
        config.toml:1:13: the state folder /no/photos/state lies inside the source of mirror `photos` (/no/photos)
          1 | state_dir = "/no/photos/state"
            |             ^^^^^^^^^^^^^^^^^^
          help: every upload would change the folder that it comes from; move state_dir elsewhere"#]],
    );
    check(
        &mirror("source = \"/\""),
        expect![[r#"
        config.toml:4:10: the state folder /var/lib/fichierd lies inside the source of mirror `photos` (/)
          4 | source = "/"
            |          ^^^
          help: every upload would change the folder that it comes from; move state_dir elsewhere"#]],
    );
    check(
        &mirror("source = \"/var/lib/fichierd/x\""),
        expect![[r#"
        config.toml:4:10: this source lies inside the state folder /var/lib/fichierd
          4 | source = "/var/lib/fichierd/x"
            |          ^^^^^^^^^^^^^^^^^^^^^
          help: the state folder belongs to this program alone"#]],
    );
}

#[test]
fn paths_are_whole() {
    check(
        &mirror("source = \"photos\""),
        expect![[r#"
        config.toml:4:10: `source` must be a whole path
          4 | source = "photos"
            |          ^^^^^^^^
          help: begin it with `/`: a service has no current folder, and `~` is not expanded"#]],
    );
    check(
        "[account]\napi_key_file = \"~/key\"\nca_file = \"/a/../b\"\n",
        expect![[r#"
        config.toml:2:16: `api_key_file` must be a whole path
          2 | api_key_file = "~/key"
            |                ^^^^^^^
          help: begin it with `/`: a service has no current folder, and `~` is not expanded
        config.toml:3:11: `ca_file` contains `..`
          3 | ca_file = "/a/../b"
            |           ^^^^^^^^^
          help: write the path it leads to"#]],
    );
}

#[test]
fn on_a_terminal_the_place_is_drawn() {
    let error = parse(&mirror("setle = \"5s\"")).unwrap_err();
    expect![[r#"
        error: unknown key `setle`
          ╭▸ /etc/fichierd/config.toml:5:1
          │
        5 │ setle = "5s"
          │ ━━━━━
          │
          ╰ help: did you mean `settle`?
    "#]]
    .assert_eq(&error.render(Drawing::Monochrome));
    assert!(error.render(Drawing::Colour).contains('\u{1b}'));
    assert_eq!(error.render(Drawing::Plain), format!("{error}\n"));
}

#[test]
fn what_is_drawn_stays_within_eighty_columns_wherever_it_points() {
    let listed = mirror("setle = \"5s\"").repeat(900);
    let long = mirror(&format!("keep = \"{}\"", "x ".repeat(100)));
    for text in
        ["", "[pace", "[pace\n", "[pace]\nbandwidth = 3\n", "é = \"漢\u{1b}[31m", &long, &listed]
    {
        let Err(error) = parse(text) else { continue };
        let drawn = error.render(Drawing::Monochrome);
        let widest = drawn.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{widest} columns:\n{drawn}");
        assert!(!drawn.contains('\u{1b}'), "{drawn}");
    }
}

#[test]
fn a_configuration_that_is_not_there_says_where_it_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    let error = Config::load_in(Some(Path::new("/no/such.toml")), &around()).unwrap_err();
    assert!(error.to_string().contains("looked for:\n  /no/such.toml"), "{error}");
    let unreadable = Config::load_in(Some(dir.path()), &around()).unwrap_err();
    assert_eq!(
        unreadable.to_string(),
        format!("{home}: cannot be read: Is a directory (os error 21)")
    );
}

#[test]
fn the_user_file_is_found_before_that_of_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("fichierd");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.toml"), "state_dir = \"/s\"\n").unwrap();
    let user = Surroundings::made_up(false, &[("XDG_CONFIG_HOME", dir.path().to_str().unwrap())]);
    let config = Config::load_in(None, &user).unwrap();
    assert_eq!(config.path, folder.join("config.toml"));
    assert_eq!(config.control_socket, Path::new("/s/control.sock"));
}

#[test]
fn metrics_are_told_to_this_machine_alone() {
    check(
        "[metrics]\nlisten = \"0.0.0.0:7576\"\ntextfile = \"fichierd.prom\"\n",
        expect![[r#"
        config.toml:2:10: `listen` would tell everybody in the network how this machine is
          2 | listen = "0.0.0.0:7576"
            |          ^^^^^^^^^^^^^^
          help: use 127.0.0.1 or [::1]; for other machines, put a proxy with a password before it
        config.toml:3:12: `textfile` must be a whole path
          3 | textfile = "fichierd.prom"
            |            ^^^^^^^^^^^^^^^
          help: begin it with `/`: a service has no current folder, and `~` is not expanded"#]],
    );
    check(
        "[metrics]\nlisten = \"7576\"\ntextfile = \"/var/lib/fichierd.txt\"\n",
        expect![[r#"
        config.toml:2:10: `listen` is not an address with a port
          2 | listen = "7576"
            |          ^^^^^^
          help: write it like "127.0.0.1:7576" or "[::1]:7576"
        config.toml:3:12: the name of `textfile` must end in `.prom`
          3 | textfile = "/var/lib/fichierd.txt"
            |            ^^^^^^^^^^^^^^^^^^^^^^^
          help: node_exporter reads no other files"#]],
    );
    let inside = format!("[metrics]\ntextfile = \"/no/photos/deep/a.prom\"\n{}", mirror(""));
    check(
        &inside,
        expect![[r#"
        config.toml:2:12: `textfile` lies inside the source of mirror `photos`
          2 | textfile = "/no/photos/deep/a.prom"
            |            ^^^^^^^^^^^^^^^^^^^^^^^^
          help: it would be sent each time that it is written; put it elsewhere"#]],
    );
    let text = "[metrics]\nlisten = \"[::1]:7576\"\ntextfile = \"/run/a.prom\"\n";
    let config = parse(text).unwrap();
    assert_eq!(config.metrics.listen, Some("[::1]:7576".parse().unwrap()));
    assert_eq!(config.metrics.textfile, Some("/run/a.prom".into()));
    assert_eq!(parse("").unwrap().metrics, MetricsConfig::default());
}
