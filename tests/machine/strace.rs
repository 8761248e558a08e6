//! System calls that the kernel fails, or that a process does not come back from: strace in between.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The calls by which a log is written and read.
const CALLS: &[&str] = &[
    "open",
    "openat",
    "write",
    "writev",
    "pwrite64",
    "copy_file_range",
    "fallocate",
    "ftruncate",
    "fdatasync",
    "fsync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "flock",
    "read",
    "pread64",
    "lseek",
    "getdents64",
    "statx",
    "fstat",
    "newfstatat",
];

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It fails with this error, and does nothing.
    Fails(&'static str),
    /// It fails, and so does every later call of that name.
    FailsFromThenOn(&'static str),
    /// The process is killed as it makes it.
    Killed,
}

/// One call that is not what it should be: the `number`th (from 1) of that name that has to do with the log.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) call: String,
    pub(crate) number: usize,
    pub(crate) fate: Fate,
}

/// What a run with a fault gave.
pub(crate) struct Faulted {
    pub(crate) output: Output,
    /// The calls that the fault hit, as strace shows them; none if the run took another way and did not come to it.
    pub(crate) hit: Vec<String>,
}

/// A way to run a program on a log under strace.
pub(crate) struct Strace {
    log: PathBuf,
    trace: PathBuf,
    /// The paths in the log that a run without a fault touches: only calls on them count.
    paths: BTreeSet<String>,
    /// How often each call is made, on those paths.
    pub(crate) calls: BTreeMap<String, usize>,
}

impl Strace {
    /// Looks at a run without a fault, and there at the calls on a file of the log, or on all of them. Why that cannot be
    /// done here is the error.
    pub(crate) fn look(
        log: &Path,
        only: Option<&str>,
        trace: &Path,
        program: &Command,
    ) -> Result<Self, String> {
        let mut strace = Self {
            log: log.to_path_buf(),
            trace: trace.to_path_buf(),
            paths: BTreeSet::new(),
            calls: BTreeMap::new(),
        };
        let output = strace.run(&["-y", "-e", "trace=%file,%desc"], program)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let text = std::fs::read_to_string(trace).map_err(|error| format!("strace: {error}: {said}"))?;
        if !output.status.success() {
            // ptrace is not allowed, say.
            return Err(said.trim().to_owned());
        }
        let root = only.map_or(log.to_path_buf(), |name| log.join(name));
        let root = root.to_str().unwrap();
        let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for line in text.lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let name = call.trim_start().split('(').next().unwrap_or_default();
            if !CALLS.contains(&name) {
                continue;
            }
            let found: Vec<String> = paths_in(call, root).collect();
            if !found.is_empty() {
                *by_thread.entry((thread, name)).or_default() += 1;
            }
            strace.paths.extend(found);
        }
        // strace counts the calls of each thread apart.
        for ((_, name), count) in by_thread {
            let most = strace.calls.entry(name.to_owned()).or_default();
            *most = count.max(*most);
        }
        Ok(strace)
    }

    /// Runs the program with a fault.
    pub(crate) fn inject(&self, fault: &Fault, program: &Command) -> Faulted {
        let Fault { call, number, fate } = fault;
        let what = match fate {
            Fate::Fails(error) => format!("error={error}:when={number}"),
            Fate::FailsFromThenOn(error) => format!("error={error}:when={number}+"),
            Fate::Killed => format!("signal=KILL:when={number}"),
        };
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}"));
        let mut args = vec!["-y", "-e", &trace, "-e", &inject];
        for path in &self.paths {
            args.extend(["-P", path]);
        }
        let output = self.run(&args, program).unwrap();
        let text = std::fs::read_to_string(&self.trace).unwrap();
        let mut hit: Vec<String> =
            text.lines().filter(|line| line.contains("(INJECTED)")).map(str::to_owned).collect();
        if output.status.signal().is_some() {
            hit.extend(text.lines().last().map(str::to_owned));
        }
        Faulted { output, hit }
    }

    fn run(&self, args: &[&str], program: &Command) -> Result<Output, String> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(&self.trace).args(args);
        strace.arg("--").arg(program.get_program()).args(program.get_args());
        strace.env_remove("SNAPLOG_DIR").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        strace.output().map_err(|error| format!("strace: {error}"))
    }

    /// Whether a line of strace is about a file of the log that is named so.
    pub(crate) fn is_about(&self, line: &str, name: &str) -> bool {
        line.contains(&format!("{}/{name}", self.log.display()))
    }
}

/// The paths below `root`, it included, that a line of strace names.
fn paths_in<'a>(line: &'a str, root: &'a str) -> impl Iterator<Item = String> + 'a {
    line.match_indices(root).filter_map(|(at, _)| {
        let end = line[at..].find(['"', '>', ' ', ',']).map_or(line.len(), |length| at + length);
        let path = &line[at..end];
        let rest = &path[root.len()..];
        (rest.is_empty() || rest.starts_with('/')).then(|| path.to_owned())
    })
}
