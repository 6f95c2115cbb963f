//! A drill restores a sample and compares it with the disk: it finds damage, keeps to its bounds,
//! and runs once a period.

use std::time::Duration;

use fichier_emulator::Damage;
use fichier_state::{Proof, ProofKind};
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::restore::Drill;
use fichierd::restore::drill::due_in;
use tempfile::TempDir;

async fn drill(world: &Bench, most_bytes: u64) -> Option<Proof> {
    let prepared = world.shared.state.read(|store| {
        let mirror = store.mirror("photos", TARGET)?.unwrap();
        Drill::prepare(store, &mirror, &crypt::keyring(), most_bytes)
    });
    let folder = TempDir::new().unwrap();
    let client = world.shared.client.clone();
    let now_s = world.shared.state.now_s();
    let proof = prepared.unwrap()?.run(client, folder.path(), now_s).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left over");
    Some(proof)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_within_its_bounds_is_restored_and_compared_with_the_disk() {
    let mut world = Bench::new().await;
    world.write_many((0..40).map(|number| format!("{}/{number}", number % 3)));
    world.write("too large", vec![1; 100_000]);
    world.settle().await;
    let before = world.emulator.calls();
    let proof = drill(&world, 50_000).await.unwrap();
    assert!(proof.good, "{proof:?}");
    assert_eq!(proof.files, 20);
    assert!(proof.detail.contains("20 of them compared with the disk"), "{proof:?}");
    assert_eq!(world.emulator.calls_since(before), ["download/get_token.cgi"; 20]);
    assert_eq!(drill(&world, 3).await, None, "no file is that small");
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_and_a_failing_disk_are_told_by_name() {
    let mut world = Bench::new().await;
    world.write("whole", "as it should be");
    world.write("damaged", "somebody's bits fell over");
    world.write("rotten", "what was sent");
    world.settle().await;
    let link = world
        .emulator
        .files()
        .into_iter()
        .find(|f| crypt::plain_file(&f.name) == "damaged")
        .unwrap()
        .link;
    world.emulator.damage_content(&link, Damage::Silent);
    // Other bytes under the very same stamp, as on a failing disk.
    world.write("rotten", "what was SENT");
    let stamp = std::fs::metadata(world.path("rotten")).unwrap();
    world
        .shared
        .state
        .write(|w| {
            let root = w.mirror("photos", TARGET)?.unwrap().root;
            let mut entry = w.entry(root, b"rotten")?.unwrap();
            entry.stamp = fichierd::disk::seen::stamp_of(&stamp);
            entry.racy = false;
            w.put_entry(&entry)
        })
        .unwrap();
    let proof = drill(&world, 1 << 20).await.unwrap();
    assert!(!proof.good);
    assert!(proof.detail.contains("`damaged`: its copy on 1fichier is damaged"), "{proof:?}");
    assert!(proof.detail.contains("`rotten` on disk is not what was sent"), "{proof:?}");
    assert!(!proof.detail.contains("`whole`"), "{proof:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_is_due_a_day_after_the_beginning_and_then_once_a_period() {
    let month = Duration::from_secs(30 * 24 * 3600);
    let mut world = Bench::with(|_| {}, |config| config.drill = Some(month)).await;
    world.write("a", "1");
    let due = |world: &Bench| {
        let found = world.shared.state.read(|store| {
            let mirror = store.mirror("photos", TARGET)?.unwrap();
            due_in(store, &mirror, &world.config)
        });
        found.unwrap().map(|wait| wait.as_secs() / 3600)
    };
    assert_eq!(due(&world), None, "nothing is there to be restored");
    world.settle().await;
    assert!(due(&world).is_some_and(|hours| (23..=24).contains(&hours)), "{:?}", due(&world));
    world.later(25);
    assert_eq!(due(&world), Some(0));
    let id = world.worker.id;
    let now_s = world.shared.state.now_s();
    let proof = Proof { good: false, at_s: now_s, files: 1, bytes: 1, detail: String::new() };
    world.shared.state.write(|w| w.put_proof(id, ProofKind::Drill, &proof)).unwrap();
    assert_eq!(due(&world), Some(30 * 24));
}
