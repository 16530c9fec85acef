use super::*;
use std::time::Duration;

/// A directory with files of a made-up machine, removed at the end.
struct Root(std::path::PathBuf);

impl Root {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("fractal-machine-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const CPUINFO: &str = "processor\t: 0\nmodel name\t: Quick 9000\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu hypervisor avx2\n\n\
                       processor\t: 1\nmodel name\t: Quick 9000\nphysical id\t: 0\ncore id\t\t: 0\n\n\
                       processor\t: 2\nphysical id\t: 1\ncore id\t\t: 0\n";

#[test]
fn a_machine_is_read_from_its_files() {
    let root = Root::new(
        "all",
        &[
            ("proc/cpuinfo", CPUINFO),
            ("proc/meminfo", "MemFree: 12 kB\nMemTotal:        2048 kB\n"),
            ("proc/self/cgroup", "0::/user/me\n"),
            ("sys/fs/cgroup/user/me/cpu.max", "150000 100000\n"),
            ("sys/devices/system/cpu/online", "0-2\n"),
            ("sys/devices/system/node/online", "0,1\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n"),
            ("sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list", "0,2\n"),
        ],
    );
    let machine = Machine::read(&root.0);
    assert_eq!(machine.processor.as_deref(), Some("Quick 9000"));
    assert_eq!((machine.processors, machine.cores, machine.nodes), (3, Some(2), Some(2)));
    assert_eq!((machine.quota, machine.memory_bytes), (Some(1.5), Some(2 << 20)));
    assert_eq!(machine.governor.as_deref(), Some("powersave"));
    assert!(machine.is_virtual);
    assert_eq!(machine.caches, [Cache { level: 1, kind: "Data".into(), size: "32K".into(), shared_by: 2 }]);
    let text = Machine { allowed: vec![0, 1], isa: "avx2".into(), ..machine }.to_string();
    assert_eq!(
        text,
        "Quick 9000, 2 of 3 processors on 2 cores, at most 1.5 of them at once, governor powersave, 0.0 GiB, avx2, a virtual machine"
    );
}

#[test]
fn older_control_groups_are_understood() {
    let files = |quota| {
        [
            ("proc/self/cgroup", "4:cpuset:/\n3:cpu,cpuacct:/jobs\n"),
            ("sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us", quota),
            ("sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us", "100000\n"),
        ]
    };
    assert_eq!(Machine::read(&Root::new("first", &files("50000\n")).0).quota, Some(0.5));
    assert_eq!(Machine::read(&Root::new("free", &files("-1\n")).0).quota, None);
    let unlimited = [("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "max 100000\n")];
    assert_eq!(Machine::read(&Root::new("max", &unlimited).0).quota, None);
}

#[test]
fn what_is_not_reported_is_not_known() {
    let machine = Machine::read(Path::new("/nowhere/at/all"));
    assert_eq!(machine, Machine::default());
    assert!(machine.to_string().starts_with("unknown processor, 0 of 0 processors"));
}

#[test]
fn this_machine_is_described() {
    let machine = Machine::here();
    assert!(!machine.host.is_empty() && !machine.isa.is_empty());
    if cfg!(target_os = "linux") {
        assert!(!machine.allowed.is_empty() && machine.allowed.len() <= machine.processors);
        assert!(machine.compiler.unwrap().starts_with("rustc 1."));
    }
    assert_eq!(list("0-2,5,7-8\n"), [0, 1, 2, 5, 7, 8]);
    assert_eq!(list(""), [0; 0]);
}

#[test]
fn the_commit_is_that_of_the_checkout_around_the_program() {
    let root = Root::new("commit", &[("target/debug/program", ""), ("Cargo.toml", ""), ("elsewhere/program", "")]);
    let git = |arguments: &[&str]| {
        let name = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"];
        let output = Command::new("git").arg("-C").arg(&root.0).args(name).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let program = root.0.join("target/debug/program");
    assert_eq!(checkout(&program), None, "no checkout");
    if !git(&["init", "-q"]) {
        return crate::bench::left_out::lacks("the commit that is measured", "git");
    }
    assert_eq!(checkout(&program), None, "nothing was committed");
    assert!(git(&["add", "Cargo.toml"]) && git(&["commit", "-q", "-m", "first"]));
    let at = |path: &Path, seconds: i64| {
        let now = std::time::SystemTime::now();
        let time = if seconds < 0 { now - Duration::from_secs(3600) } else { now + Duration::from_secs(3600) };
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    at(&program, 1);
    let commit = checkout(&program).unwrap();
    assert!(commit.len() == 12 && commit.chars().all(|digit| digit.is_ascii_hexdigit()), "{commit}");
    fs::write(root.0.join("Cargo.toml"), "changed").unwrap();
    assert_eq!(checkout(&program), Some(format!("{commit}-dirty")));
    at(&program, -1);
    assert_eq!(checkout(&program), None, "it is of an earlier commit");
    assert_eq!(checkout(&root.0.join("elsewhere/program")), None);
}
