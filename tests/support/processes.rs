//! Processes that a test has started, as Linux tells of them in `/proc`.

use std::fs;
use std::path::Path;

/// The numbers of all processes.
fn all() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The processes whose parent is `id`.
pub(crate) fn children(id: u32) -> Vec<i32> {
    let is_child = |own: &i32| {
        let stat = fs::read_to_string(format!("/proc/{own}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        state != Some("Z") && parent == Some(&id.to_string())
    };
    all().filter(is_child).collect()
}

/// Whether a process has not ended.
pub(crate) fn lives(id: i32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The processes that run in a folder, whoever their parent is by now.
pub(crate) fn running_in(folder: &Path) -> Vec<i32> {
    // A process that has ended runs nowhere.
    all().filter(|id| fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|found| found == folder)).collect()
}
