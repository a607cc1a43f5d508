//! `--from`: the lines of a file as values, unchanged.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use affluent_core::exit;
use anyhow::Context as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::Record;

/// A file read line by line; blank lines are left out.
pub struct Lines {
    path: PathBuf,
    reader: Reader,
    key_field: Option<String>,
    /// Start again at the end.
    repeat: bool,
    /// How many lines were read, from the first round on.
    read: u64,
    line: Vec<u8>,
}

enum Reader {
    File(BufReader<File>),
    Stdin(io::Stdin),
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("path", &self.path).field("read", &self.read).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a file, or stdin for `-`.
    pub fn open(path: &Path, key_field: Option<&str>, repeat: bool) -> anyhow::Result<Self> {
        let reader = if path == Path::new("-") {
            Reader::Stdin(io::stdin())
        } else {
            let file = File::open(path)
                .map_err(|error| exit::usage(format!("--from: cannot open {}: {error}", path.display())))?;
            Reader::File(BufReader::with_capacity(256 * 1024, file))
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            key_field: key_field.map(str::to_owned),
            repeat,
            read: 0,
            line: Vec::new(),
        })
    }

    /// Reads on to line `index`, which must not lie behind; false at the end.
    pub(super) fn write(&mut self, index: u64, record: &mut Record) -> anyhow::Result<bool> {
        while self.read <= index {
            if !self.next_line().with_context(|| format!("cannot read {}", self.path.display()))? {
                return Ok(false);
            }
            self.read += 1;
        }
        record.value.extend_from_slice(&self.line);
        if let Some(field) = &self.key_field
            && let Some(key) = scalar(&self.line, field)
        {
            record.key().extend_from_slice(&key);
        }
        Ok(true)
    }

    fn next_line(&mut self) -> io::Result<bool> {
        let mut rewound = false;
        loop {
            self.line.clear();
            let count = match &mut self.reader {
                Reader::File(file) => file.read_until(b'\n', &mut self.line)?,
                Reader::Stdin(stdin) => stdin.lock().read_until(b'\n', &mut self.line)?,
            };
            if count == 0 {
                let Reader::File(file) = &mut self.reader else { return Ok(false) };
                // A file without a line would be read for ever.
                if !self.repeat || rewound {
                    return Ok(false);
                }
                file.seek(SeekFrom::Start(0))?;
                rewound = true;
                continue;
            }
            while self.line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                self.line.pop();
            }
            if !self.line.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// A top-level field of a JSON object as the text of a key. No object, no such field, null: no key.
fn scalar(line: &[u8], field: &str) -> Option<Vec<u8>> {
    let mut reader = serde_json::Deserializer::from_slice(line);
    match FieldOf(field).deserialize(&mut reader).ok()?? {
        Value::Null => None,
        Value::String(text) => Some(text.into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

/// Reads one field and skips the others.
struct FieldOf<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for FieldOf<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldOf<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = access.next_key::<std::borrow::Cow<'de, str>>()? {
            if name == self.0 {
                found = Some(access.next_value()?);
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, repeat: bool, count: u64) -> Vec<(Option<String>, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.jsonl");
        std::fs::write(&path, text).unwrap();
        let mut lines = Lines::open(&path, Some("id"), repeat).unwrap();
        let mut found = Vec::new();
        let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        for index in 0..count {
            let mut record = Record::default();
            if !lines.write(index, &mut record).unwrap() {
                break;
            }
            found.push((record.key_bytes().map(utf8), utf8(&record.value)));
        }
        found
    }

    #[test]
    fn lines_are_values_and_a_field_is_the_key() {
        let text = "{\"id\":\"é\\n\",\"x\":{\"id\":1}}\r\n\n{\"id\":12}\nno json\n{\"id\":null}\n{\"x\":1}";
        let found = all(text, false, 100);
        let keys: Vec<_> = found.iter().map(|(key, _)| key.as_deref()).collect();
        assert_eq!(keys, [Some("é\n"), Some("12"), None, None, None]);
        assert_eq!(found[0].1, "{\"id\":\"é\\n\",\"x\":{\"id\":1}}");
        assert_eq!(found[2].1, "no json");
    }

    #[test]
    fn a_file_may_be_read_again_and_an_empty_one_ends() {
        let values =
            |found: Vec<(Option<String>, String)>| found.into_iter().map(|(_, value)| value).collect();
        let found: Vec<String> = values(all("a\nb\n", true, 5));
        assert_eq!(found, ["a", "b", "a", "b", "a"]);
        assert!(all("\n\n", true, 5).is_empty());
    }
}
