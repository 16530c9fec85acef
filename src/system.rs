//! What Linux says of processes and the machine in its files below `/proc`: lines of a key and a value; and how much memory is left.

use rustix::process::{Resource, getrlimit};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// What `/proc` says of the status of a process; empty where there is no such file.
pub fn status(process: u32) -> String {
    text(&format!("/proc/{process}/status"))
}

/// The text of a file below `/proc`; empty where there is none. They give no length, so `read_to_string` reads 32 bytes, then 32, 64, …:
/// twice as many system calls as with room for a page.
pub(crate) fn text(path: &str) -> String {
    let mut text = String::with_capacity(4096);
    let read = File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.map(|_| text).unwrap_or_default()
}

/// Whether Linux says that this is a virtual machine.
pub(crate) fn is_virtual() -> bool {
    // The first processor's lines are enough: to list hundreds takes milliseconds.
    let mut first = [0; 4096];
    let read = File::open("/proc/cpuinfo").and_then(|mut file| file.read(&mut first)).unwrap_or(0);
    is_virtual_in(&String::from_utf8_lossy(&first[..read]))
}

/// The same of the text of `/proc/cpuinfo`, or its beginning.
pub(crate) fn is_virtual_in(cpuinfo: &str) -> bool {
    value(cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
}

/// The value of the first line with a key: `KEY: VALUE`.
pub fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
}

/// The value of the first line with a key, given in kB (of 1024 bytes), in bytes.
pub fn bytes(text: &str, key: &str) -> Option<u64> {
    value(text, key)?.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes that this process may still take, if the system reports it: the least of what the machine and its limits leave.
pub fn available() -> Option<u64> {
    [machine(), group(), address_space(), data()].into_iter().flatten().min()
}

/// What `ulimit -v` leaves.
pub fn address_space() -> Option<u64> {
    limit(Resource::As, "VmSize")
}

/// What `ulimit -d` leaves.
pub fn data() -> Option<u64> {
    limit(Resource::Data, "VmData")
}

/// What Linux says is available without swapping.
fn machine() -> Option<u64> {
    bytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")
}

/// What the control groups (version 2) of this process leave: a container's limit, or a batch job's.
fn group() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let folders = Path::new(path).ancestors().map(|folder| root.join(folder));
    folders.filter_map(|folder| left_in(&folder)).min()
}

fn left_in(group: &Path) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(group.join(file)).ok();
    let limit = read("memory.max")?.trim().parse::<u64>().ok()?;
    let used = read("memory.current")?.trim().parse::<u64>().ok()?;
    // The file cache gives way.
    let stat = read("memory.stat")?;
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

/// What a limit of this process leaves; `key` is where its use is reported.
fn limit(resource: Resource, key: &str) -> Option<u64> {
    let limit = getrlimit(resource).current?;
    let used = bytes(&status(std::process::id()), key)?;
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_are_read() {
        let text = "MemFree:  7 kB\nMemAvailable:\t 12 kB\nmodel name\t: a: b\nHuge: 3\nWrong: 99999999999999999 kB\n";
        assert_eq!(bytes(text, "MemAvailable"), Some(12 * 1024));
        assert_eq!((bytes(text, "Huge"), bytes(text, "Wrong"), bytes(text, "Mem")), (None, None, None));
        assert_eq!((value(text, "model name"), value(text, "Huge")), (Some("a: b"), Some("3")));
        #[cfg(target_os = "linux")]
        assert!(bytes(&status(std::process::id()), "VmHWM").is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_the_machine_has_left_is_read() {
        assert!(machine().is_some_and(|bytes| bytes > 1 << 20));
    }
}
