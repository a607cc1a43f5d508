//! The lake's root: a local folder or an object store, and the small files in it.
//!
//! Data files and commits are the `lake` crate's; this part needs no Arrow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use url::Url;

use crate::error::Error;

/// An opened lake.
#[derive(Debug, Clone)]
pub struct Lake {
    url: Url,
    store: Arc<dyn ObjectStore>,
    base: ObjectPath,
    local: Option<PathBuf>,
}

impl Lake {
    /// Opens a lake that exists. For an object store there is nothing to check yet.
    pub fn open(root: &str) -> Result<Self, Error> {
        Self::at(root, false)
    }

    /// Opens a lake, and makes its folder where it is local and missing.
    pub fn create(root: &str) -> Result<Self, Error> {
        Self::at(root, true)
    }

    fn at(root: &str, create: bool) -> Result<Self, Error> {
        let bad = |reason: String| Error::Root { root: root.to_owned(), reason };
        let (folder, url) = match Url::parse(root) {
            Ok(url) if url.scheme() == "file" => {
                let path =
                    url.to_file_path().map_err(|()| bad("it is not a path of this machine".to_owned()))?;
                (Some(path), None)
            }
            // One letter is a Windows drive, not a scheme.
            Ok(url) if url.scheme().len() > 1 => (None, Some(url)),
            _ => (Some(PathBuf::from(root)), None),
        };
        match (folder, url) {
            (Some(folder), _) => Self::local(&folder, root, create),
            (None, Some(url)) => Self::remote(url, root),
            (None, None) => Err(bad("it is neither a folder nor a URL".to_owned())),
        }
    }

    fn local(folder: &Path, root: &str, create: bool) -> Result<Self, Error> {
        let bad = |reason: std::io::Error| Error::Root { root: root.to_owned(), reason: reason.to_string() };
        if create {
            std::fs::create_dir_all(folder).map_err(bad)?;
        } else if !folder.is_dir() {
            return Err(Error::NoLake { root: root.to_owned() });
        }
        let folder = folder.canonicalize().map_err(bad)?;
        let url = Url::from_directory_path(&folder).map_err(|()| Error::Root {
            root: root.to_owned(),
            reason: "it is no absolute path".to_owned(),
        })?;
        let base = ObjectPath::from_absolute_path(&folder)
            .map_err(|error| Error::Root { root: root.to_owned(), reason: error.to_string() })?;
        // Without fsync a commit could outlive the files it names.
        let store = Arc::new(LocalFileSystem::new().with_fsync(true));
        Ok(Self { url, store, base, local: Some(folder) })
    }

    /// Credentials and endpoints come from the store's usual environment (AWS_*, GOOGLE_*, AZURE_*).
    #[allow(clippy::disallowed_methods, reason = "object stores document their own environment variables")]
    fn remote(mut url: Url, root: &str) -> Result<Self, Error> {
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let options = std::env::vars_os().filter_map(|(key, value)| {
            Some((key.into_string().ok()?.to_ascii_lowercase(), value.into_string().ok()?))
        });
        let (store, base) = object_store::parse_url_opts(&url, options)
            .map_err(|error| Error::Root { root: root.to_owned(), reason: error.to_string() })?;
        Ok(Self { url, store: Arc::from(store), base, local: None })
    }

    /// The root, with a slash at its end.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL of a folder in the lake.
    pub fn folder_url(&self, relative: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(relative.split('/')).push("");
        }
        url
    }

    /// The object store; its paths are those of [`Lake::path`].
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The store's path of something in the lake.
    pub fn path(&self, relative: &str) -> ObjectPath {
        relative
            .split('/')
            .filter(|part| !part.is_empty())
            .fold(self.base.clone(), |path, part| path.join(part))
    }

    /// The folder, where the lake is local.
    pub fn local_folder(&self) -> Option<&Path> {
        self.local.as_deref()
    }

    /// Reads a small file; none where it does not exist.
    pub async fn read(&self, relative: &str) -> Result<Option<Vec<u8>>, Error> {
        let failed = |source| Error::Storage { action: "read", path: relative.to_owned(), source };
        match self.store.get(&self.path(relative)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(failed)?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    /// Writes a small file whole, or not at all.
    pub async fn write(&self, relative: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let written = self.store.put(&self.path(relative), PutPayload::from(bytes)).await;
        written.map(|_| ()).map_err(|source| Error::Storage {
            action: "write",
            path: relative.to_owned(),
            source,
        })
    }

    /// Writes a small file unless one is there; says whether it did.
    pub async fn write_new(&self, relative: &str, bytes: Vec<u8>) -> Result<bool, Error> {
        let path = self.path(relative);
        match self.store.put_opts(&path, PutPayload::from(bytes), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(Error::Storage { action: "create", path: relative.to_owned(), source }),
        }
    }

    pub async fn delete(&self, relative: &str) -> Result<(), Error> {
        match self.store.delete(&self.path(relative)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(Error::Storage { action: "delete", path: relative.to_owned(), source }),
        }
    }

    /// All files below a folder, relative to the lake's root, with their sizes.
    pub async fn list(&self, relative: &str) -> Result<Vec<(String, u64)>, Error> {
        let skip = self.base.parts().count();
        let found: Result<Vec<_>, _> = self.store.list(Some(&self.path(relative))).try_collect().await;
        match found {
            Ok(found) => Ok(found
                .into_iter()
                .map(|meta| {
                    let parts: Vec<String> =
                        meta.location.parts().skip(skip).map(|part| part.as_ref().to_owned()).collect();
                    (parts.join("/"), meta.size)
                })
                .collect()),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(source) => Err(Error::Storage { action: "list", path: relative.to_owned(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_files_are_created_once_listed_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::create(folder.path().join("a b/lake").to_str().unwrap()).unwrap();
        assert!(lake.write_new("feeds/active/x.json", b"1".to_vec()).await.unwrap());
        assert!(!lake.write_new("feeds/active/x.json", b"2".to_vec()).await.unwrap());
        assert_eq!(lake.read("feeds/active/x.json").await.unwrap().as_deref(), Some(b"1".as_slice()));
        assert_eq!(lake.list("feeds").await.unwrap(), [("feeds/active/x.json".to_owned(), 1)]);
        lake.delete("feeds/active/x.json").await.unwrap();
        assert_eq!(lake.read("feeds/active/x.json").await.unwrap(), None);
        assert_eq!(lake.list("nothing/here").await.unwrap(), []);
    }

    #[test]
    fn a_missing_lake_says_what_to_run() {
        let error = Lake::open("/nonexistent/lake").unwrap_err().to_string();
        assert!(error.contains("run init-datalake --lake-root /nonexistent/lake"), "{error}");
        assert!(Lake::open("nosuchscheme://x/y").is_err());
    }
}
