//! The operations of a story: on the disk of a mirror, on its cycles, on the service.
//!
//! Operations name their subjects by number, modulo the count of subjects at that time, so that a
//! sequence stays meaningful when it is cut down to the part that fails.

use fichier_emulator::NameTaken;
use proptest::prelude::*;

/// One operation.
#[derive(Clone, Debug)]
pub enum Operation {
    Write {
        folder: u8,
        name: u8,
        content: Content,
    },
    Edit {
        file: u8,
        content: Content,
    },
    /// Other bytes, the same size.
    EditSameSize {
        file: u8,
    },
    /// Other bytes, the same size, and the modification time that it had before.
    EditUnderOldTime {
        file: u8,
    },
    Append {
        file: u8,
    },
    /// Replaces the file of that name, if there is one.
    RenameFile {
        file: u8,
        folder: u8,
        name: u8,
    },
    RenameOverFile {
        file: u8,
        other: u8,
    },
    SwapFiles {
        file: u8,
        other: u8,
    },
    /// `name` to `name.1`, `name.1` to `name.2`, and a new `name`.
    Rotate {
        file: u8,
        content: Content,
    },
    CopyFile {
        file: u8,
        folder: u8,
        name: u8,
    },
    DeleteFile {
        file: u8,
    },
    Empty {
        file: u8,
    },
    Fill {
        file: u8,
        content: Content,
    },
    Link {
        folder: u8,
        name: u8,
    },
    /// A file and its twin whose name differs in case only.
    CaseTwins {
        folder: u8,
        content: Content,
    },
    FileToFolder {
        file: u8,
        content: Content,
    },
    RenameFolder {
        folder: u8,
        into: u8,
        name: u8,
    },
    SwapFolders {
        folder: u8,
        other: u8,
    },
    DeleteFolder {
        folder: u8,
    },
    FolderToFile {
        folder: u8,
        content: Content,
    },
    /// A file leaves the watched folder as it is.
    LeaveFile {
        file: u8,
    },
    LeaveFolder {
        folder: u8,
    },
    /// One of those that left is back in its place.
    ComeBack {
        which: u8,
    },
    EmptyFolder {
        folder: u8,
        name: u8,
    },
    Cycle,
    /// The faults stop and the mirror settles: a moment that can be restored later.
    Settle,
    /// A cycle over these paths alone; a number past the files means one that is gone.
    CycleOver {
        files: Vec<u8>,
    },
    Restart,
    /// The process dies in its `after`th call, before or after the service has carried it out; then
    /// it starts again.
    Kill {
        after: u8,
        carried_out: bool,
    },
    Spoil {
        endpoint: u8,
        skip: u8,
        how: Spoiling,
    },
}

/// The way in which a request fails.
#[derive(Clone, Copy, Debug)]
pub enum Spoiling {
    LoseReply,
    ResetBefore,
    ServerError,
    Partial(u8),
    Truncated,
    Empty,
    /// The result of the upload says that it is being scanned, this often.
    Scanning(u8),
    /// The result of the upload is empty, this often.
    NoLinks(u8),
    ReorderedLinks,
    /// `folder/mkdir` makes the folder without saying its id.
    NoFolderId,
}

/// An undocumented habit that the service may have (docs/api-notes.md, G.1).
#[derive(Clone, Copy, Debug)]
pub enum Habit {
    None,
    MoveChangesLink,
    BatchOfThree,
    AppearsAfterResult,
    RemoveUnknownNotFound,
    BatchOfThreeOrNone,
    FolderTakenExisting,
    FolderTakenTwins,
    MovesShowLate,
    LinksWorkLate,
}

/// The content of a file.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// One of a few contents that come up again and again, and share sizes.
    Known(u8),
    /// A content that was never seen before.
    New { length: u8 },
    /// Large enough to be worth a copy on the service.
    Large(u8),
}

/// One story: its operations, and the behaviour of the service when a name is taken.
#[derive(Clone, Debug)]
pub struct Story {
    pub name_taken: NameTaken,
    pub habit: Habit,
    /// The service was asked about its habits before the story.
    pub is_probed: bool,
    pub keep_versions: bool,
    pub operations: Vec<Operation>,
}

