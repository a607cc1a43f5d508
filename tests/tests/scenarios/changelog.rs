//! What a changelog topic says its table holds, in the plainest way, and the lake held to it.

use std::collections::{BTreeMap, HashMap};

use affluent_core::feeds::{Feed, Kind};
use affluent_core::layout;
use affluent_core::schema::Type;
use affluent_testkit::{Row, TestLake};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use crate::common::same;

/// One record of the topic.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// None deletes the key's row.
    pub(crate) value: Option<String>,
}

/// Everything that was sent to a table's topic, by partition; the place in it is the offset.
pub(crate) struct Changelog {
    pub(crate) feed: Feed,
    pub(crate) partitions: Vec<Vec<Change>>,
}

impl Changelog {
    pub(crate) fn new(feed: Feed, partitions: usize) -> Self {
        Self { feed, partitions: vec![Vec::new(); partitions] }
    }

    /// The keys that have a row at the end, with their partitions.
    pub(crate) fn keys(&self) -> Vec<(usize, String)> {
        let state = |log: &Vec<Change>| state(log).into_keys().map(str::to_owned).collect::<Vec<_>>();
        let keys = self.partitions.iter().enumerate();
        keys.flat_map(|(partition, log)| state(log).into_iter().map(move |key| (partition, key))).collect()
    }

    /// Rows of each version that is in the lake.
    pub(crate) fn versions(&self, lake: &TestLake) -> BTreeMap<u64, u64> {
        let mut rows = BTreeMap::new();
        for file in lake.files(Kind::Table, &self.feed.name) {
            rows.entry(version(&file)).or_insert(0);
        }
        lake.each_row(Kind::Table, &self.feed.name, &mut |row| {
            *rows.entry(version(&row.folder)).or_insert(0) += 1
        });
        rows
    }

    /// Asserts that the newest version is the state of the topic, and that each version before was
    /// the whole state at a moment of each partition, one after the other.
    #[track_caller]
    pub(crate) fn assert_landed(&self, lake: &TestLake, topic: &str) {
        let name = &self.feed.name;
        let mut rows: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
        for file in lake.files(Kind::Table, name) {
            rows.entry(version(&file)).or_default();
        }
        lake.each_row(Kind::Table, name, &mut |row| rows.entry(version(&row.folder)).or_default().push(row));
        for (partition, log) in self.partitions.iter().enumerate() {
            let next = lake.next_offset(Kind::Table, name, topic, partition as i32);
            assert_eq!(next.unwrap_or(0), log.len() as i64, "next offset of partition {partition}");
            let mut replay = Replay::new(log);
            for (version, rows) in &rows {
                let rows = rows.iter().filter(|row| row.partition as usize == partition);
                let found = replay.advance_to(rows.clone());
                assert!(found, "v{version} holds no state of partition {partition} from {} on", replay.next);
                rows.for_each(|row| self.assert_row(row));
            }
            let last = rows.values().next_back().into_iter().flatten();
            let last = last.filter(|row| row.partition as usize == partition);
            let landed: BTreeMap<&str, i64> = last.map(|row| (key_of(row), row.offset)).collect();
            assert_eq!(landed, state(log), "partition {partition} of the newest version");
        }
    }

    /// A row is what the record at its offset says.
    fn assert_row(&self, row: &Row) {
        let change = &self.partitions[row.partition as usize][row.offset as usize];
        assert_eq!(key_of(row), change.key);
        let mut landed = row.values.clone();
        landed.remove("kafka_timestamp").unwrap();
        landed.remove("kafka_key").unwrap();
        let expected = self.columns(change);
        let landed = Value::Object(landed);
        assert!(same(&landed, &expected), "{change:?}\nbecame {landed:?}\nand not {expected:?}");
    }

    /// The columns of a record's value and of its key.
    fn columns(&self, change: &Change) -> Value {
        let value: Value = serde_json::from_str(change.value.as_deref().unwrap()).unwrap();
        let key = match self.feed.key.columns.as_slice() {
            [column] => json!({ column: change.key }),
            _ => serde_json::from_str(&change.key).unwrap(),
        };
        let schema = self.feed.schema.as_ref().unwrap();
        let mut columns = Map::new();
        for (name, value) in value.as_object().unwrap().iter().chain(key.as_object().unwrap()) {
            let field = &schema.fields[schema.position(name).unwrap_or_else(|| panic!("no column {name}"))];
            let landed = match (&field.ty, value) {
                (_, Value::Null) => continue,
                (Type::Decimal(_, scale), value) => {
                    format!("{:.*}", usize::from(*scale), value.as_f64().unwrap()).into()
                }
                (Type::Timestamp, Value::String(text)) => {
                    let time = DateTime::parse_from_rfc3339(text).unwrap().to_utc();
                    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
                }
                (_, value) => value.clone(),
            };
            columns.insert(field.name.clone(), landed);
        }
        Value::Object(columns)
    }
}

fn key_of(row: &Row) -> &str {
    row.get("kafka_key").as_str().unwrap()
}

/// The version of a file or folder `version=v7/...`.
fn version(path: &str) -> u64 {
    let folder = path.split('/').next().unwrap_or_default();
    layout::parse_version_value(folder.strip_prefix("version=").unwrap()).unwrap()
}

/// The offset of each key's row after all changes.
fn state(log: &[Change]) -> BTreeMap<&str, i64> {
    let mut state = BTreeMap::new();
    for (offset, change) in log.iter().enumerate() {
        match change.value {
            Some(_) => state.insert(change.key.as_str(), offset as i64),
            None => state.remove(change.key.as_str()),
        };
    }
    state
}

/// A partition's state as it went, change by change.
struct Replay<'a> {
    log: &'a [Change],
    /// The next change to apply.
    next: usize,
    state: HashMap<&'a str, i64>,
}

impl<'a> Replay<'a> {
    fn new(log: &'a [Change]) -> Self {
        Self { log, next: 0, state: HashMap::new() }
    }

    /// Goes on to the first moment at which these were the rows; false where there is none.
    fn advance_to<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) -> bool {
        let wanted: HashMap<&str, i64> = rows.map(|row| (key_of(row), row.offset)).collect();
        let differs = |state: &HashMap<&str, i64>, key: &str| state.get(key) != wanted.get(key);
        let all = self.state.keys().chain(wanted.keys()).collect::<std::collections::HashSet<_>>();
        let mut wrong = all.into_iter().filter(|key| differs(&self.state, key)).count();
        while wrong > 0 {
            let Some(change) = self.log.get(self.next) else { return false };
            let before = usize::from(differs(&self.state, &change.key));
            match change.value {
                Some(_) => self.state.insert(&change.key, self.next as i64),
                None => self.state.remove(change.key.as_str()),
            };
            wrong = wrong - before + usize::from(differs(&self.state, &change.key));
            self.next += 1;
        }
        true
    }
}
