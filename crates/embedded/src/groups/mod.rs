//! The consumer groups and their committed offsets.

pub(crate) mod group;
pub(crate) mod member;
pub(crate) mod offsets;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::clock::now_ms;
use crate::store::{Store, value};
use crate::wire::Code;
use group::{Group, StoredGroup};
use offsets::group_of_key;

/// All groups. A group that only has offsets is one without members.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) store: Arc<Store>,
    map: Mutex<HashMap<String, Arc<Mutex<Group>>>>,
    initial_delay: i64,
}

fn group_key(id: &str) -> String {
    format!("group/{id}")
}

impl Groups {
    pub(crate) fn open(store: Arc<Store>, initial_delay: i64) -> Self {
        let now = now_ms();
        let mut map = HashMap::new();
        for (key, _) in store.list::<offsets::Committed>("offset/") {
            if let Some(id) = group_of_key(&key) {
                map.entry(id.to_owned()).or_insert_with(|| Arc::new(Mutex::new(Group::new(initial_delay))));
            }
        }
        for (id, stored) in store.list::<StoredGroup>("group/") {
            map.insert(id, Arc::new(Mutex::new(Group::restore(stored, initial_delay, now))));
        }
        Self { store, map: Mutex::new(map), initial_delay }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Mutex<Group>>> {
        self.map.lock().get(id).cloned()
    }

    pub(crate) fn get_or_create(&self, id: &str) -> Arc<Mutex<Group>> {
        let mut map = self.map.lock();
        let fresh = || Arc::new(Mutex::new(Group::new(self.initial_delay)));
        Arc::clone(map.entry(id.to_owned()).or_insert_with(fresh))
    }

    /// Every group, by id.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Mutex<Group>>)> {
        let mut all: Vec<_> = self.map.lock().iter().map(|(id, g)| (id.clone(), Arc::clone(g))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Stores a group if it changed in a way that a restart must know of.
    pub(crate) fn keep(&self, id: &str, group: &mut MutexGuard<'_, Group>) {
        if !std::mem::take(&mut group.changed) {
            return;
        }
        if let Err(error) = self.store.put(group_key(id), &group.stored()) {
            // The group goes on; after a restart its members would have to join again.
            tracing::error!(group = id, %error, "cannot store the group; is the disk full?");
        }
    }

    /// Lets time pass for every group.
    pub(crate) fn tick(&self, now: i64) {
        for (id, group) in self.all() {
            let mut group = group.lock();
            group.tick(now);
            self.keep(&id, &mut group);
        }
    }

    /// Deletes a group without members, and its offsets.
    pub(crate) fn delete(&self, id: &str) -> Result<(), Code> {
        let mut map = self.map.lock();
        let group = map.get(id).ok_or(Code::GroupIdNotFound)?;
        if !group.lock().is_vacant() {
            return Err(Code::NonEmptyGroup);
        }
        let mut changes = self.offset_removals(id, |_| true);
        changes.push((group_key(id), None));
        self.store.apply(changes).map_err(|e| storage_error(id, &e))?;
        map.remove(id);
        Ok(())
    }
}

/// Logs what the client cannot be told.
pub(crate) fn storage_error(group: &str, error: &io::Error) -> Code {
    tracing::error!(group, %error, "cannot store offsets; is the disk full or the folder read-only?");
    Code::CoordinatorNotAvailable
}

/// A stored value, for callers that make changes of their own.
pub(crate) fn stored_offset(committed: &offsets::Committed) -> io::Result<Option<Vec<u8>>> {
    value(committed)
}