pub fn stories(longest: usize) -> impl Strategy<Value = Story> {
    let name_taken = prop_oneof![
        3 => Just(NameTaken::Duplicate),
        1 => Just(NameTaken::Refuse),
        1 => Just(NameTaken::Rename),
        1 => Just(NameTaken::Overwrite),
    ];
    let habit = prop_oneof![
        8 => Just(Habit::None),
        1 => Just(Habit::MoveChangesLink),
        1 => Just(Habit::BatchOfThree),
        1 => Just(Habit::AppearsAfterResult),
        1 => Just(Habit::RemoveUnknownNotFound),
        1 => Just(Habit::BatchOfThreeOrNone),
        1 => Just(Habit::FolderTakenExisting),
        1 => Just(Habit::FolderTakenTwins),
        1 => Just(Habit::MovesShowLate),
        1 => Just(Habit::LinksWorkLate),
    ];
    let operations = prop::collection::vec(operation(), 4..longest);
    let (is_probed, keep_versions) = (prop::bool::ANY, prop::bool::weighted(0.85));
    (name_taken, habit, is_probed, keep_versions, operations).prop_map(
        |(name_taken, habit, is_probed, keep_versions, operations)| Story {
            name_taken,
            habit,
            is_probed,
            keep_versions,
            operations,
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![12 => on_files(), 5 => on_folders(), 8 => on_the_mirror()]
}

fn on_files() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let n = any::<u8>;
    let two = || (any::<u8>(), any::<u8>());
    let place = || (any::<u8>(), any::<u8>());
    prop_oneof![
        8 => (place(), content())
            .prop_map(|((folder, name), content)| Write { folder, name, content }),
        2 => (n(), content()).prop_map(|(file, content)| Edit { file, content }),
        2 => n().prop_map(|file| EditSameSize { file }),
        1 => n().prop_map(|file| EditUnderOldTime { file }),
        1 => n().prop_map(|file| Append { file }),
        3 => (n(), place()).prop_map(|(file, (folder, name))| RenameFile { file, folder, name }),
        2 => two().prop_map(|(file, other)| RenameOverFile { file, other }),
        2 => two().prop_map(|(file, other)| SwapFiles { file, other }),
        2 => (n(), content()).prop_map(|(file, content)| Rotate { file, content }),
        2 => (n(), place()).prop_map(|(file, (folder, name))| CopyFile { file, folder, name }),
        2 => n().prop_map(|file| DeleteFile { file }),
        1 => n().prop_map(|file| Empty { file }),
        1 => (n(), content()).prop_map(|(file, content)| Fill { file, content }),
        1 => place().prop_map(|(folder, name)| Link { folder, name }),
        1 => (n(), content()).prop_map(|(folder, content)| CaseTwins { folder, content }),
        1 => (n(), content()).prop_map(|(file, content)| FileToFolder { file, content }),
        2 => n().prop_map(|file| LeaveFile { file }),
        4 => n().prop_map(|which| ComeBack { which }),
    ]
}

fn on_folders() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let n = any::<u8>;
    prop_oneof![
        3 => (n(), n(), n())
            .prop_map(|(folder, into, name)| RenameFolder { folder, into, name }),
        2 => (n(), n()).prop_map(|(folder, other)| SwapFolders { folder, other }),
        1 => n().prop_map(|folder| DeleteFolder { folder }),
        1 => (n(), content()).prop_map(|(folder, content)| FolderToFile { folder, content }),
        1 => n().prop_map(|folder| LeaveFolder { folder }),
        1 => (n(), n()).prop_map(|(folder, name)| EmptyFolder { folder, name }),
    ]
}

fn on_the_mirror() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let files = prop::collection::vec(any::<u8>(), 1..4);
    let spoil = (any::<u8>(), 0..3u8, spoiling()).prop_map(|(endpoint, skip, how)| Spoil {
        endpoint,
        skip,
        how,
    });
    prop_oneof![
        4 => Just(Cycle),
        3 => Just(Settle),
        2 => files.prop_map(|files| CycleOver { files }),
        1 => Just(Restart),
        3 => (0..25u8, any::<bool>())
            .prop_map(|(after, carried_out)| Kill { after, carried_out }),
        3 => spoil,
    ]
}

fn spoiling() -> impl Strategy<Value = Spoiling> {
    prop_oneof![
        3 => Just(Spoiling::LoseReply),
        1 => Just(Spoiling::ResetBefore),
        1 => Just(Spoiling::ServerError),
        1 => (0..3u8).prop_map(Spoiling::Partial),
        1 => Just(Spoiling::Truncated),
        1 => Just(Spoiling::Empty),
        1 => (1..10u8).prop_map(Spoiling::Scanning),
        1 => (1..10u8).prop_map(Spoiling::NoLinks),
        1 => Just(Spoiling::ReorderedLinks),
        1 => Just(Spoiling::NoFolderId),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        30 => (0..6u8).prop_map(Content::Known),
        30 => (1..9u8).prop_map(|length| Content::New { length }),
        1 => (0..2u8).prop_map(Content::Large),
    ]
}
