//! A day before a service whose upload nodes behave in one way, hour by hour: how many calls are
//! made, and how many bytes are sent (row Y48).
//!
//! Whatever the nodes do, the files arrive and little is sent twice, or the calls stay few until a
//! person has looked.

use std::time::Duration;

use fichier_emulator::{Action, AtQuota, EndPage, Fault, HashLag, NoHash, NodeRefusal, Rules};
use tokio::time::Instant;

use crate::script::{Change, Content, Event, Script, Setting};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);
const FOR_EVER: Duration = Duration::from_secs(1000 * 24 * 3600);
/// The most calls of an hour in which nothing gets on; two of them make the folders of the versions
/// and of the day, once.
const MOST_CALLS: u64 = 42;

/// A behaviour of the nodes, by its name.
enum Case {
    /// Everything arrives.
    Works(&'static str, fn(&mut Rules)),
    /// Nothing arrives.
    Stuck(&'static str, fn(&mut Rules)),
    /// Nothing arrives because of a fault.
    Broken(&'static str, Action),
}

/// What a day has shown.
#[derive(Debug)]
struct Day {
    /// The calls of each hour from the time at which the nodes change.
    calls: Vec<u64>,
    /// Bytes that were sent from then on.
    sent: u64,
    /// Whether the target equals the disk at the end.
    is_mirrored: bool,
}

fn a_day(rules: impl FnOnce(&mut Rules), fault: Option<Fault>) -> Day {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let setting = Setting::usual();
        let mut world = World::new(&Script { seed: 1, setting, events: Vec::new() });
        world.run(Instant::now() + HOUR).await.unwrap();
        let mut set = Rules::default();
        rules(&mut set);
        world.emulator.set_rules(set);
        if let Some(fault) = fault {
            world.emulator.inject(fault);
        }
        let before = world.emulator.bytes_received();
        let mut calls = Vec::new();
        for hour in 0..24 {
            let files = match hour {
                0 => 5,
                8 | 16 => 1,
                _ => 0,
            };
            for name in 0..files {
                let content = Content::New { length: 200 };
                let change = Change::Write { folder: name, name: hour + name, content };
                world.happen(&Event::Change { change, seen: true }).await.unwrap();
            }
            let mark = world.road.answered();
            world.run(Instant::now() + HOUR).await.unwrap();
            calls.push(world.road.answered() - mark);
        }
        let sent = world.emulator.bytes_received() - before;
        let outside = &mut *world.outside();
        let is_mirrored = outside.look.at_rest(&outside.disk).is_ok();
        Day { calls, sent, is_mirrored }
    })
}

#[test]
fn y48_for_a_day_under_each_habit_of_nodes_files_arrive_once_or_calls_stay_few() {
    let cases = [
        Case::Works("a page for ever", |r| {
            let text = "<title>File upload</title>a temporary page".to_owned();
            r.end_page = Some(EndPage { text, lasts: FOR_EVER });
        }),
        Case::Works("the scanner for ever", |r| {
            r.end_page = Some(EndPage { text: "Please wait".to_owned(), lasts: FOR_EVER });
        }),
        Case::Works("no hash in results", |r| r.hash_lag.result = FOR_EVER),
        Case::Works("no hash for forty minutes", |r| {
            let lag = Duration::from_secs(2400);
            r.hash_lag = HashLag { result: lag, listing: lag, info: lag };
            r.no_hash = NoHash::Null;
        }),
        Case::Works("no hash at all", |r| {
            r.hash_lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
            r.no_hash = NoHash::LeftOut;
        }),
        Case::Works("removal links", |r| r.remove_told = true),
        Case::Works("two links at first", |r| {
            r.first_links = Some((2, Duration::from_secs(300)));
            r.listing_lag = Duration::from_secs(120);
        }),
        Case::Stuck("413", |r| r.node_refusal = refusal(413)),
        Case::Stuck("a page of its own", |r| r.node_refusal = refusal(200)),
        Case::Stuck("room is lost silently", |r| {
            r.quota_bytes = 1;
            r.at_quota = AtQuota::Lose;
        }),
        Case::Stuck("a full account", |r| r.quota_bytes = 1),
        Case::Broken("nobody's", Action::Anonymous),
        Case::Broken("cut", Action::ResetAfter(100)),
        Case::Broken("reset", Action::Reset),
        Case::Broken("a node without storage", Action::NodeStorage),
    ];
    let usual = a_day(|_| {}, None);
    assert!(usual.is_mirrored, "{usual:?}");
    println!("{:>24}: {:?}", "as usual", usual.calls);
    let mut wrong = Vec::new();
    for case in cases {
        let (name, day, works) = match case {
            Case::Works(name, rules) => (name, a_day(rules, None), true),
            Case::Stuck(name, rules) => (name, a_day(rules, None), false),
            Case::Broken(name, action) => {
                (name, a_day(|_| {}, Some(Fault::always("upload.cgi", action))), false)
            }
        };
        println!("{name:>24}: {:?}, {} bytes of {}", day.calls, day.sent, usual.sent);
        let largest = day.calls.iter().copied().max().unwrap_or(0);
        if largest > MOST_CALLS || works && (!day.is_mirrored || day.sent * 10 > usual.sent * 13) {
            wrong.push(format!("{name}: {day:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn refusal(status: u16) -> Option<NodeRefusal> {
    Some(NodeRefusal { status, page: "<h1>no</h1>".to_owned(), above_files: 0 })
}
