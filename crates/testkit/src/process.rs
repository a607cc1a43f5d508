//! Child processes that are stopped, killed and looked at, and never outlive their test.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A binary under test and how it is called.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    path: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Program {
    /// `multi_call` is an executable that acts as whatever name it is called by; a folder in
    /// `AFFLUENT_BIN_DIR` has the real ones (a release build, say), which are taken instead.
    pub fn new(name: &str, multi_call: &str) -> Self {
        let path = match crate::setting("AFFLUENT_BIN_DIR") {
            Some(folder) => Path::new(&folder).join(name),
            None => PathBuf::from(multi_call),
        };
        Self { name: name.to_owned(), path, args: Vec::new(), env: Vec::new() }
    }

    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Starts it. `log` names its files in `folder`; a later process of the same name appends to them.
    pub fn start(&self, folder: &Path, log: &str) -> Process {
        let open = |path: &Path| -> File { OpenOptions::new().create(true).append(true).open(path).unwrap() };
        let (stdout, stderr) = (folder.join(format!("{log}.out")), folder.join(format!("{log}.err")));
        let child = Command::new(&self.path)
            .arg0(&self.name)
            .args(&self.args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(open(&stdout))
            .stderr(open(&stderr))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.path.display()));
        Process { name: self.name.clone(), child, stdout, stderr }
    }

    /// Runs it to its end.
    pub fn run(&self, folder: &Path, log: &str, most: Duration) -> Ended {
        self.start(folder, log).wait(most)
    }
}

/// How a process ended, and all that was written under its log's name.
#[derive(Debug)]
pub struct Ended {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "signal {:?}; its log ends:\n{}", self.signal, tail(&self.stderr));
        self
    }
}

/// A running child; it is killed when it is dropped.
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("cannot send {signal:?} to {}: {error}", self.name));
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: it does not run any more, and keeps all that it has.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn wake(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM: asks for an orderly end. Waits until the process listens to it, a moment after its start.
    pub fn terminate(&self) {
        crate::wait_until("a process to listen to SIGTERM", Duration::from_secs(30), || {
            let caught = self.status("SigCgt:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
            caught.is_none_or(|mask| mask >> (Signal::TERM.as_raw() - 1) & 1 == 1)
        });
        self.signal(Signal::TERM);
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; a process that takes longer than `most` has failed.
    #[track_caller]
    pub fn wait(&mut self, most: Duration) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > most {
                let log = self.log();
                self.kill();
                panic!("{} did not end within {most:?}; its log ends:\n{}", self.name, tail(&log));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let stdout = fs::read_to_string(&self.stdout).unwrap();
        Ended { code: status.code(), signal: status.signal(), stdout, stderr: self.log() }
    }

    /// What it has written to stderr so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The most memory that it ever had resident, in bytes, as Linux counts it.
    pub fn peak_memory(&self) -> Option<u64> {
        Some(self.status("VmHWM:")?.strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
    }

    /// A line of what Linux says of the process; none where there is no Linux, or no process any more.
    fn status(&self, name: &str) -> Option<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // SIGKILL ends a paused process too.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the log of {} ends:\n{}", self.name, tail(&self.log()));
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
