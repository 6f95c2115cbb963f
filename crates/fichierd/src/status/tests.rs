//! Statuses and how they read.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::base::words::{WIDTH, bytes, count, duration};
use crate::daemon::health::{Facts, found};

pub(super) fn now() -> Timestamp {
    "2026-05-04T12:00:00Z".parse().unwrap()
}

pub(super) fn status(mirrors: Vec<MirrorStatus>) -> Status {
    Status {
        version: "0.1.0".to_owned(),
        running: true,
        calls_made: 1,
        mirrors,
        ..Status::default()
    }
}

pub(super) fn idle() -> MirrorStatus {
    MirrorStatus {
        name: "photos".to_owned(),
        source: "/srv/photos".into(),
        target: "/backups/web1/photos".to_owned(),
        state: MirrorState::Idle,
        complete: true,
        completeness: Completeness { looked: true, ..Completeness::default() },
        last_success: Some(now()),
        last_success_age_s: Some(125),
        files: 184_203,
        bytes: 5 << 40,
        watch: WatchStatus { mode: "watching".to_owned(), watched: 12, advice: None },
        ..MirrorStatus::default()
    }
}

pub(super) fn proof(good: bool, days: u64, detail: &str) -> Option<ProofStatus> {
    let age_s = days * 86_400;
    Some(ProofStatus {
        good,
        at: now(),
        age_s,
        files: 7,
        bytes: 7,
        detail: detail.to_owned(),
        last_good: None,
        last_good_age_s: good.then_some(age_s),
    })
}

fn check(status: &Status, expected: Expect) {
    let found = found(status, &Facts::default(), now());
    let degraded = found.iter().map(|found| found.entry(Some(-3_600), 9_000)).collect();
    let mut status = status.clone();
    status.set_degraded(degraded);
    let drawn = render(&status, now());
    expected.assert_eq(&drawn);
    let widest = drawn.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= WIDTH, "{widest} columns:\n{drawn}");
}

