//! The machine that a measurement was made on, as far as the system describes it: every figure is kept together with it.
//!
//! Everything is read from `/proc` and `/sys`, which is Linux; elsewhere most of it is unknown. A crate (`sysinfo`, `hwlocality`) would
//! support more systems, but knows neither limits of control groups nor governors, and brings a C library or a large dependency.

use crate::kernel::Isa;
use crate::system;
use rustix::system::uname;
use rustix::thread::sched_getaffinity;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A machine, and how much of it this process may use. Unknown values are `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Its host name.
    pub host: String,
    /// The processor's model name.
    pub processor: Option<String>,
    /// Logical processors that are online.
    pub processors: usize,
    /// Cores, which may have several logical processors each.
    pub cores: Option<usize>,
    /// The logical processors that this process may run on.
    pub allowed: Vec<usize>,
    /// The processor time that the control group allows, in processors.
    pub quota: Option<f64>,
    /// The caches of the first processor.
    pub caches: Vec<Cache>,
    /// The number of NUMA nodes.
    pub nodes: Option<usize>,
    /// The frequency governor of the first processor.
    pub governor: Option<String>,
    /// Whether it is a virtual machine, whose processors may be taken away at any time.
    pub is_virtual: bool,
    /// Main memory.
    pub memory_bytes: Option<u64>,
    /// Operating system and architecture.
    pub system: String,
    /// The best instruction set that both it and this program support.
    pub isa: String,
    /// The compiler that made this program.
    pub compiler: Option<String>,
    /// This program's version.
    pub version: String,
    /// The commit that it was built from, with `-dirty` appended where the checkout has changes: `FRACTAL_COMMIT` at build time, else
    /// that of the checkout whose `target` holds the program, unless that has moved on since.
    pub commit: Option<String>,
    /// Whether it was built with debug assertions, which release builds leave out.
    pub debug_assertions: bool,
}

/// A cache of a processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cache {
    /// 1 is the nearest.
    pub level: u32,
    /// Data, Instruction or Unified.
    pub kind: String,
    /// Its size as the system writes it, `32K` for example.
    pub size: String,
    /// How many logical processors share it.
    pub shared_by: usize,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let uname = uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let affinity = sched_getaffinity(None).ok();
        let allowed = affinity.map(|set| (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect());
        Self {
            host: text(uname.nodename()),
            allowed: allowed.unwrap_or_default(),
            system: format!("{} {}, {}", text(uname.sysname()), text(uname.release()), text(uname.machine())),
            isa: Isa::best().to_string(),
            compiler: compiler(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("FRACTAL_COMMIT")
                .map(str::to_owned)
                .or_else(|| checkout(&std::env::current_exe().ok()?)),
            debug_assertions: cfg!(debug_assertions),
            ..Self::read(Path::new("/"))
        }
    }

    /// Reads the files below `root`.
    fn read(root: &Path) -> Self {
        let file = |path: &str| fs::read_to_string(root.join(path)).ok();
        let line = |path: &str| file(path).map(|text| text.trim().to_owned());
        let cpuinfo = file("proc/cpuinfo").unwrap_or_default();
        let value = |key: &str| system::value(&cpuinfo, key).map(str::to_owned);
        let online = line("sys/devices/system/cpu/online");
        let memory = file("proc/meminfo").and_then(|text| system::bytes(&text, "MemTotal"));
        Self {
            processor: value("model name"),
            processors: online.map_or(0, |text| list(&text).len()),
            cores: cores(&cpuinfo),
            quota: quota(&file),
            caches: (0..10).map_while(|index| cache(&file, index)).collect(),
            nodes: line("sys/devices/system/node/online").map(|text| list(&text).len()),
            governor: line("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            is_virtual: system::is_virtual_in(&cpuinfo),
            memory_bytes: memory,
            ..Self::default()
        }
    }

    /// What must be equal for results to be comparable: the processor and how much of it may be used.
    pub fn signature(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("unknown processor");
        format!("{processor}, {} of {} processors, {}", self.allowed.len(), self.processors, self.isa)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.processor.as_deref().unwrap_or("unknown processor"))?;
        write!(f, ", {} of {} processors", self.allowed.len(), self.processors)?;
        if let Some(cores) = self.cores {
            write!(f, " on {cores} cores")?;
        }
        if let Some(quota) = self.quota {
            write!(f, ", at most {quota} of them at once")?;
        }
        if let Some(governor) = &self.governor {
            write!(f, ", governor {governor}")?;
        }
        if let Some(bytes) = self.memory_bytes {
            write!(f, ", {:.1} GiB", bytes as f64 / f64::from(1 << 30))?;
        }
        write!(f, ", {}{}", self.isa, if self.is_virtual { ", a virtual machine" } else { "" })?;
        self.commit.as_ref().map_or(Ok(()), |commit| write!(f, "; fractal {} at {commit}", self.version))
    }
}

/// The numbers of a list such as `0-3,8`.
fn list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

/// Distinct cores of all packages.
fn cores(cpuinfo: &str) -> Option<usize> {
    let mut cores = std::collections::BTreeSet::new();
    let mut package = String::new();
    for (key, value) in cpuinfo.lines().filter_map(|line| line.split_once(':')) {
        match key.trim() {
            "physical id" => value.trim().clone_into(&mut package),
            "core id" => _ = cores.insert((package.clone(), value.trim().to_owned())),
            _ => {}
        }
    }
    (!cores.is_empty()).then_some(cores.len())
}

fn cache(file: &impl Fn(&str) -> Option<String>, index: u32) -> Option<Cache> {
    let part = |name: &str| {
        let text = file(&format!("sys/devices/system/cpu/cpu0/cache/index{index}/{name}"))?;
        Some(text.trim().to_owned())
    };
    Some(Cache {
        level: part("level")?.parse().ok()?,
        kind: part("type")?,
        size: part("size")?,
        shared_by: list(&part("shared_cpu_list")?).len(),
    })
}

/// The limit of this process's control group, version 2 or 1.
fn quota(file: &impl Fn(&str) -> Option<String>) -> Option<f64> {
    let groups = file("proc/self/cgroup").unwrap_or_default();
    let of = |controller: &str| {
        groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (names, path) = rest.split_once(':')?;
            names.split(',').any(|name| name == controller).then(|| path.trim_matches('/').to_owned())
        })
    };
    let number = |path: &str| file(path)?.trim().parse::<f64>().ok();
    if let Some(group) = of("")
        && let Some(text) = file(&format!("sys/fs/cgroup/{group}/cpu.max"))
    {
        let (quota, period) = text.trim().split_once(' ')?;
        return Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?);
    }
    let group = of("cpu")?;
    let quota = number(&format!("sys/fs/cgroup/cpu/{group}/cpu.cfs_quota_us"))?;
    let period = number(&format!("sys/fs/cgroup/cpu/{group}/cpu.cfs_period_us"))?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// The compiler leaves its version in the program's comment section. A build script could ask it, but would run before every build.
fn compiler() -> Option<String> {
    const MARK: &[u8] = b"rustc version ";
    let program = fs::read(std::env::current_exe().ok()?).ok()?;
    let mut rest = &program[..];
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        rest = &rest[at + MARK.len()..];
        let text: Vec<u8> = rest.iter().copied().take(80).take_while(|byte| (32..127).contains(byte)).collect();
        // This function contains the mark as well, followed by something else.
        if text.first().is_some_and(u8::is_ascii_digit) && rest.get(text.len()) == Some(&0) {
            return String::from_utf8(text).ok().map(|version| format!("rustc {version}"));
        }
    }
    None
}

/// The commit of the checkout that `program` was built in. It is looked up at run time: a build script would have the whole library
/// compiled again after each commit.
fn checkout(program: &Path) -> Option<String> {
    let target = program.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "target"))?;
    let root = target.parent().filter(|root| root.join(".git").exists())?;
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // Whatever moves the checkout to another commit writes a line here.
    let moves = root.join(git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    let changed = |path: &Path| fs::metadata(path).ok()?.modified().ok();
    if changed(&moves)? > changed(program)? {
        return None;
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

#[cfg(test)]
mod tests;
