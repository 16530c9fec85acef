//! What Linux says of processes and the machine in its files below `/proc`: lines of a key and a value.

use std::fs;

/// What `/proc` says of the status of a process; empty where there is no such file.
pub fn status(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default()
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
}