#[test]
fn a_password_that_may_lie_on_this_machine_alone_is_asked_about_and_degrades_nothing() {
    let kept = Some(EncryptionStatus { password_kept: true, former: None, cut_names: 0 });
    let quiet = status(vec![MirrorStatus { encryption: kept, ..idle() }]);
    assert_eq!(render(&quiet, now()), render(&status(vec![idle()]), now()));
    let encryption = Some(EncryptionStatus { password_kept: false, former: None, cut_names: 0 });
    check(
        &status(vec![MirrorStatus { encryption, ..idle() }]),
        expect![[r#"
        fichierd 0.1.0 is running, 1 call so far

        photos: up to date
          /srv/photos -> /backups/web1/photos
          184,203 files safe (5.00 TiB), complete 2 min ago
          nobody has confirmed that the password is kept in another place, without which
            nothing can be restored: fichierd recovery-sheet --with-secrets, then:
            fichierd recovery-sheet --confirm
    "#]],
    );
}

#[test]
fn names_that_rclone_cannot_read_are_told() {
    let encryption = EncryptionStatus { password_kept: true, former: None, cut_names: 3 };
    check(
        &status(vec![MirrorStatus { encryption: Some(encryption), ..idle() }]),
        expect![[r#"
        fichierd 0.1.0 is running, 1 call so far

        photos: up to date
          /srv/photos -> /backups/web1/photos
          184,203 files safe (5.00 TiB), complete 2 min ago
          3 names are too long when encrypted and stored shorter:
            fichierd restores them, rclone cannot read them; see: fichierd check
    "#]],
    );
}

#[test]
fn versions_in_a_former_form_are_told_with_what_becomes_of_them() {
    let encryption = |next| {
        let former = Some(FormerStatus { files: 1_204, bytes: 5 << 30, next });
        Some(EncryptionStatus { password_kept: true, former, cut_names: 0 })
    };
    let line = |next| {
        let status = status(vec![MirrorStatus { encryption: encryption(next), ..idle() }]);
        let drawn = render(&status, now());
        assert!(drawn.lines().all(|line| line.chars().count() <= WIDTH), "{drawn}");
        drawn.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let told = "1,204 earlier versions stored plain or with a former password (5.00 GiB)";
    for (next, end) in [
        (FormerNext::Sending, ", until they expire"),
        (
            FormerNext::Asks,
            ", until they expire; to remove them now: fichierd approve --remove-plain photos",
        ),
        (FormerNext::Going, ", being removed"),
    ] {
        let drawn = line(next);
        assert!(drawn.ends_with(&format!("{told}{end}")), "{drawn}");
    }
}

#[test]
fn f12_many_files_replaced_within_a_day_are_shown_as_a_burst_and_daily_work_is_not() {
    let daily = MirrorStatus { replaced_in_24_h: 90_000, ..idle() };
    assert!(!render(&status(vec![daily]), now()).contains("BURST"));
    let burst = Some(BurstStatus { since: now(), files: 90_000 });
    check(
        &status(vec![MirrorStatus { burst, ..idle() }]),
        expect![[r#"
            fichierd 0.1.0 is running, 1 call so far

            photos: degraded
              /srv/photos -> /backups/web1/photos
              184,203 files safe (5.00 TiB), complete 2 min ago
              DEGRADED for 3 h 30 min: very many files were replaced within a day
                BURST: 90,000 files replaced, emptied or renamed within a day, which looks
                  like encryption; no earlier version expires
                what to do: if nobody meant that: fichierd pause, then see:
                  fichierd history photos; if it is right: fichierd approve photos
        "#]],
    );
}

#[test]
fn a_healthy_mirror_is_three_lines_long() {
    check(
        &status(vec![idle()]),
        expect![[r#"
            fichierd 0.1.0 is running, 1 call so far

            photos: up to date
              /srv/photos -> /backups/web1/photos
              184,203 files safe (5.00 TiB), complete 2 min ago
        "#]],
    );
}

#[test]
fn good_proofs_take_one_line_and_bad_ones_say_what_to_do() {
    let good = ProofsStatus {
        audit: proof(true, 2, "all is as recorded"),
        verify: proof(true, 12, "all came"),
        drill: None,
        canary: proof(true, 5, "came"),
    };
    let bad = ProofsStatus {
        verify: proof(false, 3, "of 7 files 1 was damaged"),
        canary: proof(false, 3, "a restore from this address needs CDN credits"),
        ..good.clone()
    };
    let audit = AuditStatus { folders: 1_200, compared: 17, since: None, behind: true };
    let mirrors = vec![
        MirrorStatus { proofs: good, ..idle() },
        MirrorStatus {
            proofs: bad,
            audit: Some(audit),
            snapshot: Some(SnapshotStatus {
                newest: None,
                newest_age_s: Some(3 * 24 * 3600),
                changed_since: None,
                overdue_since: Some(Timestamp::UNIX_EPOCH),
            }),
            quota_warning: Some("the account is nearly full".to_owned()),
            ..idle()
        },
    ];
    check(
        &status(mirrors),
        expect![[r#"
            fichierd 0.1.0 is running, 1 call so far
            DEGRADED for 3 h 30 min: the account is nearly full
              the account is nearly full
              what to do: get more storage, or keep fewer versions (`keep`)

            photos: degraded
              /srv/photos -> /backups/web1/photos
              184,203 files safe (5.00 TiB), complete 2 min ago
              DEGRADED for 3 h 30 min: the snapshot of the records is overdue
                the newest is of 3 days ago
                what to do: see why it cannot be sent: journalctl -u fichierd; the files are
                  safe, a new machine would not know their latest names, times and owners
              DEGRADED for 3 h 30 min: the comparison of listings is behind
                17 of 1,200 folders so far
                what to do: nothing: it goes on while the service runs, and with each sync;
                  a longer `audit` asks less of it
              DEGRADED for 3 h 30 min: files came back damaged or not at all
                of 7 files 1 was damaged (never good yet)
                what to do: look at all of them: fichierd verify photos --full
              DEGRADED for 3 h 30 min: downloads to this address are refused
                a restore from this address needs CDN credits (never good yet)
                what to do: buy CDN credits or GOLD, or restore from another address
              proved: listings compared 2 days ago, files read back 12 days ago, a test
                download worked 5 days ago

            photos: degraded
              /srv/photos -> /backups/web1/photos
              184,203 files safe (5.00 TiB), complete 2 min ago
              DEGRADED for 3 h 30 min: the snapshot of the records is overdue
                the newest is of 3 days ago
                what to do: see why it cannot be sent: journalctl -u fichierd; the files are
                  safe, a new machine would not know their latest names, times and owners
              DEGRADED for 3 h 30 min: the comparison of listings is behind
                17 of 1,200 folders so far
                what to do: nothing: it goes on while the service runs, and with each sync;
                  a longer `audit` asks less of it
              DEGRADED for 3 h 30 min: files came back damaged or not at all
                of 7 files 1 was damaged (never good yet)
                what to do: look at all of them: fichierd verify photos --full
              DEGRADED for 3 h 30 min: downloads to this address are refused
                a restore from this address needs CDN credits (never good yet)
                what to do: buy CDN credits or GOLD, or restore from another address
              proved: listings compared 2 days ago
        "#]],
    );
}

#[test]
fn a_held_mirror_names_both_commands() {
    let held = HeldStatus {
        cause: "5,120 removals are held".to_owned(),
        reason: "5,120 of 20,000 files are gone from the disk, more than 25%".to_owned(),
        removals: 5_120,
        since: "2026-05-04T08:30:00Z".parse().unwrap(),
    };
    let mirror = MirrorStatus { state: MirrorState::Held, held: Some(held), ..idle() };
    check(
        &status(vec![mirror]),
        expect![[r#"
            fichierd 0.1.0 is running, 1 call so far

            photos: held, a decision is needed
              /srv/photos -> /backups/web1/photos
              184,203 files safe (5.00 TiB), complete 2 min ago
              DEGRADED for 3 h 30 min: removals are held
                5,120 removals are held
                what to do: if they are meant: fichierd approve photos; if not:
                  fichierd reject photos, and put the files back
        "#]],
    );
}

#[test]
fn everything_that_can_be_said_fits_in_eighty_columns() {
    let problem = ProblemStatus {
        path: "albums/2026/05/DSC_0001.NEF".to_owned(),
        what: "cannot be read: Permission denied".to_owned(),
        hint: "let the user fichierd read it, or exclude it".to_owned(),
        tries: 3,
        next_try: Some("2026-05-04T13:30:00Z".parse().unwrap()),
    };
    let mirror = MirrorStatus {
        state: MirrorState::Working,
        what: "sending 12 of 40 files".to_owned(),
        last_success_age_s: None,
        complete: false,
        completeness: Completeness {
            pending: 40,
            problems: 1_201,
            unsettled: 1,
            ..idle().completeness
        },
        pending_files: 40,
        pending_bytes: 1_600_000,
        unmanaged: 1,
        foreign: 2,
        unsettled: vec!["var/log/app.log".to_owned()],
        versions_files: 31,
        versions_bytes: 900,
        problems: vec![problem],
        problem_count: 1_201,
        watch: WatchStatus {
            mode: "partly".to_owned(),
            watched: 8_192,
            advice: Some(
                "raise the limit: sysctl -w fs.inotify.max_user_watches=524288".to_owned(),
            ),
        },
        ..idle()
    };
    let mut status = status(vec![mirror]);
    status.hold_off = Some(HoldOffStatus {
        until: "2026-05-04T12:14:30Z".parse().unwrap(),
        reason: "the service asked for a slower pace".to_owned(),
        kind: Kind::HoldOff,
    });
    status.account = Some(AccountStatus {
        offer: "premium".to_owned(),
        subscription_end: Some("2026-08-01T00:00:00Z".parse().unwrap()),
        used_bytes: Some(1 << 40),
        allowed_bytes: Some(100 << 40),
        ..AccountStatus::default()
    });
    check(
        &status,
        expect![[r#"
            fichierd 0.1.0 is running, 1 call so far
            Account: premium, for 88 days more, 1.00 TiB of 100 TiB used
            STOPPED for 3 h 30 min: nothing may be sent
              the service asked for a slower pace; next look in 14 min
              what to do: wait: it ends by itself, and any call would prolong it. If it
                comes back: look for other programs that use the account from this address

            photos: sending 12 of 40 files
              /srv/photos -> /backups/web1/photos
              184,203 files safe (5.00 TiB), 40 not confirmed yet (1.52 MiB), never complete
                yet
              DEGRADED for 3 h 30 min: some folders are not watched
                raise the limit: sysctl -w fs.inotify.max_user_watches=524288
                what to do: as the cause says; changes there are found by the timed look
                  (`rescan`)
              31 earlier versions kept (900 B)
              1 remote file excluded or rejected since; remove: fichierd prune photos
              2 remote files in the target not ours, left alone
              being written, or sent while it was: var/log/app.log
              partly watched: 8,192 folders
              DEGRADED for 3 h 30 min: files have problems (1,201):
                albums/2026/05/DSC_0001.NEF
                  cannot be read: Permission denied; next try in 1 h 30 min
                  let the user fichierd read it, or exclude it
                … and 1,200 more
        "#]],
    );
}

#[test]
fn a_stopped_service_says_that_this_is_the_past() {
    let mut status = status(vec![MirrorStatus { state: MirrorState::Offline, ..idle() }]);
    status.running = false;
    check(
        &status,
        expect![[r#"
        fichierd 0.1.0 is not running; this is what it recorded last

        photos: the service does not run
          /srv/photos -> /backups/web1/photos
          184,203 files safe (5.00 TiB), complete 2 min ago
    "#]],
    );
}

#[test]
fn z01_no_block_is_headed_up_to_date_while_it_is_degraded_pending_or_not_watched() {
    let head = |change: &dyn Fn(&mut Status)| {
        let mut status = status(vec![idle()]);
        change(&mut status);
        let found = found(&status, &Facts::default(), now());
        status.set_degraded(found.iter().map(|found| found.entry(None, 0)).collect());
        let drawn = render(&status, now());
        let head = drawn.lines().find_map(|line| line.strip_prefix("photos: ")).unwrap();
        for text in [head, &status.mirrors[0].what] {
            assert!(!text.starts_with("complete"), "{text}");
        }
        assert_eq!(head == "up to date", status.mirrors[0].what == "up to date", "{drawn}");
        head.to_owned()
    };
    assert_eq!(head(&|_| {}), "up to date");
    assert_eq!(head(&|status| status.running = false), "all files were safe at the last look");
    let watched =
        |mode: &'static str| head(&|status| status.mirrors[0].watch.mode = mode.to_owned());
    assert_eq!(watched("polling"), "degraded");
    assert_eq!(watched("partly"), "degraded");
    assert_eq!(watched("off"), "all files were safe at the last look");
    assert_eq!(head(&|status| status.mirrors[0].removals_wait = true), "degraded");
    let stopped = head(&|status| {
        let reason = "a flood".to_owned();
        status.hold_off = Some(HoldOffStatus { until: now(), reason, kind: Kind::HoldOff });
    });
    assert_eq!(stopped, "stopped: nothing may be sent");
    let pending = head(&|status| {
        let mirror = &mut status.mirrors[0];
        mirror.completeness.pending = 1;
        (mirror.state, mirror.what) = (MirrorState::Waiting, "not complete: 1 file".to_owned());
    });
    assert_eq!(pending, "not complete: 1 file");
}

#[test]
fn a_pause_says_how_it_ends() {
    let mut status = status(vec![]);
    status.paused = true;
    check(
        &status,
        expect![[r#"
            fichierd 0.1.0 is paused; go on with: fichierd resume
            STOPPED for 3 h 30 min: paused
              somebody said `fichierd pause`
              what to do: go on with: fichierd resume
            No mirror is configured: add a [[mirror]] block with `source` and `target` to
              the configuration.
        "#]],
    );
}

#[test]
fn sizes_counts_and_durations_are_short() {
    let sizes = [0, 1_023, 1_024, 1_536, 1_048_575, 10 << 20, u64::MAX].map(bytes);
    let expected = ["0 B", "1023 B", "1.00 KiB", "1.50 KiB", "1023 KiB", "10.0 MiB", "15.9 EiB"];
    assert_eq!(sizes, expected);
    assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    let durations = [59, 61, 3_600, 12_000, 172_800].map(|s| duration(Duration::from_secs(s)));
    assert_eq!(durations, ["59 s", "1 min", "1 h", "3 h 20 min", "2 days"]);
}

#[test]
fn the_json_form_is_stable() {
    let mut mirror = idle();
    mirror.problems.push(ProblemStatus {
        path: "a".to_owned(),
        what: "w".to_owned(),
        hint: String::new(),
        tries: 1,
        next_try: None,
    });
    let status = status(vec![mirror]);
    let json = serde_json::to_string_pretty(&status).unwrap();
    expect![[r#"
        {
          "schema": "fichierd.status/1",
          "version": "0.1.0",
          "running": true,
          "paused": false,
          "hold_off": null,
          "account": null,
          "calls_made": 1,
          "mirrors": [
            {
              "name": "photos",
              "source": "/srv/photos",
              "target": "/backups/web1/photos",
              "state": "idle",
              "what": "",
              "held": null,
              "complete": true,
              "completeness": {
                "looked": true,
                "pending": 0,
                "pending_until": null,
                "doubted": 0,
                "unsettled": 0,
                "put_off": 0,
                "problems": 0,
                "by_size": 0
              },
              "last_success": "2026-05-04T12:00:00Z",
              "last_success_age_s": 125,
              "files": 184203,
              "bytes": 5497558138880,
              "pending_files": 0,
              "pending_bytes": 0,
              "unmanaged": 0,
              "foreign": 0,
              "unsettled": [],
              "versions_files": 0,
              "versions_bytes": 0,
              "problems": [
                {
                  "path": "a",
                  "what": "w",
                  "hint": "",
                  "tries": 1,
                  "next_try": null
                }
              ],
              "problem_count": 0,
              "watch": {
                "mode": "watching",
                "watched": 12,
                "advice": null
              },
              "history_from": null,
              "audit": null,
              "removals_wait": false,
              "proofs": {
                "audit": null,
                "verify": null,
                "drill": null,
                "canary": null
              },
              "snapshot": null,
              "replaced_in_24_h": 0,
              "burst": null,
              "quota_warning": null,
              "alarm_after_s": null,
              "overdue_since": null,
              "encryption": null
            }
          ],
          "notified": [],
          "degraded": []
        }"#]]
    .assert_eq(&json);
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
}

#[test]
fn y49_the_account_line_tells_both_kinds_of_storage_and_the_day_of_the_next_risk() {
    let now: Timestamp = "2026-05-04T12:00:00Z".parse().unwrap();
    let line = |account: AccountStatus| {
        let status = Status { account: Some(account), ..Status::default() };
        let text = render(&status, now);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        let end = lines.iter().position(|line| line.is_empty() || line.starts_with("No mirror"));
        let words: Vec<&str> = lines[..end.unwrap()].iter().map(|line| line.trim()).collect();
        words.join(" ")
    };
    let access = AccountStatus {
        offer: "access".to_owned(),
        used_bytes: Some(1 << 30),
        allowed_bytes: Some(100 << 30),
        hot_bytes: Some(2 << 30),
        available_bytes: Some(97 << 30),
        expires_after_days: Some(30),
        first_expiry: Some("2026-06-01T12:00:00Z".parse().unwrap()),
        ..AccountStatus::default()
    };
    assert_eq!(
        line(access.clone()),
        "Account: access, 1.00 GiB of 100 GiB used in cold and 2.00 GiB in hot storage, 97.0 GiB \
         left; with this offer 1fichier may remove files that nobody downloads for 30 days, the \
         oldest upload on record from 2026-06-01"
    );
    let past = Some("2026-05-01T12:00:00Z".parse().unwrap());
    let late = AccountStatus { first_expiry: past, available_bytes: Some(-1), ..access };
    let text = line(late);
    assert!(text.contains("on record since 2026-05-01") && text.contains("1 B too much"), "{text}");
    let unknown = AccountStatus { offer: "unknown".to_owned(), ..AccountStatus::default() };
    assert_eq!(line(unknown), "Account: unknown", "no date and no size is made up");
}
