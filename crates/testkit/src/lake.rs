//! A lake of a test's own, read back through its log and through its folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use affluent_core::clock::Clock;
use affluent_core::feeds::{Feed, Feeds, Kind, builtin};
use affluent_core::lake::Lake;
use affluent_core::layout;
use affluent_lake::commit::{Table, offset_id};
use affluent_lake::{Engine, read};
use serde_json::Value;
use tempfile::TempDir;

use crate::rows::{Row, each_row};

/// A lake that goes away with its test.
pub struct TestLake {
    folder: TempDir,
    root: PathBuf,
    engine: Engine,
}

impl TestLake {
    /// A lake with the feeds that exist from the start, as `init-datalake` makes it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("lake");
        Self::make(folder, root)
    }

    /// The same in a folder that the test has prepared, such as one of a small file system.
    pub fn at(root: &Path) -> Self {
        Self::make(tempfile::tempdir().unwrap(), root.to_owned())
    }

    fn make(folder: TempDir, root: PathBuf) -> Self {
        let engine = Engine::new(Lake::create(root.to_str().unwrap()).unwrap()).unwrap();
        let lake = Self { folder, root, engine };
        for name in layout::FOLDERS {
            fs::create_dir_all(lake.path().join(name)).unwrap();
        }
        for feed in builtin(Clock::System.now()) {
            lake.add_feed(feed);
        }
        lake
    }

    pub fn path(&self) -> PathBuf {
        self.root.clone()
    }

    pub fn root(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// A folder beside the lake, for the logs of processes.
    pub fn logs(&self) -> &Path {
        self.folder.path()
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn add_feed(&self, feed: Feed) {
        let added = self.engine.block_on(Feeds::default().add(self.engine.lake(), feed)).unwrap();
        assert!(added, "the feed exists already");
    }

    /// Lets one of the feeds that exist from the start read this topic.
    pub fn source(&self, feed: &str, topic: &str) {
        let mut feeds = self.feeds();
        let mut changed = feeds.get(feed).unwrap().clone();
        changed.source = topic.to_owned();
        self.engine.block_on(feeds.save(self.engine.lake(), changed)).unwrap();
    }

    pub fn feeds(&self) -> Feeds {
        self.engine.block_on(Feeds::load(self.engine.lake())).unwrap()
    }

    pub fn table(&self, kind: Kind, name: &str) -> Table {
        self.try_table(kind, name).unwrap_or_else(|| panic!("there is no table {name}"))
    }

    pub fn try_table(&self, kind: Kind, name: &str) -> Option<Table> {
        Table::open(&self.engine, kind, name).unwrap()
    }

    /// The next offset of a partition, as the log has it.
    pub fn next_offset(&self, kind: Kind, name: &str, topic: &str, partition: i32) -> Option<i64> {
        self.try_table(kind, name)?.id(&offset_id(name, topic, partition)).unwrap()
    }

    /// The data files, relative to the table's folder: those of the log, which must be those that a
    /// glob over the folders finds.
    #[track_caller]
    pub fn files(&self, kind: Kind, name: &str) -> Vec<String> {
        let table = self.table(kind, name);
        let live: Vec<String> = table.live_files().unwrap().into_iter().map(|file| file.path).collect();
        let logged: BTreeSet<String> = live.iter().cloned().collect();
        assert_eq!(logged.len(), live.len(), "the log of {name} names a file twice");
        let depth = if kind == Kind::Stream { 3 } else { 1 };
        let mut globbed = BTreeSet::new();
        glob(&self.path().join(table.folder()), String::new(), depth, &mut globbed);
        assert_eq!(
            logged, globbed,
            "the log (left) and the folders of {name} (right) do not show the same files"
        );
        logged.into_iter().collect()
    }

    /// Hands over every row of a table, file by file.
    #[track_caller]
    pub fn each_row(&self, kind: Kind, name: &str, take: &mut dyn FnMut(Row)) {
        for file in self.files(kind, name) {
            self.each_row_of(kind, name, &file, take);
        }
    }

    /// Hands over every row of one data file.
    pub fn each_row_of(&self, kind: Kind, name: &str, file: &str, take: &mut dyn FnMut(Row)) {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = format!("{}/{file}", layout::feed_folder(kind, name));
        read::each_batch(&self.engine, &path, &mut |batch| {
            each_row(&batch, folder, take);
            Ok(())
        })
        .unwrap();
    }

    /// The columns that are in a data file itself; none in one without rows.
    pub fn columns_of(&self, kind: Kind, name: &str, file: &str) -> Vec<String> {
        let path = format!("{}/{file}", layout::feed_folder(kind, name));
        let mut columns = Vec::new();
        read::each_batch(&self.engine, &path, &mut |batch| {
            columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            Ok(())
        })
        .unwrap();
        columns
    }

    /// All rows, in order of partition and offset.
    #[track_caller]
    pub fn rows(&self, kind: Kind, name: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        self.each_row(kind, name, &mut |row| rows.push(row));
        rows.sort_by_key(|row| (row.partition, row.offset));
        rows
    }

    /// What is kept of rejected records, in order of partition and offset.
    pub fn dead_letters(&self, topic: &str) -> Vec<Value> {
        let mut letters = Vec::new();
        for entry in fs::read_dir(self.path().join(layout::DEAD_LETTERS).join(topic)).into_iter().flatten() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            letters.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        letters.sort_by_key(|letter| (letter["partition"].as_i64(), letter["offset"].as_i64()));
        letters
    }

    /// Everything below `.staging`.
    pub fn staged(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.path().join(layout::STAGING), &mut found);
        found
    }

    /// Files that were put in their place and that their writer has not settled yet, for an instant.
    pub fn is_amid_commit(&self) -> bool {
        let staging = self.path().join(layout::STAGING);
        self.staged().iter().any(|path| {
            let relative = path.strip_prefix(&staging).unwrap();
            let target: PathBuf = relative.iter().skip(1).collect();
            target.extension().is_some_and(|kind| kind == "parquet") && self.path().join(target).exists()
        })
    }

    /// Asserts that no writer left anything behind.
    #[track_caller]
    pub fn assert_nothing_staged(&self) {
        let staged = self.staged();
        assert!(staged.is_empty(), "left in the staging folder: {staged:#?}");
    }
}

impl Default for TestLake {
    fn default() -> Self {
        Self::new()
    }
}

/// `<key>=<value>/` for each level, then `*.parquet`.
fn glob(folder: &Path, relative: String, depth: usize, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if depth > 0 && name.contains('=') {
            glob(&entry.path(), format!("{relative}{name}/"), depth - 1, found);
        } else if depth == 0 && name.ends_with(".parquet") {
            found.insert(format!("{relative}{name}"));
        }
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    // A living writer moves files meanwhile.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}
