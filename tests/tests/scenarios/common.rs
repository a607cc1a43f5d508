//! Consumers under test, and what all scenarios assert of what they landed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use affluent_testkit::{Ended, Kafka, Process, Program, TestLake};
use serde_json::Value;

/// How long a consumer may take to its end where nothing holds it up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The executable that acts as the binary that it is called by.
pub(crate) const UNDER_TEST: &str = env!("CARGO_BIN_EXE_under-test");

/// Held by the scenarios that take both cores for long, so that they do not run side by side; the
/// others mostly wait for sessions to end.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A `consumer-datalake` of a topic.
pub(crate) fn consumer(kafka: &Kafka, lake: &TestLake, topic: &str, group: &str) -> Program {
    Program::new("consumer-datalake", UNDER_TEST).args([
        "--bootstrap-servers",
        kafka.servers(),
        "--lake-root",
        &lake.root(),
        "--topics",
        topic,
        "--group",
        group,
        "--output",
        "json",
        // The least that Kafka takes by default: others take over soon.
        "-X",
        "session.timeout.ms=6000,heartbeat.interval.ms=500",
    ])
}

/// Lands a topic to its end, which must succeed.
#[track_caller]
pub(crate) fn land(kafka: &Kafka, lake: &TestLake, topic: &str, group: &str) -> Ended {
    land_with(kafka, lake, topic, group, &[])
}

#[track_caller]
pub(crate) fn land_with(kafka: &Kafka, lake: &TestLake, topic: &str, group: &str, args: &[&str]) -> Ended {
    let consumer = consumer(kafka, lake, topic, group).args(["--until-end"]).args(args.iter().copied());
    let ended = consumer.run(lake.logs(), "to_the_end", PATIENCE);
    ended.assert_code(0);
    ended
}

/// Consumers of one group, started again under the name of their place.
pub(crate) struct Group<'a> {
    pub(crate) program: Program,
    pub(crate) lake: &'a TestLake,
    pub(crate) members: Vec<Process>,
}

impl<'a> Group<'a> {
    pub(crate) fn start(program: Program, lake: &'a TestLake, count: usize) -> Self {
        let mut group = Self { program, lake, members: Vec::new() };
        for _ in 0..count {
            group.join();
        }
        group
    }

    /// Starts one more.
    pub(crate) fn join(&mut self) {
        let name = affluent_testkit::unique("member");
        self.members.push(self.program.start(self.lake.logs(), &name));
    }

    /// kill -9 and at once a new process in its place.
    pub(crate) fn replace(&mut self, place: usize) {
        assert!(self.members[place].is_running(), "member {place} has ended by itself");
        self.members[place].kill();
        self.restart(place);
    }

    /// A new process in the place of one that was killed.
    pub(crate) fn restart(&mut self, place: usize) {
        self.members[place] = self.program.start(self.lake.logs(), &affluent_testkit::unique("member"));
    }

    /// Asks all to end, which they must do in order.
    pub(crate) fn end(&mut self) {
        for member in &self.members {
            member.terminate();
        }
        for member in &mut self.members {
            member.wait(Duration::from_secs(60)).assert_code(0);
        }
    }

    /// How often a text is in the logs of all that ever were in a group of this lake.
    fn count(&self, text: &str) -> usize {
        let files = std::fs::read_dir(self.lake.logs()).unwrap().flatten().map(|entry| entry.path());
        let logs = files.filter(|path| path.extension().is_some_and(|kind| kind == "err"));
        logs.map(|log| std::fs::read_to_string(log).unwrap().matches(text).count()).sum()
    }

    /// What the group went through, for the report of a test.
    pub(crate) fn story(&self) -> String {
        format!(
            "{} commits, {} partition sets taken over, {} fenced off, {} uncommitted files deleted",
            self.count("\"committed\""),
            self.count("took over partitions"),
            self.count("landed these partitions further"),
            self.count("deleted an uncommitted file"),
        )
    }
}

/// The folder of real data that is not part of the repository: a setting, else beside it.
pub(crate) fn fixtures(setting: &str, name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    let folder = affluent_testkit::setting(setting).map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    affluent_testkit::note(&format!(
        "SKIPPED a test of real data: there is no {}; set {setting}",
        folder.display()
    ));
    None
}

/// The same value, but for the last digit of a double, which readers of JSON disagree on.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            let (left, right) = (left.as_f64().unwrap_or(f64::NAN), right.as_f64().unwrap_or(f64::NAN));
            (left - right).abs() <= f64::EPSILON * left.abs()
        }
        _ => left == right,
    }
}
