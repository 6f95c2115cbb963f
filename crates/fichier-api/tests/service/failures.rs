//! Floods, locks, refused keys and replies that cannot be read.

use std::time::{Duration, Instant};

use fichier_api::{ApiKey, Error, ErrorKind, FolderId, Remedy};
use fichier_emulator::{Action, Fault, Offer};

use crate::world::{World, builder, name, printed};

async fn any_call(world: &World) -> Result<(), Error> {
    world.client.list_folder(FolderId::ROOT).await.map(|_| ())
}

#[tokio::test]
async fn after_a_flood_answer_nothing_is_sent_until_the_hold_off_ends() {
    let world = World::start().await;
    world.fail_once("folder/ls.cgi", Action::Flood);
    let error = any_call(&world).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Throttled { .. }), "{error:?}");
    assert_eq!(error.attempts, 1);

    let error = world.client.open_upload().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::HeldOff { .. }), "{error:?}");
    assert_eq!((error.attempts, world.emulator.calls()), (0, 1));

    let deadline = Instant::now() + Duration::from_secs(20);
    while world.client.pacer().hold_off().is_some() && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    any_call(&world).await.unwrap();
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn locks_hold_everything_off() {
    for (action, remedy_is_operator) in [(Action::HardLock, false), (Action::OwnerLocked, true)] {
        let world = World::start().await;
        world.fail_once("folder/ls.cgi", action);
        let error = any_call(&world).await.unwrap_err();
        assert_eq!(error.remedy() == Remedy::AskOperator, remedy_is_operator, "{error:?}");
        assert!(world.client.pacer().hold_off().is_some());
        let error = any_call(&world).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::HeldOff { .. }), "{error:?}");
        assert_eq!(world.emulator.calls(), 1);
    }
}

#[tokio::test]
async fn a_429_is_a_flood_and_its_wish_is_heard() {
    let world = World::start().await;
    world.fail_once("folder/ls.cgi", Action::RetryAfter("300".to_owned()));
    let error = any_call(&world).await.unwrap_err();
    let ErrorKind::Throttled { retry_after } = error.kind else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(300)));
    assert!(world.client.pacer().hold_off().is_some());
}

#[tokio::test]
async fn the_same_way_can_be_gone_with_another_key() {
    let world = World::start().await;
    let other = world.client.with_key(&ApiKey::new("other").unwrap()).unwrap();
    assert_ne!(other.key_digest(), world.client.key_digest());
    any_call(&world).await.unwrap();
    let error = other.list_folder(FolderId::ROOT).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::KeyRefused), "{error:?}");
    world.emulator.set_key("other");
    assert!(other.list_folder(FolderId::ROOT).await.is_ok());
}

#[tokio::test]
async fn a_refused_key_and_a_missing_subscription_are_for_the_operator_and_not_repeated() {
    let world = World::start().await;
    let wrong = world.client_with_key("wrong");
    let error = wrong.list_folder(FolderId::ROOT).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::KeyRefused), "{error:?}");
    assert_eq!((error.attempts, error.remedy()), (1, Remedy::AskOperator));
    assert!(!printed(&error).contains("wrong"), "{}", printed(&error));

    world.emulator.set_offer(Offer::None);
    let error = any_call(&world).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::CustomersOnly), "{error:?}");
    assert!(printed(&error).contains("Premium"), "{}", printed(&error));
    assert_eq!(world.emulator.calls(), 2);
}

#[tokio::test]
async fn a_call_that_may_be_repeated_survives_a_broken_connection() {
    let world = World::start().await;
    world.emulator.inject(Fault { times: 2, ..Fault::once("folder/ls.cgi", Action::Reset) });
    any_call(&world).await.unwrap();
    assert_eq!(world.emulator.calls(), 3);
}

#[tokio::test]
async fn a_call_that_may_not_be_repeated_is_not() {
    let world = World::start().await;
    world.fail_once("folder/mkdir.cgi", Action::DoItThenReset);
    let error = world.client.make_folder(FolderId::ROOT, &name("a")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert!(error.outcome_unknown());
    assert_eq!((error.attempts, world.emulator.calls()), (1, 1));
    assert_eq!(world.emulator.folders(), ["/a"]);
}

#[tokio::test]
async fn what_is_no_reply_is_never_a_success() {
    for (action, said) in [
        (Action::Html(200, "<html>captive portal</html>".to_owned()), "a page instead of JSON"),
        (Action::Truncated, "JSON that ends too early"),
        (Action::Empty, "JSON that ends too early"),
        (Action::HugeBody(64 * 1024 * 1024), "larger than 16777216 bytes"),
        (Action::RedirectTo("http://127.0.0.1:9/".to_owned()), "HTTP 302"),
    ] {
        let world = World::start().await;
        world.emulator.inject(Fault::always("folder/mkdir.cgi", action.clone()));
        let error = world.client.make_folder(FolderId::ROOT, &name("a")).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::UnexpectedReply { .. }), "{action:?}: {error:?}");
        assert!(printed(&error).contains(said), "{action:?}: {}", printed(&error));
        assert!(error.outcome_unknown(), "{action:?}");
        assert_eq!(world.emulator.calls(), 1, "{action:?}");
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up() {
    let world = World::start().await;
    world.emulator.inject(Fault::always("folder/mkdir.cgi", Action::StallHeaders));
    let error = world.impatient().make_folder(FolderId::ROOT, &name("a")).await.unwrap_err();
    let ErrorKind::Unreachable(source) = &error.kind else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::TimedOut);
    assert!(!printed(&error).contains("127.0.0.1"), "{}", printed(&error));
}

#[tokio::test]
async fn a_service_that_is_not_there_got_nothing() {
    let world = World::start().await;
    // No port of a service that was stopped: another test's service may have got that since.
    let client = builder(&world.emulator, world.emulator.api_key());
    let client = client.api_url("http://127.0.0.1:1/v1").build().unwrap();
    let error = client.make_folder(FolderId::ROOT, &name("a")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert!(!error.outcome_unknown());
    assert!(error.attempts > 1, "{error:?}");
}

#[tokio::test]
async fn many_callers_at_once_break_no_limit() {
    let world = World::start().await;
    let folders: Vec<_> = (0..20).map(|i| world.folder(&format!("/{i}"))).collect();
    let calls = folders.into_iter().map(|id| {
        let client = world.client.clone();
        tokio::spawn(async move { client.remove_folder(id).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.emulator.calls(), 20);
    assert_eq!(world.client.pacer().calls_made(), 20);
    world.emulator.assert_no_violations();
}
