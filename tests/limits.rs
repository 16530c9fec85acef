//! A lack of resources is reported in one sentence, and worker processes take few of them.
#![cfg(target_os = "linux")]

mod support;

use rustix::process::{geteuid, getuid};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use support::{Scratch, left_out::left_out};

const BACKENDS: [&str; 2] = ["processes", "pipes"];

/// Runs the program in a shell that takes something away from it first, and perhaps in another program around both.
fn limited(scratch: &Scratch, around: &[&str], limit: &str, arguments: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_fractal");
    let script = format!("{limit}; exec '{program}' {arguments}");
    let mut words = around.iter().copied().chain(["bash", "-c", &script]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir(&**scratch).output().unwrap()
}

fn render(backend: &str, workers: usize) -> String {
    format!("render whole --size 64x64 --backend {backend} --workers {workers} -q -o out.ppm")
}

/// The one sentence of a program that failed and left nothing.
fn sentence(scratch: &Scratch, output: Output) -> String {
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(fs::read_dir(&**scratch).unwrap().count(), 0, "{told}");
    told
}

#[test]
fn processes_that_the_system_refuses_are_reported() {
    let scratch = Scratch::new("refused");
    for backend in BACKENDS {
        // A process has some files open, a worker's pipes are more.
        let told = sentence(&scratch, limited(&scratch, &[], "ulimit -n 16", &render(backend, 8)));
        assert!(told.contains("of 8 cannot be started from `") && told.contains("Too many open files"), "{told}");
    }
    let Some(around) = another_user(&scratch, 0) else { return };
    let around: Vec<_> = around.iter().map(String::as_str).collect();
    for backend in BACKENDS {
        let told = sentence(&scratch, limited(&scratch, &around, "ulimit -u 3", &render(backend, 2)));
        assert!(told.starts_with("fractal: worker 0 of 2 cannot be started from `"), "{told}");
        assert!(told.contains("Resource temporarily unavailable") && told.contains("ask for fewer workers"), "{told}");
    }
}

/// Its orbit comes to no cycle, so that only memory ends it.
#[test]
fn a_check_whose_reference_grows_too_far_is_refused() {
    let scratch = Scratch::new("reference");
    let check = "check whole --precision perturbation --iterations 9000000000000000";
    let told = sentence(&scratch, limited(&scratch, &[], "ulimit -v 600000", check));
    assert!(told.contains("memory") && told.contains("fewer iterations"), "{told}");
}

#[test]
fn a_picture_for_which_the_disk_has_no_room_is_refused_before_it_is_computed() {
    let scratch = Scratch::new("room");
    let free = rustix::fs::statvfs(&*scratch).map(|system| system.f_bavail * system.f_frsize).unwrap();
    if free > 6_000_000_000_000 {
        return left_out("a full disk", "this one has room for 6 TB");
    }
    let arguments = "render whole --size 250000x4000000 --bits 16 --workers 1 -q -o out.ppm";
    let told = sentence(&scratch, limited(&scratch, &[], "true", arguments));
    assert!(told.contains("`out.ppm` needs at least 6.00 TB of the disk, which has "), "{told}");
}

/// What starts a program as another user, who has no processes yet and may start as many as the limit says, while root may start any
/// number. Each test is another user, and other runs of it are others.
fn another_user(scratch: &Scratch, test: u32) -> Option<Vec<String>> {
    let user = 20_000 + (std::process::id() * 2 + test) % 40_000;
    fs::set_permissions(&**scratch, fs::Permissions::from_mode(0o777)).unwrap();
    let around = if getuid().is_root() && geteuid().is_root() {
        vec!["setpriv".to_owned(), format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]
    } else {
        vec!["unshare".to_owned(), "--user".to_owned()]
    };
    let mut probe = Command::new(&around[0]);
    probe.args(&around[1..]).args(["bash", "-c", concat!("'", env!("CARGO_BIN_EXE_fractal"), "' --version; exit")]);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        left_out("a limit of processes", &format!("`{}` cannot start the program here", around.join(" ")));
        return None;
    }
    Some(around)
}

