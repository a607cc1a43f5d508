//! Other people's readers of the lake: DuckDB, Polars, pyarrow and deltalake, by `scripts/check_lake.py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use affluent_core::feeds::Kind;
use serde_json::Value;

use crate::env::{setting, skip};
use crate::lake::TestLake;

/// The Python that has the readers, and the check.
pub struct Readers {
    python: PathBuf,
    check: PathBuf,
}

/// The readers that `scripts/readers` installs; `AFFLUENT_READERS_PYTHON` names their Python.
pub fn require_readers() -> Option<Readers> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let python =
        setting("AFFLUENT_READERS_PYTHON").map_or(root.join(".services/venv/bin/python"), PathBuf::from);
    if !python.exists() {
        let reason = format!("there is no {}; run scripts/readers", python.display());
        skip("a check with other readers", &reason);
        return None;
    }
    Some(Readers { python, check: root.join("scripts/check_lake.py") })
}

impl Readers {
    /// Asserts that all of them see the same in a stream or table; what the first of them saw.
    #[track_caller]
    pub fn assert_agree(&self, lake: &TestLake, kind: Kind, name: &str) -> Value {
        let mut command = Command::new(&self.python);
        command.arg(&self.check).arg(lake.path());
        match kind {
            Kind::Stream => command.arg(name).arg("--unique"),
            Kind::Table => command.arg("--table").arg(name),
        };
        let output = command.arg("--json").output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr));
        });
        assert!(
            output.status.success() && report["agree"] == true,
            "differences {:#}, errors {:#}, repeated {}",
            report["differences"],
            report["errors"],
            report["repeated_offsets"]
        );
        let readers = report["readers"].as_object().unwrap();
        assert_eq!(readers.len(), 5, "{:?}", readers.keys());
        readers.values().next().unwrap().clone()
    }
}
