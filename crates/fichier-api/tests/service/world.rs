//! An emulated service and a client of it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{
    ApiKey, Client, ClientBuilder, FileUrl, FolderId, PaceConfig, Pacer, SendError, Sent,
    UploadFile, UploadResult, UploadSlot, UploadedFile,
};
use fichier_emulator::{Action, Emulator, Fault, Rules};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How much faster than the service's the emulator's clock runs.
pub(crate) const SCALE: u32 = 100;

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
    dir: TempDir,
}

impl World {
    pub(crate) async fn start() -> World {
        World::with(Rules::default()).await
    }

    pub(crate) async fn with(rules: Rules) -> World {
        let rules = Rules { time_scale: SCALE, ..rules };
        let emulator = Emulator::builder().rules(rules).start().await.unwrap();
        let client = builder(&emulator, emulator.api_key()).build().unwrap();
        World { emulator, client, dir: TempDir::new().unwrap() }
    }

    /// Another client of the same service, with another key at the same pace.
    pub(crate) fn client_with_key(&self, key: &str) -> Client {
        self.builder(key).build().unwrap()
    }

    /// The same client, but it gives up on silence after 300 ms.
    pub(crate) fn impatient(&self) -> Client {
        let builder = self.builder(self.emulator.api_key());
        builder.stall_timeout(Duration::from_millis(300)).build().unwrap()
    }

    // One pacer for all clients: the emulator's limits are for all of them together.
    fn builder(&self, key: &str) -> ClientBuilder {
        let key = ApiKey::new(key).unwrap();
        Client::builder(key, self.client.pacer().clone()).api_url(&self.emulator.api_url())
    }

    pub(crate) fn fail_once(&self, endpoint: &str, action: Action) {
        self.emulator.inject(Fault::once(endpoint, action));
    }

    pub(crate) fn folder(&self, path: &str) -> FolderId {
        FolderId(self.emulator.add_folder(path))
    }

    pub(crate) fn file(&self, folder: &str, name: &str, content: &[u8]) -> FileUrl {
        FileUrl::parse(&self.emulator.add_file(folder, name, content)).unwrap()
    }

    /// Paths of all files of the account, and of those in no account.
    pub(crate) fn paths(&self) -> Vec<String> {
        let path = |file: fichier_emulator::StoredFile| {
            let folder = if file.anonymous { "nobody:" } else { file.path.trim_end_matches('/') };
            format!("{folder}/{}", file.name)
        };
        self.emulator.files().into_iter().map(path).collect()
    }

    pub(crate) fn local(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(content).unwrap();
        path
    }

    /// A file on disk, to be sent under its own name.
    pub(crate) fn upload(&self, file_name: &str, content: &[u8]) -> UploadFile {
        let path = self.local(file_name, content);
        let size_bytes = content.len() as u64;
        UploadFile::new(name(file_name), size_bytes, || std::fs::File::open(path))
    }

    pub(crate) async fn send(
        &self,
        folder: FolderId,
        files: Vec<UploadFile>,
    ) -> (UploadSlot, Result<Sent, SendError>) {
        let slot = self.client.open_upload().await.unwrap();
        let sent = self.client.send_files(&slot, folder, files, Arc::new(AtomicU64::new(0))).await;
        (slot, sent)
    }

    /// The files of an upload that is done; fails if there are none.
    pub(crate) async fn stored(&self, slot: &UploadSlot, xid: Option<&str>) -> Vec<UploadedFile> {
        let result = self.client.upload_result(slot, xid).await.unwrap();
        let UploadResult::Ready(files) = result else { panic!("no files: {result:?}") };
        files
    }
}

/// A client of `emulator`, ready to be built.
pub(crate) fn builder(emulator: &Emulator, key: &str) -> ClientBuilder {
    let config = PaceConfig { time_scale: SCALE, ..PaceConfig::default() };
    let key = ApiKey::new(key).unwrap();
    Client::builder(key, Pacer::in_memory(config)).api_url(&emulator.api_url())
}

pub(crate) fn name(text: &str) -> RemoteName {
    RemoteName::encode(text.as_bytes())
}

/// A client of an API and download server in one, which gives each connection the next of
/// `replies`; `ADDRESS` in them is its own. Also returns the requests.
pub(crate) async fn scripted(
    replies: &'static [&'static str],
) -> (Client, tokio::task::JoinHandle<Vec<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = address.clone();
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for reply in replies {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let count = socket.read(&mut request).await.unwrap();
            asked.push(String::from_utf8_lossy(&request[..count]).into_owned());
            socket.write_all(reply.replace("ADDRESS", &own).as_bytes()).await.unwrap();
        }
        asked
    });
    let config = PaceConfig { time_scale: SCALE, ..PaceConfig::default() };
    let client = Client::builder(ApiKey::new("key").unwrap(), Pacer::in_memory(config));
    (client.api_url(&format!("http://{address}/v1")).build().unwrap(), asked)
}

/// An error and its causes on one line.
pub(crate) fn printed(error: &dyn std::error::Error) -> String {
    let rest = error.source().map(|source| format!(": {}", printed(source)));
    format!("{error}{}", rest.unwrap_or_default())
}