/// However many threads and processes there may be, and so whichever of them is the first that may not.
#[test]
fn threads_that_the_system_refuses_are_reported() {
    let scratch = Scratch::new("threads");
    let Some(around) = another_user(&scratch, 1) else { return };
    let around: Vec<_> = around.iter().map(String::as_str).collect();
    for backend in fractal::backend::BACKENDS {
        let workers = if backend.parallel { 2 } else { 1 };
        let mut succeeded = false;
        // The first of them is the shell, which becomes the program.
        for limit in 1..=16 {
            let output = limited(&scratch, &around, &format!("ulimit -u {limit}"), &render(backend.name, workers));
            succeeded = output.status.success();
            if succeeded {
                fs::remove_file(scratch.join("out.ppm")).unwrap();
            } else {
                let told = sentence(&scratch, output);
                assert!(told.contains("cannot") && !told.contains("panic"), "{}, {limit}: {told}", backend.name);
            }
        }
        assert!(succeeded, "{} needs more than 16 threads and processes", backend.name);
    }
}

#[test]
fn memory_that_is_lacking_is_reported() {
    let scratch = Scratch::new("memory");
    let begin = "fractal: backend `processes` cannot ";
    let told = sentence(&scratch, limited(&scratch, &[], "ulimit -f 64", &render("processes", 2)));
    assert!(told.starts_with(&format!("{begin}have ")), "{told}");
    assert!(told.contains("MiB of shared memory for 2 workers: File too large"), "{told}");
    let mib: u64 = told.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((1..1000).contains(&mib), "{told}");
    // 64 workers share 65 MiB, and need more of their own.
    let told = sentence(&scratch, limited(&scratch, &[], "ulimit -v 200000", &render("processes", 64)));
    let known = told.starts_with(&format!("{begin}map ")) && told.contains("workers: Cannot allocate memory");
    assert!(known || told.contains("of it for worker processes, but"), "{told}");
}

/// How long a reference orbit will be shows only as it grows: one that ends soon is not refused for its maximum, and one that does not end
/// is refused before there is no more memory.
#[test]
fn a_reference_that_does_not_fit_is_refused_while_it_grows() {
    let scratch = Scratch::new("reference");
    let probe = |view: &str, max: &str| {
        let arguments = format!("probe whole {view} --precision perturbation --iterations {max} 1,1");
        limited(&scratch, &[], "ulimit -v 700000", &arguments)
    };
    let output = probe("", "9000000000000000");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Two discs of the set touch there: no cycle attracts the orbit, and it does not escape.
    let told = sentence(&scratch, probe("--re -0.75 --im 0 --width 1e-40", "4000000000"));
    assert!(told.contains("reference orbit of this view does not fit into memory: it has "), "{told}");
    assert!(told.ends_with("fewer iterations need less\n"), "{told}");
}

