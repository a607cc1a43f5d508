//! The topics: their names, ids, settings and partitions, kept in the store and opened from disk.

pub(crate) mod partition;
pub(crate) mod settings;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::now_ms;
use crate::log::Log;
use crate::store::{Changes, Store, value};
use crate::wire::Code;
use crate::{Config, Error, Storage};
use partition::Partition;
use settings::Settings;

/// Most partitions of one topic: each may hold a file open.
pub(crate) const MAX_PARTITIONS: i32 = 1000;

/// A topic as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    id: Uuid,
    partitions: i32,
    configs: BTreeMap<String, String>,
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    partitions: RwLock<Vec<Arc<Partition>>>,
    configs: RwLock<(BTreeMap<String, String>, Arc<Settings>)>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Result<Arc<Partition>, Code> {
        let index = usize::try_from(index).map_err(|_| Code::UnknownTopicOrPartition)?;
        self.partitions.read().get(index).cloned().ok_or(Code::UnknownTopicOrPartition)
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().clone()
    }

    pub(crate) fn partition_count(&self) -> i32 {
        self.partitions.read().len() as i32
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.configs.read().1)
    }

    pub(crate) fn overrides(&self) -> BTreeMap<String, String> {
        self.configs.read().0.clone()
    }

    fn stored(&self) -> Stored {
        Stored { id: self.id, partitions: self.partition_count(), configs: self.overrides() }
    }
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    store: Arc<Store>,
    /// Folder of the partitions' folders.
    root: Option<PathBuf>,
    map: RwLock<HashMap<String, Arc<Topic>>>,
    /// Held while topics are made, changed or deleted, so that disk and map agree.
    change: Mutex<()>,
}

fn topic_key(name: &str) -> String {
    format!("topic/{name}")
}

/// Where DeleteRecords' effect on a partition is kept.
pub(crate) fn start_key(topic: &str, partition: i32) -> String {
    format!("start/{topic}/{partition}")
}

fn partition_dir(root: &Path, name: &str, index: i32) -> PathBuf {
    root.join(format!("{name}-{index}"))
}

impl Topics {
    /// Opens every topic of the store. Folders of topics that are no more are removed.
    pub(crate) fn open(config: &Config, store: Arc<Store>) -> Result<Self, Error> {
        let root = match &config.storage {
            Storage::Disk(dir) => Some(dir.join("topics")),
            Storage::Memory => None,
        };
        let topics = Self { store, root, map: RwLock::default(), change: Mutex::new(()) };
        let stored = topics.store.list::<Stored>("topic/");
        if let Some(root) = &topics.root {
            fs::create_dir_all(root).map_err(|e| Error::io(root, e))?;
            remove_strangers(root, &stored).map_err(|e| Error::io(root, e))?;
        }
        for (name, stored) in stored {
            let topic = topics.load(&name, &stored).map_err(|e| Error::io(topic_key(&name), e))?;
            topics.map.write().insert(name, Arc::new(topic));
        }
        Ok(topics)
    }

    fn load(&self, name: &str, stored: &Stored) -> io::Result<Topic> {
        let partitions =
            (0..stored.partitions).map(|i| self.open_partition(name, i)).collect::<io::Result<_>>()?;
        let settings = Arc::new(Settings::read(&stored.configs));
        Ok(Topic {
            name: name.to_owned(),
            id: stored.id,
            partitions: RwLock::new(partitions),
            configs: RwLock::new((stored.configs.clone(), settings)),
        })
    }

    fn open_partition(&self, name: &str, index: i32) -> io::Result<Arc<Partition>> {
        let log = match &self.root {
            None => Log::in_memory(),
            Some(root) => {
                let start = self.store.get(&start_key(name, index)).unwrap_or(0);
                Log::open(partition_dir(root, name, index), start, now_ms())?
            }
        };
        Ok(Arc::new(Partition::new(log)))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.map.read().get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.map.read().values().find(|t| t.id == id).cloned()
    }

