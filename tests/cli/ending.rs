//! How commands end when they are interrupted, when their reader leaves, and when a file is in the way.

use super::*;

/// A run that cannot end by itself soon, and that has begun to write `a.png`.
fn endless(scratch: &Scratch) -> Child {
    // It would take minutes at least, and is interrupted after milliseconds.
    let scene = "render --re -0.1 --im 0.6557 --width 0.3 --iterations 4000000000 \
                 --formula burning_ship --size 2000x2000 --no-checkpoint -o a.png";
    let mut command = scratch.program(words(scene));
    command.stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    until("it writes", || files(scratch).iter().any(|name| name.contains("a.png.tmp")).then_some(()));
    child
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn an_interrupt_ends_the_run_and_leaves_nothing() {
    for how in [rustix::process::Signal::INT, rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
        let scratch = Scratch::new("interrupt");
        let mut child = endless(&scratch);
        signal(&child, how);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(
            told,
            "nothing is kept of `a.png`, since --no-checkpoint was given\nfractal: stopped before the work was complete\n"
        );
        assert_eq!(files(&scratch), [""; 0]);
    }
}

/// As `nohup` has it with SIGHUP, and a shell without job control with SIGINT for what it starts with `&`.
#[test]
fn what_is_ignored_from_the_start_stays_ignored() {
    use rustix::process::Signal;
    for (name, how) in [("HUP", Signal::HUP), ("INT", Signal::INT), ("TERM", Signal::TERM)] {
        for backend in ["threads", "processes", "pipes"] {
            let scratch = Scratch::new("ignored");
            let program = scratch.program(words("render --size 1000x1000 --format ppm --workers 2 -o - --backend"));
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("trap '' {name}; exec \"$@\""), "sh"]);
            shell.arg(program.get_program()).args(program.get_args()).arg(backend).current_dir(&*scratch);
            let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            // It waits for room in the pipe, so it is in the middle of its work.
            let mut reader = BufReader::with_capacity(1, child.stdout.take().unwrap());
            reader.fill_buf().unwrap();
            signal(&child, how);
            signal(&child, how);
            let mut picture = Vec::new();
            reader.read_to_end(&mut picture).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(0), "{name} {backend}");
            assert_eq!(picture.len(), "P6\n1000 1000\n255\n".len() + 3_000_000, "{name} {backend}");
        }
    }
}

#[test]
fn a_second_interrupt_ends_even_a_run_that_cannot_stop() {
    let scratch = Scratch::new("second");
    let mut command = scratch.program(words("render --size 2000x2000 --format ppm -o - --owners o.png"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // It writes into a pipe that nobody empties, and so waits forever once that is full.
    let mut reader = BufReader::with_capacity(1, child.stdout.take().unwrap());
    reader.fill_buf().unwrap();
    while child.try_wait().unwrap().is_none() {
        signal(&child, rustix::process::Signal::INT);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(files(&scratch), [""; 0]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let scratch = Scratch::new("reader");
    for arguments in [
        "render --size 1000x1000 --format ppm -o -",
        "render --size 1000x1000 --format ppm -o /dev/stdout",
        "completions bash",
        "man render",
        "places",
        "backends --json",
        "--help",
        "--version",
    ] {
        let mut command = scratch.program(words(arguments));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap()),
            (Some(0), String::new()),
            "{arguments}"
        );
    }
}

#[test]
fn a_file_that_nobody_named_is_not_replaced() {
    let scratch = Scratch::new("default");
    std::fs::write(scratch.join("whole.png"), "precious").unwrap();
    let output = scratch.program(words("render --size 40x30")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("give `-o whole.png`"));
    assert_eq!(std::fs::read(scratch.join("whole.png")).unwrap(), b"precious");
    // With --resume it is replaced as little, unless it is what is asked for.
    let output = scratch.program(words("render --size 40x30 --resume")).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(std::fs::read(scratch.join("whole.png")).unwrap(), b"precious");
    done(scratch.program(words("render --size 40x30 -o whole.png")));
    assert!(std::fs::read(scratch.join("whole.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(stderr(scratch.program(words("render --size 40x30 --resume"))).contains("already complete"));
    // A picture that was the scene may be replaced: it carries that scene.
    done(scratch.program(words("render whole.png --iterations 99 -o whole.png")));
}

#[test]
fn a_reader_that_leaves_costs_no_other_output_unsaid() {
    let scratch = Scratch::new("leaving");
    let run = |more: &str| {
        // Far more than a pipe holds, so that the picture cannot be written when its reader has left.
        let mut command = scratch.program(words(&format!("render whole --size 1500x1500 -q --format ppm -o - {more}")));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut head = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut head).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let files: Vec<_> = fs::read_dir(&*scratch).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert!(files.iter().all(|name| name == "cache"), "{more}: {files:?}");
        (output.status.code(), text)
    };
    assert_eq!(run(""), (Some(0), String::new()));
    for (more, lost) in [
        ("--trace trace.json", "so `trace.json` is not written"),
        ("--owners owners.png", "so `owners.png` is not written"),
        ("--stats json", "so the report of --stats is not written"),
        ("--trace trace.json --owners owners.png", "so `trace.json`, `owners.png` are not written"),
    ] {
        let (code, text) = run(more);
        assert!(code == Some(1) && text.contains(lost) && text.lines().count() == 1, "{more}: {code:?} {text}");
    }
}