#[test]
fn a_file_that_becomes_too_long_is_reported() {
    let scratch = Scratch::new("length");
    // Each kind of file: a picture, one that is written from both ends, what is finished, what waits on the disk, a trace.
    let whole = "render whole --size 700x700 --workers 2 --iterations 50 -q";
    for arguments in [
        &format!("{whole} -o out.ppm"),
        &format!("{whole} -o out.exr"),
        &format!("{whole} -o out.png --trace trace.json --owners owners.png --tile 8"),
        &format!("{whole} -o /dev/null --format ppm --checkpoint out.tiles"),
        &format!("{whole} --shard 1/1 -o out.part"),
        "man render > out.1",
    ] {
        let output = limited(&scratch, &[], "ulimit -f 2", arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {told}");
        assert!(told.contains("File too large") && told.lines().count() == 1, "{arguments}: {told}");
        for entry in fs::read_dir(&*scratch).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.contains(".tmp") && !name.ends_with(".png"), "{arguments}: {name}");
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[test]
fn processor_time_that_is_used_up_is_reported() {
    let scratch = Scratch::new("time");
    let costly = "render whole --size 8000x8000 --iterations 1000000 --workers 2 --no-checkpoint -q -o out.png";
    let told = sentence(&scratch, limited(&scratch, &[], "ulimit -S -t 1", costly));
    assert!(told.contains("the limit on processor time was reached"), "{told}");
}

/// Whatever the limit is, a picture is complete or there is one sentence: nothing runs out of memory in between.
#[test]
fn a_limit_of_memory_is_reported_before_it_is_reached() {
    let scratch = Scratch::new("ulimits");
    let picture = "--iterations 10 --no-checkpoint -q -o out.exr";
    let tall = format!("render whole --size 1x300000 --workers 2 {picture}");
    let many = |backend| format!("render whole --size 300x300 --backend {backend} --workers 40 {picture}");
    // Less than the first is too little for the program to be loaded at all. Of the address space far more is reserved than is used.
    let data = ("d", [20_000, 40_000, 60_000, 80_000, 90_000, 100_000, 140_000, 200_000]);
    let space = ("v", [40_000, 60_000, 100_000, 170_000, 300_000, 700_000, 1_500_000, 4_000_000]);
    for arguments in [tall, many("threads"), many("rayon")] {
        for (limit, amounts) in [data, space] {
            let (mut told, mut complete) = (0, 0);
            for kib in amounts {
                let output = limited(&scratch, &[], &format!("ulimit -{limit} {kib}"), &arguments);
                if output.status.success() {
                    complete += 1;
                    fs::remove_file(scratch.join("out.exr")).unwrap();
                } else {
                    let text = sentence(&scratch, output);
                    assert!(text.contains("memory, ") && text.contains(" are available; "), "{limit} {kib}: {text}");
                    told += 1;
                }
            }
            assert!(told > 0 && complete > 0, "{arguments}: -{limit}: {told} told, {complete} complete");
        }
    }
}

/// KiB that a process has for itself and its share of what it shares (PSS); 0 when it has ended.
fn share(process: &str) -> u64 {
    let rollup = fs::read_to_string(Path::new("/proc").join(process).join("smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

/// The most KiB that one of the workers has at a time in a render of a valley at 3840 × 2160.
fn memory(scratch: &Scratch, backend: &str) -> u64 {
    let place = "--re -0.743643887037151 --im 0.131825904205330 --width 5.1e-5 --iterations 5000 --size 3840x2160";
    let mut command = scratch.program(["render"].into_iter().chain(place.split(' ')));
    command.args(["--backend", backend, "--workers", "2", "-q", "--no-checkpoint", "-o", "out.png"]);
    let mut render = command.spawn().unwrap();
    let (id, mut most) = (render.id().to_string(), 0);
    let command_line = |process: &str| fs::read(Path::new("/proc").join(process).join("cmdline")).unwrap_or_default();
    let own = command_line(&id);
    while render.try_wait().unwrap().is_none() {
        let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        let children: String = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
        // Until it has become a worker a child has its parent's memory.
        let workers: Vec<_> = children.split_whitespace().filter(|child| command_line(child) != own).collect();
        let largest = workers.iter().copied().map(share).max().unwrap_or(0);
        // One alone has all of what both share.
        if workers.len() == 2 && workers.into_iter().all(|worker| share(worker) > 0) {
            most = most.max(largest);
        }
    }
    assert!(render.wait().unwrap().success());
    most
}

#[test]
fn a_worker_process_takes_no_more_than_8_mb() {
    let scratch = Scratch::new("shares");
    // The system may not tell.
    if share("self") == 0 {
        return left_out("the memory of workers", "the system does not tell what a process has for itself");
    }
    for backend in BACKENDS {
        let most = memory(&scratch, backend);
        assert!((1..=8000).contains(&most), "{backend}: {most} KiB");
    }
}

#[cfg(feature = "window")]
#[test]
fn a_window_that_does_not_fit_is_reported_before_it_opens() {
    let scratch = Scratch::new("window-memory");
    let limit = "export DISPLAY= XDG_STATE_HOME=$PWD/state; ulimit -v 4000000";
    let told = sentence(&scratch, limited(&scratch, &[], limit, "view whole --size 30000x30000"));
    assert!(told.contains(" of memory") && told.contains("use a smaller window"), "{told}");
}
