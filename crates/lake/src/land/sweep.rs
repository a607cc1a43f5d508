//! Clearing up after writers that died between publishing a file and committing it.

use std::collections::{HashMap, HashSet};

use affluent_core::layout::Kind;

use super::dead_letters;
use crate::commit::{Table, offset_id};
use crate::staging::Staging;
use crate::{Engine, Error};

/// Deletes what dead writers published but never committed, and their staging folders. Nothing of a
/// living writer is touched, and a dead one can commit no more.
pub fn sweep(engine: &Engine, staging: &Staging) -> Result<usize, Error> {
    let mut deleted = 0;
    for writer in staging.dead_writers()? {
        let mut tables = Tables { engine, known: HashMap::new() };
        for target in &writer.leftovers {
            if tables.is_dead(target)? && engine.block_on(engine.lake().read(target))?.is_some() {
                engine.block_on(engine.lake().delete(target))?;
                tracing::info!(file = target, "deleted an uncommitted file of a dead writer");
                deleted += 1;
            }
        }
        writer.bury()?;
    }
    Ok(deleted)
}

/// A table and its live files; none where nothing was ever committed.
type Known = Option<(Table, HashSet<String>)>;

struct Tables<'a> {
    engine: &'a Engine,
    known: HashMap<(Kind, String), Known>,
}

impl Tables<'_> {
    /// Is a file that stands at `target` one that no commit refers to?
    fn is_dead(&mut self, target: &str) -> Result<bool, Error> {
        if let Some((topic, partition, first)) = dead_letters::parse_target(target) {
            return self.is_uncommitted_letter(&topic, partition, first);
        }
        let mut parts = target.splitn(3, '/');
        let (Some(folder), Some(name), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(false);
        };
        let kind = match folder {
            "streams" => Kind::Stream,
            "tables" => Kind::Table,
            _ => return Ok(false),
        };
        Ok(match self.table(kind, name)? {
            Some((_, live)) => !live.contains(path),
            None => true,
        })
    }

    /// Dead letters are not in the log, but the offset that was committed with them is.
    fn is_uncommitted_letter(&mut self, topic: &str, partition: i32, first: i64) -> Result<bool, Error> {
        let feeds = self.engine.block_on(affluent_core::feeds::Feeds::load(self.engine.lake()))?;
        let Ok(Some(feed)) = feeds.for_topic(topic) else { return Ok(false) };
        let (kind, name) = (feed.kind, feed.name.clone());
        Ok(match self.table(kind, &name)? {
            Some((table, _)) => {
                table.id(&offset_id(&name, topic, partition))?.is_none_or(|next| next <= first)
            }
            None => true,
        })
    }

    fn table(&mut self, kind: Kind, name: &str) -> Result<Option<&(Table, HashSet<String>)>, Error> {
        let key = (kind, name.to_owned());
        if !self.known.contains_key(&key) {
            let found = match Table::open(self.engine, kind, name)? {
                Some(table) => {
                    let live = table.live_files()?.into_iter().map(|file| file.path).collect();
                    Some((table, live))
                }
                None => None,
            };
            self.known.insert(key.clone(), found);
        }
        Ok(self.known.get(&key).and_then(Option::as_ref))
    }
}
