//! Proofs of files that are stored enciphered: what is stored is compared, and what it deciphers to
//! where the keys are at hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fichier_state::{Cipher, RelPath, Store};
use fichier_testkit::Bench;
use fichierd::base::form::id_of;
use fichierd::restore::verify::{Progress, Sample};
use fichierd::restore::{Drill, LOCKED, Selection, Share, Verify, VerifyOutcome, Wrong};
use rclone_formats::crypt::Nonce;
use tempfile::TempDir;

use super::sealed::{keys, plain, record, ring, seal};

/// Verifies everything. Also returns the bytes that came.
async fn verify(world: &Bench, passwords: &[&str]) -> (VerifyOutcome, u64) {
    let chosen = world.shared.state.read(|store: &Store| {
        let mirror = store.mirror(&world.config.name, &world.config.target)?.unwrap();
        let everything = Selection::parse(&[], BTreeSet::new()).unwrap();
        Sample::choose(store, &mirror, &everything, Share::Full)
    });
    let (progress, client) = (Arc::new(Progress::default()), world.shared.client.clone());
    let keyring = ring(passwords);
    let verify = Verify { client, keyring, parallel: 2, progress: Arc::clone(&progress) };
    let outcome = verify.run(chosen.unwrap()).await;
    (outcome, progress.bytes.load(Ordering::Relaxed))
}

fn named(outcome: &VerifyOutcome, wrong: Wrong) -> Vec<String> {
    outcome.paths(wrong).map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_download_proves_what_is_stored_and_what_it_deciphers_to() {
    let mut world = Bench::new().await;
    for (name, size) in [("empty", 0), ("small", 15), ("large", 200_000)] {
        world.write(name, plain(size, 0));
    }
    world.settle().await;
    let mut stored = 0;
    for (nonce, name) in (0..).zip(["empty", "small", "large"]) {
        let link = seal(&world, name, "secret", nonce);
        stored += world.emulator.content(&link).unwrap().len() as u64;
    }
    for (passwords, not_deciphered) in [(&["secret"][..], 0), (&[], 3)] {
        let before = world.emulator.calls();
        let (outcome, came) = verify(&world, passwords).await;
        assert!(outcome.findings.is_empty() && outcome.stopped.is_none(), "{outcome:?}");
        assert_eq!(world.emulator.calls_since(before), ["download/get_token.cgi"; 3]);
        assert_eq!((outcome.files, outcome.bytes), (3, 200_015), "plain bytes are told");
        assert_eq!((came, outcome.not_deciphered), (stored, not_deciphered));
    }
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_without_a_password_and_a_wrong_record_with_one() {
    let mut world = Bench::new().await;
    let names = ["whole", "damaged", "cut", "odd record"];
    for (seed, name) in (0..).zip(names) {
        world.write(name, plain(70_000, seed));
    }
    world.settle().await;
    let links = [1, 2, 3, 4].map(|n| seal(&world, names[usize::from(n) - 1], "secret", n));
    let mut object = world.emulator.content(&links[1]).unwrap();
    object[69_000] ^= 1;
    world.emulator.replace_content(&links[1], &object);
    let object = world.emulator.content(&links[2]).unwrap();
    world.emulator.replace_content(&links[2], &object[..65_584]);
    // Size and hash of what is stored are right; only who deciphers it sees that it is another file.
    let copy = world.shared.state.read(|store| {
        let folder = store.folder_at(world.worker.id, &RelPath::root())?.unwrap();
        store.entry(folder.key, b"odd record")
    });
    let mut copy = copy.unwrap().unwrap().remote().unwrap().clone();
    copy.fingerprint = fichier_api::Fingerprint::from_bytes([7; 32]);
    record(&world, "odd record", copy.clone());

    let (outcome, _) = verify(&world, &["secret"]).await;
    assert_eq!(named(&outcome, Wrong::Damaged), ["cut", "damaged", "odd record"]);
    let said: Vec<&str> = outcome.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert!(said[1].contains("block 1 (plain bytes from 65536)"), "{said:?}");
    assert!(said[2].contains("deciphers to other bytes than those on record"), "{said:?}");
    let (outcome, _) = verify(&world, &["another"]).await;
    assert_eq!(named(&outcome, Wrong::Damaged), ["cut", "damaged"]);
    assert_eq!(outcome.not_deciphered, 4);

    copy.cipher = Some(Cipher::new(Nonce::from_bytes([9; 24]), id_of(&keys("secret"))));
    record(&world, "odd record", copy);
    let (outcome, _) = verify(&world, &["secret"]).await;
    let odd = outcome.findings.iter().find(|it| it.wanted.path.to_string() == "odd record");
    assert!(odd.unwrap().what.contains("begins as another file does"), "{odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_restores_what_is_enciphered_and_finds_what_no_password_reads() {
    let mut world = Bench::new().await;
    world.write("new", "text");
    world.write("old", "older text");
    world.settle().await;
    seal(&world, "new", "secret", 1);
    seal(&world, "old", "an older secret", 2);
    for (passwords, is_good) in [(&["secret", "an older secret"][..], true), (&["secret"], false)] {
        let keyring = ring(passwords);
        let prepared = world.shared.state.read(|store| {
            let mirror = store.mirror(&world.config.name, &world.config.target)?.unwrap();
            Drill::prepare(store, &mirror, &keyring, 1 << 20)
        });
        let (folder, client) = (TempDir::new().unwrap(), world.shared.client.clone());
        let proof = prepared.unwrap().unwrap().run(client, folder.path(), 1).await.unwrap();
        assert_eq!(proof.good, is_good, "{proof:?}");
        assert_eq!((proof.files, proof.bytes), (2, 14), "plain bytes are told");
        assert!(is_good || proof.detail.contains(&format!("`old`: {LOCKED}")), "{proof:?}");
    }
}