    pub(crate) fn partition(&self, name: &str, index: i32) -> Result<(Arc<Topic>, Arc<Partition>), Code> {
        let topic = self.get(name).ok_or(Code::UnknownTopicOrPartition)?;
        let partition = topic.partition(index)?;
        Ok((topic, partition))
    }

    /// Every topic, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut all: Vec<_> = self.map.read().values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) -> Result<Arc<Topic>, Code> {
        let _change = self.change.lock();
        if self.map.read().contains_key(name) {
            return Err(Code::TopicAlreadyExists);
        }
        let stored = Stored { id: Uuid::new_v4(), partitions, configs };
        let topic = Arc::new(self.load(name, &stored).map_err(|e| storage_error(name, &e))?);
        self.store.put(topic_key(name), &stored).map_err(|e| storage_error(name, &e))?;
        self.map.write().insert(name.to_owned(), Arc::clone(&topic));
        tracing::debug!(topic = name, partitions, "topic created");
        Ok(topic)
    }

    /// Grows a topic to `count` partitions.
    pub(crate) fn grow(&self, topic: &Topic, count: i32) -> Result<(), Code> {
        let _change = self.change.lock();
        let now = topic.partition_count();
        let more: Vec<_> = (now..count)
            .map(|i| self.open_partition(&topic.name, i))
            .collect::<io::Result<_>>()
            .map_err(|e| storage_error(&topic.name, &e))?;
        let stored = Stored { partitions: count, ..topic.stored() };
        self.store.put(topic_key(&topic.name), &stored).map_err(|e| storage_error(&topic.name, &e))?;
        topic.partitions.write().extend(more);
        Ok(())
    }

    /// Replaces a topic's overrides.
    pub(crate) fn configure(&self, topic: &Topic, configs: BTreeMap<String, String>) -> Result<(), Code> {
        let _change = self.change.lock();
        let stored = Stored { configs: configs.clone(), ..topic.stored() };
        self.store.put(topic_key(&topic.name), &stored).map_err(|e| storage_error(&topic.name, &e))?;
        let settings = Arc::new(Settings::read(&configs));
        *topic.configs.write() = (configs, settings);
        Ok(())
    }

    /// Deletes a topic, its records and the offsets committed on it.
    pub(crate) fn delete(&self, topic: &Topic, mut offsets: Changes) -> Result<(), Code> {
        let _change = self.change.lock();
        let count = topic.partition_count();
        offsets.push((topic_key(&topic.name), None));
        offsets.extend((0..count).map(|i| (start_key(&topic.name, i), None)));
        self.store.apply(offsets).map_err(|e| storage_error(&topic.name, &e))?;
        self.map.write().remove(&topic.name);
        for (index, partition) in topic.partitions().iter().enumerate() {
            let mut log = partition.log.lock();
            log.deleted = true;
            log.segments.clear();
            drop(log);
            partition.changed();
            if let Some(root) = &self.root {
                remove_dir(&partition_dir(root, &topic.name, index as i32))
                    .map_err(|e| storage_error(&topic.name, &e))?;
            }
        }
        Ok(())
    }

    /// Keeps the start that records were deleted up to.
    pub(crate) fn store_start(&self, name: &str, partition: i32, start: i64) -> Result<(), Code> {
        let changes = value(&start).and_then(|v| self.store.apply(vec![(start_key(name, partition), v)]));
        changes.map_err(|e| storage_error(name, &e))
    }
}

/// Logs what the client cannot be told.
pub(crate) fn storage_error(topic: &str, error: &io::Error) -> Code {
    tracing::error!(topic, %error, "storage failed; is the disk full or the folder read-only?");
    Code::KafkaStorageError
}

fn remove_strangers(root: &Path, stored: &[(String, Stored)]) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = name.rsplit_once('-').is_some_and(|(topic, index)| {
            stored.iter().any(|(t, s)| t == topic && index.parse::<i32>().is_ok_and(|i| i < s.partitions))
        });
        if !known {
            remove_dir(&entry.path())?;
        }
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the folders of deleted topics are the broker's own to remove")]
fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// True for a name that Kafka allows.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.chars().all(allowed)
}
