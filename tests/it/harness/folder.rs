//! A folder of one test, gone when the test ends.

use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::cluster;

/// The folder.
#[derive(Debug)]
pub struct Folder(PathBuf);

// === impl Folder ===

impl Folder {
    /// Makes an empty folder.
    pub fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::now_v7().to_string());
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it, and gives its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The URL of a storage in it.
    pub fn storage_url(&self) -> String {
        let name = self.0.file_name().unwrap().to_string_lossy().replace('-', "");
        let file = || format!("sqlite:{}", self.file("paylink.db").display());
        cluster::url(&format!("f{name}")).unwrap_or_else(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that fails for another reason should say that one.
        let _ = fs::remove_dir_all(&self.0);
    }
}
