//! A day under each habit of refusing: how many calls it costs, and how many in the largest hour.
//!
//! The program may not hammer a service that refuses it, whatever the words and the form of the
//! refusal are (docs/api-notes.md, E): the rows of the table that this prints are bounds of the
//! tests. Files change meanwhile, so that there is always work to be done. Where the service refuses
//! only calls that come too soon, the work must get done.

use std::fmt::Write as _;
use std::time::Duration;

use fichier_emulator::{Action, Fault, FloodAnswer, Rules};
use fichier_testkit::crypt;
use tokio::time::Instant;

use crate::script::{Event, Script, Setting};
use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);
/// The most calls in any hour while the service refuses.
const MOST_IN_AN_HOUR: usize = 40;

/// The rules of a service that refuses only calls that come too soon.
type Threshold = (&'static str, fn(&mut Rules));

/// What was counted in a day.
struct Day {
    calls: usize,
    largest_hour: usize,
    /// The calls in the last three hours.
    at_the_end: usize,
    /// The degraded state in the end, and its cause.
    trouble: Option<(&'static str, String)>,
}

fn script() -> Script {
    let setting = Setting::usual();
    Script { seed: 7, setting, events: Vec::new() }
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// A day in which a file is added every ten minutes.
async fn day(world: &mut World) -> Day {
    let began = Instant::now();
    for number in 0..24 * 6 {
        world.add(number);
        world.happen(&Event::Wait(HOUR / 6)).await.unwrap();
    }
    count(world, began)
}

fn count(world: &World, began: Instant) -> Day {
    let requests = world.road.requests();
    let times: Vec<Duration> = requests.iter().map(|(at, _)| at.duration_since(began)).collect();
    let in_hour =
        |first: Duration| times.iter().filter(|at| **at >= first && **at < first + HOUR).count();
    Day {
        calls: times.len(),
        largest_hour: times.iter().map(|at| in_hour(*at)).max().unwrap_or(0),
        at_the_end: times.iter().filter(|at| **at >= 21 * HOUR).count(),
        trouble: world.trouble.clone(),
    }
}

fn page(status: u16, text: &str) -> Action {
    Action::Html(status, format!("<html><title>{text}</title></html>"))
}

fn ko(status: u16, message: &str) -> Action {
    Action::Json(status, format!(r#"{{"status":"KO","message":"{message}"}}"#))
}

/// What the service answers, to which call, and how many calls the last three hours may have.
fn refusals() -> Vec<(&'static str, &'static str, Action, usize)> {
    let every = "*";
    vec![
        ("flood, KO", every, Action::Flood, 14),
        ("flood, 429 page", every, page(429, "Too Many Requests"), 14),
        ("flood, 200 page", every, page(200, "Your requests are too fast"), 14),
        ("IP Locked", every, Action::HardLock, 4),
        ("Owner locked", every, Action::OwnerLocked, 4),
        ("suspended, in French", every, ko(403, "Compte suspendu, contactez le support"), 4),
        ("suspended, 200", every, ko(200, "Account suspended"), 4),
        ("key refused", every, Action::KeyRefused, 4),
        ("key refused, in French", every, ko(401, "Non authentifié"), 4),
        ("403 page", every, page(403, "403 Forbidden nginx"), 4),
        ("401 page", every, page(401, "Authorization Required"), 4),
        ("402 page", every, page(402, "Payment Required"), 4),
        ("404 page", every, page(404, "Not Found"), 4),
        ("405 page", every, page(405, "Not Allowed"), 4),
        ("409 page", every, page(409, "Conflict"), 4),
        ("451 page", every, page(451, "Unavailable"), 4),
        ("challenge, 403", every, page(403, "Just a moment..."), 4),
        ("challenge, 503", every, page(503, "Just a moment..."), 16),
        ("challenge, 200", every, page(200, "Just a moment..."), 16),
        (
            "redirect to the login",
            every,
            Action::RedirectTo("https://1fichier.com/login".into()),
            4,
        ),
        ("502 page", every, page(502, "Bad Gateway"), 16),
        ("520 page", every, page(520, "unknown error"), 16),
        ("500, empty", every, Action::Status(500, String::new()), 16),
        ("403, empty", every, Action::Status(403, String::new()), 4),
        ("200, empty", every, Action::Empty, 16),
        ("cut JSON", every, Action::Truncated, 16),
        ("unknown KO, 403", every, ko(403, "Erreur interne inattendue #7777"), 4),
        ("unknown KO, 410", every, ko(410, "Gone"), 4),
        ("unknown KO, 400", every, ko(400, "Mauvaise requête"), 16),
        ("unknown KO, 404", every, ko(404, "Introuvable"), 16),
        ("unknown KO, 200", every, ko(200, "Erreur"), 16),
        ("KO without message, 200", every, Action::Json(200, r#"{"status":"KO"}"#.into()), 16),
        ("KO without message, 403", every, Action::Json(403, r#"{"status":"KO"}"#.into()), 4),
        ("410 for file/mv", "file/mv.cgi", ko(410, "Gone"), 24),
        ("unknown KO 403 for file/mv", "file/mv.cgi", ko(403, "Non"), 24),
        ("403 page for file/mv", "file/mv.cgi", page(403, "Forbidden"), 24),
        ("unknown KO 403 for mkdir", "folder/mkdir.cgi", ko(403, "Non"), 24),
        ("unknown KO 403 for listings", "folder/ls.cgi", ko(403, "Non"), 24),
        ("200 page for listings", "folder/ls.cgi", page(200, "Accueil"), 60),
        ("200 page for nodes", "upload/get_upload_server.cgi", page(200, "Accueil"), 60),
    ]
}

#[test]
fn y28_a_day_of_refusals_costs_few_calls_in_any_hour_and_fewer_in_the_end() {
    let mut table = format!("{:36}{:>8}{:>14}{:>14}\n", "", "calls", "largest hour", "last 3 h");
    let mut wrong = Vec::new();
    for (name, endpoint, action, at_the_end) in refusals() {
        let told = in_virtual_time(async {
            let mut world = World::new(&script());
            // A mirror that is up to date needs no listings.
            if endpoint != "folder/ls.cgi" {
                world.rest().await.unwrap();
                world.road.forget_requests();
            }
            world.emulator.inject(Fault::always(endpoint, action));
            let told = day(&mut world).await;
            world.end();
            told
        });
        let Day { calls, largest_hour, at_the_end: last, trouble } = told;
        let (kind, cause) = trouble.clone().unwrap_or(("no trouble", String::new()));
        writeln!(table, "{name:36}{calls:>8}{largest_hour:>14}{last:>14}  {kind}: {cause}")
            .unwrap();
        if largest_hour > MOST_IN_AN_HOUR || last > at_the_end || trouble.is_none() {
            wrong.push(name);
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong:?}\n{table}");
}

#[test]
fn y29_a_service_that_starts_over_and_over_does_not_hammer() {
    for action in [Action::OwnerLocked, ko(403, "Non"), page(403, "Forbidden"), Action::Flood] {
        let told = in_virtual_time(async {
            let mut world = World::new(&script());
            world.emulator.inject(Fault::always("*", action.clone()));
            let began = Instant::now();
            while began.elapsed() < 6 * HOUR {
                world.restart();
                world.pacer.lift_hold_off();
                world.happen(&Event::Wait(Duration::from_secs(20))).await.unwrap();
            }
            let told = count(&world, began);
            world.end();
            told
        });
        println!("{action:?}: {} calls, {} in the largest hour", told.calls, told.largest_hour);
        assert!(told.largest_hour <= MOST_IN_AN_HOUR, "{action:?}: {}", told.largest_hour);
    }
}

/// Thresholds below our pace.
const THRESHOLDS: [Threshold; 7] = [
    ("a call in 2 s", |rules| rules.calls_apart = Some(Duration::from_secs(2))),
    ("a call in 2 s, 429 page", |rules| {
        rules.calls_apart = Some(Duration::from_secs(2));
        rules.flood_answer = FloodAnswer::Page429;
    }),
    ("a call in 2 s, 200 page", |rules| {
        rules.calls_apart = Some(Duration::from_secs(2));
        rules.flood_answer = FloodAnswer::Page200;
    }),
    ("a call in 10 s", |rules| rules.calls_apart = Some(Duration::from_secs(10))),
    ("a listing in 20 s", |rules| rules.listing_interval = Some(Duration::from_secs(20))),
    ("a new folder in 10 s", |rules| rules.folders_made_apart = Some(Duration::from_secs(10))),
    ("a call in 2 s, unknown words", |rules| {
        rules.calls_apart = Some(Duration::from_secs(2));
        rules.flood_answer = FloodAnswer::Unknown;
    }),
];

#[test]
fn y30_below_the_services_threshold_the_mirror_gets_done_and_stays_below_it() {
    for (name, rules) in THRESHOLDS {
        in_virtual_time(async {
            let mut world = World::with(&script(), rules);
            let began = Instant::now();
            world.happen(&Event::Wait(6 * HOUR)).await.unwrap();
            assert_eq!(world.trouble, None, "{name}");
            let calls = world.road.requests().len();
            world.happen(&Event::Wait(HOUR)).await.unwrap();
            assert_eq!(world.road.requests().len(), calls, "{name}: it is not done after 6 h");
            let told = day(&mut world).await;
            let floods = world.emulator.violations().len();
            println!("{name}: {} calls in {:?}, {floods} floods", told.calls, began.elapsed());
            assert!(floods <= 40, "{name}: {floods} floods in 31 h");
            world.happen(&Event::Wait(HOUR)).await.unwrap();
            assert_eq!(world.trouble, None, "{name}");
            let stored =
                world.emulator.files().into_iter().map(|file| crypt::plain_file(&file.name));
            let stored = stored.filter(|name| name == "file").count();
            assert!(stored >= 144, "{name}: only {stored} of the day's files are there");
            world.end();
        });
    }
}
