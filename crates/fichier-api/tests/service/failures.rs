//! Floods, locks, refused keys and replies that cannot be read.

use std::time::{Duration, Instant};

use fichier_api::{ApiKey, Error, ErrorKind, FileUrl, FolderId, HoldOffCause, Lifted, Remedy};
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
    other.try_key_again();
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
async fn y20_a_refused_key_is_shown_once_by_all_callers() {
    let world = World::start().await;
    let wrong = world.client_with_key("wrong");
    for attempts in [1, 0, 0] {
        let error = wrong.list_folder(FolderId::ROOT).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::KeyRefused), "{error:?}");
        assert_eq!(error.attempts, attempts);
        let error = wrong.clone().open_upload().await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::KeyRefused), "{error:?}");
    }
    assert_eq!(world.emulator.calls(), 1);
    // Another key is another question.
    any_call(&world).await.unwrap();
}

/// Refusals that no table knows, each with a part of its words.
fn unknown_refusals() -> Vec<(Action, &'static str)> {
    let page = |status, text: &str| Action::Html(status, text.to_owned());
    let json = |status, text: &str| Action::Json(status, text.to_owned());
    vec![
        (page(403, "<html><h1>403 Forbidden</h1><hr>nginx</html>"), "403 Forbidden nginx"),
        (page(401, "<html>Authorization Required"), "Authorization Required"),
        (page(402, "Paiement requis"), "Paiement requis"),
        (page(405, "<html>Not Allowed"), "Not Allowed"),
        (page(406, "<html>Non acceptable"), "Non acceptable"),
        (page(409, "<html>Conflict"), "Conflict"),
        (page(451, "<html>Unavailable for legal reasons"), "legal reasons"),
        (page(403, "<title>Just a moment...</title><script>challenge()</script>"), "Just a moment"),
        (page(403, ""), "HTTP 403"),
        (Action::RedirectTo("http://127.0.0.1:9/".to_owned()), "HTTP 302"),
        (json(403, r#"{"status":"KO","message":"Erreur interne inattendue #7777"}"#), "inattendue"),
        (json(403, r#"{"status":"KO"}"#), "HTTP 403"),
        (json(403, r#"{"status":"KO","message":null}"#), "HTTP 403"),
        (json(410, r#"{"status":"KO","message":"Gone"}"#), "Gone"),
        (json(405, r#"{"status":"KO","message":"Zugriff verweigert"}"#), "Zugriff verweigert"),
        (json(403, r#"["no"]"#), "no"),
        (
            json(403, r#"{"status":"KO","message":"a\u202eb\u0007 https://1fichier.com/?x"}"#),
            "ab (link)",
        ),
    ]
}

#[tokio::test]
async fn y21_a_refusal_in_unknown_words_is_taken_for_a_flood_and_quoted() {
    for (action, words) in unknown_refusals() {
        for (endpoint, tried) in [
            ("folder/ls.cgi", "listing a folder"),
            ("upload/get_upload_server.cgi", "asking for an upload server"),
        ] {
            let world = World::start().await;
            world.emulator.inject(Fault::always(endpoint, action.clone()));
            let call = async || match endpoint {
                "folder/ls.cgi" => any_call(&world).await,
                _ => world.client.open_upload().await.map(|_| ()),
            };
            let error = call().await.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::UnknownRefusal { .. }), "{action:?} {error:?}");
            assert!(matches!(error.remedy(), Remedy::HoldOff(_)), "{action:?}");
            assert!(printed(&error).contains(words), "{action:?}: {}", printed(&error));
            let held = world.client.pacer().hold_off().unwrap();
            assert!(held.reason.contains(words) && held.reason.starts_with(tried), "{held:?}");
            assert!(printed(&error).starts_with(tried), "{error}");
            assert!(!held.reason.contains(".cgi"), "Z100: {held:?}");
            assert_eq!(held.cause, HoldOffCause::Refusals { in_a_row: 1 });
            let error = call().await.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::HeldOff { .. }), "{error:?}");
            // A 405 is also an answer to POST, after which GET is tried once (Y15).
            let is_405 = matches!(action, Action::Html(405, _) | Action::Json(405, _));
            let calls = if is_405 && endpoint != "folder/ls.cgi" { 2 } else { 1 };
            assert_eq!(world.emulator.calls(), calls, "{action:?}");
        }
    }
}

#[tokio::test]
async fn y22_a_suspended_account_is_quoted_and_asked_once_an_hour() {
    for (status, text) in [
        (403, r#"{"status":"KO","message":"Compte suspendu, contactez le support"}"#),
        (200, r#"{"status":"KO","message":"Your account has been banned"}"#),
        (403, r#"{"status":"KO","message":"Owner locked #620"}"#),
        (403, r#"{"message":"Account closed"}"#),
    ] {
        let world = World::start().await;
        world.fail_once("file/mv.cgi", Action::Json(status, text.to_owned()));
        let url = FileUrl::parse("https://1fichier.com/?aaaaabbbbb").unwrap();
        let moved = world.client.move_files(&[url], FolderId::ROOT).await;
        let error = moved.unwrap_err();
        let ErrorKind::OwnerLocked { message } = &error.kind else { panic!("{error:?}") };
        assert!(text.contains(message.as_str()) && printed(&error).contains(message), "{message}");
        let held = world.client.pacer().hold_off().unwrap();
        assert_eq!(held.cause, HoldOffCause::AccountLocked, "{text}");
        any_call(&world).await.unwrap_err();
        assert_eq!(world.emulator.calls(), 1);
    }
}

#[tokio::test]
async fn y23_a_locked_owner_of_other_peoples_file_says_nothing_about_the_caller() {
    let world = World::start().await;
    let locked = || Action::Json(403, r#"{"status":"KO","message":"Owner locked #620"}"#.into());
    let url = FileUrl::parse(&world.emulator.add_file("/", "a", b"content")).unwrap();
    world.fail_once("download/get_token.cgi", locked());
    let error = world.client.download(&url, None, &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Refused { .. }), "{error:?}");
    assert!(printed(&error).contains("Owner locked"), "{}", printed(&error));
    assert_eq!(world.client.pacer().hold_off(), None);
    world.client.download(&url, None, &mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn y24_refusals_of_single_names_and_files_hold_off_when_many_follow_each_other() {
    let refusal = || Action::Json(403, r#"{"status":"KO","message":"Nom interdit"}"#.into());
    let world = World::start().await;
    world.emulator.inject(Fault::always("folder/mkdir.cgi", refusal()));
    for made in ["a", "b"] {
        let error = world.client.make_folder(FolderId::ROOT, &name(made)).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::NameTaken { .. }), "{error:?}");
        assert_eq!(world.client.pacer().hold_off(), None);
    }
    world.client.make_folder(FolderId::ROOT, &name("c")).await.unwrap_err();
    let held = world.client.pacer().hold_off().unwrap();
    assert_eq!(held.cause, HoldOffCause::Refusals { in_a_row: 3 });
    assert!(held.reason.contains("Nom interdit"), "{held:?}");
}

#[tokio::test]
async fn y25_a_lifted_hold_off_costs_one_call_and_ends_with_its_success() {
    let world = World::start().await;
    let pacer = world.client.pacer().clone();
    assert_eq!(pacer.lift_hold_off(), Lifted::NotNeeded);
    world.emulator.inject(Fault::always("folder/ls.cgi", Action::OwnerLocked));
    any_call(&world).await.unwrap_err();
    assert!(matches!(pacer.lift_hold_off(), Lifted::ForOneCall(_)));
    for attempts in [1, 0, 0] {
        assert_eq!(any_call(&world).await.unwrap_err().attempts, attempts);
    }
    assert_eq!(world.emulator.calls(), 2);
    world.emulator.clear_faults();
    world.emulator.unlock();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !matches!(pacer.lift_hold_off(), Lifted::ForOneCall(_)) {
        assert!(Instant::now() < deadline, "it is never lifted again");
        tokio::task::yield_now().await;
    }
    any_call(&world).await.unwrap();
    assert_eq!(pacer.hold_off(), None);
    world.client.open_upload().await.unwrap();
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
