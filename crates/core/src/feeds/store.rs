//! Feed files in the lake: `feeds/active/<name>.json` and `feeds/archived/<name>.json`.

use super::Feed;
use crate::error::Error;
use crate::lake::Lake;
use crate::{layout, suggest};

/// The feeds of one lake, read once.
#[derive(Debug, Clone, Default)]
pub struct Feeds {
    active: Vec<Feed>,
    archived: Vec<Feed>,
}

impl Feeds {
    /// Reads every feed file. A lake without any has not been initialised.
    pub async fn load(lake: &Lake) -> Result<Self, Error> {
        let mut feeds = Self::default();
        for (path, _) in lake.list("feeds").await? {
            let Some(name) = path.rsplit('/').next().and_then(|file| file.strip_suffix(".json")) else {
                continue;
            };
            if path.starts_with("feeds/archived/") {
                feeds.archived.push(read(lake, name, &path).await?);
            } else if path.starts_with("feeds/active/") {
                feeds.active.push(read(lake, name, &path).await?);
            }
        }
        if feeds.active.is_empty() && feeds.archived.is_empty() {
            return Err(Error::NoLake { root: lake.url().to_string() });
        }
        feeds.active.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(feeds)
    }

    pub fn active(&self) -> &[Feed] {
        &self.active
    }

    pub fn enabled(&self) -> impl Iterator<Item = &Feed> {
        self.active.iter().filter(|feed| feed.enabled)
    }

    /// A feed by name that may be used now.
    pub fn get(&self, name: &str) -> Result<&Feed, Error> {
        if let Some(feed) = self.active.iter().find(|feed| feed.name == name) {
            return if feed.enabled { Ok(feed) } else { Err(Error::DisabledFeed { name: name.to_owned() }) };
        }
        if self.archived.iter().any(|archived| archived.name == name) {
            return Err(Error::ArchivedFeed { name: name.to_owned() });
        }
        let known = self.active.iter().map(|feed| feed.name.as_str());
        let mut hint = suggest::hint(name, known.clone());
        if hint.is_empty() {
            hint = format!("; there are {}", known.collect::<Vec<_>>().join(", "));
        }
        Err(Error::UnknownFeed { name: name.to_owned(), hint })
    }

    /// The feed whose source is this topic.
    pub fn for_topic(&self, topic: &str) -> Result<Option<&Feed>, Error> {
        match self.active.iter().find(|feed| feed.source == topic) {
            Some(feed) => self.get(&feed.name).map(Some),
            None => match self.archived.iter().find(|feed| feed.source == topic) {
                Some(feed) => Err(Error::ArchivedFeed { name: feed.name.clone() }),
                None => Ok(None),
            },
        }
    }

    /// Adds a feed unless one of its name exists; says whether it did.
    pub async fn add(&mut self, lake: &Lake, feed: Feed) -> Result<bool, Error> {
        feed.validate()?;
        let path = layout::active_feed(&feed.name);
        let written = lake.write_new(&path, to_json(&feed)?).await?;
        if written {
            self.active.push(feed);
        }
        Ok(written)
    }

    /// Replaces a feed's file.
    pub async fn save(&mut self, lake: &Lake, feed: Feed) -> Result<(), Error> {
        feed.validate()?;
        lake.write(&layout::active_feed(&feed.name), to_json(&feed)?).await?;
        match self.active.iter_mut().find(|known| known.name == feed.name) {
            Some(known) => *known = feed,
            None => self.active.push(feed),
        }
        Ok(())
    }
}

fn to_json(feed: &Feed) -> Result<Vec<u8>, Error> {
    let bad =
        |error: serde_json::Error| Error::BadFeed { name: feed.name.clone(), reason: error.to_string() };
    let mut json = serde_json::to_vec_pretty(feed).map_err(bad)?;
    json.push(b'\n');
    Ok(json)
}

async fn read(lake: &Lake, name: &str, path: &str) -> Result<Feed, Error> {
    let bad = |reason: String| Error::BadFeed { name: name.to_owned(), reason };
    let bytes = lake.read(path).await?.ok_or_else(|| bad(format!("{path} went away while it was read")))?;
    let feed: Feed = serde_json::from_slice(&bytes).map_err(|error| bad(format!("{path}: {error}")))?;
    if feed.name != name {
        return Err(bad(format!("{path} names the feed {:?}", feed.name)));
    }
    feed.validate()?;
    Ok(feed)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::{Kind, builtin};
    use super::*;

    async fn lake() -> (tempfile::TempDir, Lake, Feeds) {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::create(folder.path().to_str().unwrap()).unwrap();
        let mut feeds = Feeds::default();
        for feed in builtin(DateTime::UNIX_EPOCH) {
            assert!(feeds.add(&lake, feed).await.unwrap());
        }
        (folder, lake, feeds)
    }

    #[tokio::test]
    async fn feeds_are_added_once_and_found_by_topic() {
        let (_folder, lake, mut feeds) = lake().await;
        let mut feed = Feed::new("orders", Kind::Stream, "Orders.v1", "", DateTime::UNIX_EPOCH);
        assert!(feeds.add(&lake, feed.clone()).await.unwrap());
        assert!(!feeds.add(&lake, feed.clone()).await.unwrap());
        let loaded = Feeds::load(&lake).await.unwrap();
        assert_eq!(loaded.active().len(), 9);
        assert_eq!(loaded.for_topic("Orders.v1").unwrap().unwrap().name, "orders");
        assert!(loaded.for_topic("strange").unwrap().is_none());
        feed.enabled = false;
        feeds.save(&lake, feed).await.unwrap();
        let loaded = Feeds::load(&lake).await.unwrap();
        assert!(matches!(loaded.for_topic("Orders.v1"), Err(Error::DisabledFeed { .. })));
    }

    #[tokio::test]
    async fn unknown_and_broken_feeds_are_clear_errors() {
        let (folder, lake, feeds) = lake().await;
        let error = feeds.get("transaction_steam").unwrap_err().to_string();
        assert!(error.contains("did you mean transaction_stream"), "{error}");
        std::fs::write(folder.path().join("feeds/active/broken.json"), "{").unwrap();
        let error = Feeds::load(&lake).await.unwrap_err().to_string();
        assert!(error.contains("feeds/active/broken.json"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        let empty = Lake::create(empty.path().to_str().unwrap()).unwrap();
        assert!(matches!(Feeds::load(&empty).await, Err(Error::NoLake { .. })));
    }
}
