//! What once went wrong, found by the model test (tests/model); each as small as it can be told.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn two_files_swap_their_names() {
    let mut world = World::new().await;
    world.write("a", "one");
    world.write("b", "two!");
    world.settle().await;
    world.rename("a", "aside");
    world.rename("b", "a");
    world.rename("aside", "b");
    let sent = world.emulator.bytes_received();
    assert_eq!(world.calls_of_cycle().await, ["file/rename.cgi"; 3]);
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), sent);
    assert_eq!(world.versions(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_two_folders_swap_their_places_by_the_hundred() {
    let mut world = World::new().await;
    world.write_many((0..150).flat_map(|n| [format!("a/{n}"), format!("b/{n}")]));
    world.settle().await;
    for n in 0..150 {
        world.rename(&format!("a/{n}"), "aside");
        world.rename(&format!("b/{n}"), &format!("a/{n}"));
        world.rename("aside", &format!("b/{n}"));
    }
    let calls = world.calls_of_cycle().await;
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!((count("file/mv.cgi"), count("file/rename.cgi")), (4, 4), "{calls:?}");
    world.assert_mirrored();
    assert_eq!(world.versions(), []);
}
