//! Files are identified by what they are, not by their names, which others may remove, replace or take meanwhile.

use super::support::{Scratch, until};
use super::{Count, files, heads, render, scene, told, words};
use fractal::parallel::{Sink, Stop, Tee};
use fractal::sink::{Checkpoint, Output, Records};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Far longer than any test.
const LONG: &str = "render --julia -0.390540870218,-0.586787907347 --iterations 1000000 --size 1600x1200 --tile 8 -q";

/// The program at a long render, with its first finished tile in the checkpoint of this name.
fn begin(scratch: &Scratch, arguments: &str, checkpoint: &str) -> Held {
    let child = Held::start(scratch.program(words(&format!("{LONG} {arguments}"))));
    let has_tiles = || {
        let file = fs::read(scratch.join(checkpoint)).unwrap_or_default();
        // Two heads are those of the description.
        (file.len() > 8 && heads(&file).len() > 3).then_some(())
    };
    until("tiles are kept", has_tiles);
    child
}

/// A process that ends with its test, also if it is suspended and the test fails.
struct Held(Child);

impl Held {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_second_start_is_reported_who_writes() {
    let scratch = Scratch::new("second");
    for (arguments, checkpoint) in [
        ("--shard 1/2 -o a.part", "a.part.checkpoint"),
        ("-o a.png --checkpoint a.tiles", "a.tiles"),
        ("-o b.png --resume", "b.png.checkpoint"),
    ] {
        let first = begin(&scratch, arguments, checkpoint);
        for more in ["", "--resume"] {
            let (code, text) = told(scratch.program(words(&format!("{LONG} {arguments} {more}"))));
            let expected = format!("fractal: `{checkpoint}` is being written by process {}\n", first.0.id());
            assert_eq!((code, text), (1, expected), "{arguments} {more}");
        }
    }
}

#[test]
fn a_part_is_what_its_own_run_has_computed() {
    let (scratch, render) = (Scratch::new("own"), render(&scene()));
    let description = render.description(None).unwrap();
    let (path, part) = (scratch.join("a.part.checkpoint"), scratch.join("a.part"));
    for foreign in [false, true] {
        let first = Arc::new(Checkpoint::create(&path, &description).unwrap());
        render.run_here(first.clone(), &Stop::new()).unwrap();
        assert!(first.is_in_place());
        fs::remove_file(&path).unwrap();
        let second = foreign.then(|| Checkpoint::create(&path, &description).unwrap());
        assert!(!first.is_in_place());
        first.publish(&part).unwrap();
        let records = render.read_records(Records::open(&part).unwrap(), &Stop::new()).unwrap();
        assert!(records.is_complete());
        let again = render.read_records(first.records().unwrap(), &Stop::new()).unwrap();
        assert!(again.is_complete());
        first.remove().unwrap();
        // The second's is still there, and its own.
        assert_eq!(second.as_ref().map(Checkpoint::is_in_place), foreign.then_some(true));
        drop(second);
        let _ = fs::remove_file(&path);
        assert_eq!(files(&scratch), ["a.part"]);
    }
}

#[test]
fn a_file_that_another_run_has_written_meanwhile_is_told() {
    let (scratch, render) = (Scratch::new("meanwhile"), render(&scene()));
    let (path, description) = (scratch.join("a.tiles"), render.description(None).unwrap());
    render.run_here(Arc::new(Checkpoint::create(&path, &description).unwrap()), &Stop::new()).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Checkpoint::create(&path, &description).unwrap_err();
    assert!(error.to_string().ends_with("a.tiles` was written by another process just now; try again, or remove it"));
    assert_eq!((error.exit_code(), fs::read(&path).unwrap() == before), (1, true));
}

/// Another run has created it, and nothing is in it yet.
#[test]
fn a_start_is_told_who_writes_from_the_first_moment_on() {
    let scratch = Scratch::new("first-moment");
    for (arguments, name) in [
        ("-o a.png --resume", "a.png.checkpoint"),
        ("-o a.png --checkpoint a.tiles", "a.tiles"),
        ("--shard 1/2 -o 1.part", "1.part.checkpoint"),
    ] {
        let file = fs::File::create(scratch.join(name)).unwrap();
        file.lock().unwrap();
        let outcome = told(scratch.program(words(&format!("render whole --size 64x48 -q {arguments}"))));
        let text = format!("fractal: `{name}` is being written by process {}\n", std::process::id());
        assert_eq!(outcome, (1, text), "{arguments}");
    }
}

/// One has the file again and again, and another looks at it at any moment.
#[test]
fn a_file_that_goes_while_it_is_opened_is_told_as_that() {
    let (scratch, render) = (Scratch::new("goes"), render(&scene()));
    let (path, description) = (scratch.join("a"), render.description(None).unwrap());
    let over = AtomicBool::new(false);
    let told = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut told = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                match Checkpoint::create(&path, &description).and_then(|checkpoint| checkpoint.remove()) {
                    Ok(()) => {}
                    Err(error) => _ = told.insert(error.to_string()),
                }
            }
            told
        });
        let looks = (0..4000).filter_map(|_| Records::open_to_go_on(&path).err());
        let told: BTreeSet<_> = looks.map(|error| error.to_string()).collect();
        over.store(true, Ordering::Relaxed);
        &told | &other.join().unwrap()
    });
    let known = [
        "cannot read `",
        " was removed or replaced just now; try again",
        " is being written by process ",
        // It is there and nothing is in it yet.
        " is not a file of finished pieces",
    ];
    let unknown: Vec<_> = told.iter().filter(|text| !known.iter().any(|part| text.contains(part))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn going_on_goes_on_in_the_file_that_was_read() {
    let (scratch, render) = (Scratch::new("go-on"), render(&scene()));
    let description = render.description(None).unwrap();
    let path = scratch.join("a");
    drop(Checkpoint::create(&path, &description).unwrap());
    // Read to be read only, and replaced meanwhile.
    let records = render.read_records(Records::open(&path).unwrap(), &Stop::new()).unwrap();
    fs::rename(&path, scratch.join("moved")).unwrap();
    fs::write(&path, "foreign").unwrap();
    let error = Checkpoint::go_on(&records).unwrap_err().to_string();
    assert!(error.contains("it was replaced since it was read"), "{error}");
    // Read to go on with it.
    fs::rename(scratch.join("moved"), &path).unwrap();
    let records = render.read_records(Records::open_to_go_on(&path).unwrap(), &Stop::new()).unwrap();
    let error = Records::open_to_go_on(&path).unwrap_err().to_string();
    assert!(error.ends_with(&format!("is being written by process {}", std::process::id())), "{error}");
    fs::rename(&path, scratch.join("moved")).unwrap();
    fs::write(&path, "foreign").unwrap();
    let (checkpoint, count) = (Arc::new(Checkpoint::go_on(&records).unwrap()), Arc::new(Count::default()));
    drop(records);
    let sink = Tee::new(vec![checkpoint.clone() as Arc<dyn Sink>, count.clone()]);
    render.run_here(Arc::new(sink), &Stop::new()).unwrap();
    assert!(Records::open_to_go_on(scratch.join("moved")).is_err(), "it is locked as long as it is written");
    drop(checkpoint);
    let moved = Records::open_to_go_on(scratch.join("moved")).unwrap();
    assert_eq!(render.read_records(moved, &Stop::new()).unwrap().found().len(), count.computed.load(Ordering::Relaxed));
    assert_eq!(fs::read(&path).unwrap(), b"foreign");
}

#[test]
fn of_two_that_begin_at_once_one_has_the_file() {
    let (scratch, render) = (Scratch::new("at-once"), render(&scene()));
    let description = render.description(None).unwrap();
    for round in 0..200 {
        let path = scratch.join(round.to_string());
        if round % 2 == 0 {
            fs::write(&path, "").unwrap();
        }
        let both = std::thread::scope(|scope| {
            let begin = || Checkpoint::create(&path, &description);
            let both = [scope.spawn(begin), scope.spawn(begin)];
            both.map(|thread| thread.join().unwrap())
        });
        let [first, second] = &both;
        assert!(first.is_ok() != second.is_ok(), "{both:?}");
        for outcome in &both {
            match outcome {
                Ok(checkpoint) => assert!(checkpoint.is_in_place()),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("is being written by process") || text.contains("exists"), "{text}");
                }
            }
        }
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_written_is_left_to_who_did() {
    let scratch = Scratch::new("replaced");
    for interrupts in [1, 2] {
        let output = format!("{interrupts}.ppm");
        let mut command = scratch.program(words(&format!("{LONG} --no-checkpoint --progress json -o {output}")));
        command.stderr(Stdio::piped());
        let mut held = Held::start(command);
        let child = &mut held.0;
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut String::new()).unwrap();
        let is_temporary = |name: &String| name.starts_with(&format!(".{output}.tmp-"));
        let name = files(&scratch).into_iter().find(is_temporary).unwrap();
        fs::rename(scratch.join(&name), scratch.join("moved")).unwrap();
        fs::write(scratch.join(&name), "foreign").unwrap();
        if interrupts == 2 {
            // Both are there before it can look.
            signal(child, Signal::STOP);
            signal(child, Signal::INT);
            signal(child, Signal::TERM);
            signal(child, Signal::CONT);
        } else {
            signal(child, Signal::INT);
        }
        let status = until("the end", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(130));
        assert_eq!(fs::read(scratch.join(&name)).unwrap(), b"foreign");
    }
    // Complete, it has no name that it could be given.
    let mut output = Output::create(scratch.join("a.ppm")).unwrap();
    output.write_all(b"own").unwrap();
    let temporary = output.temporary().unwrap().to_path_buf();
    fs::remove_file(&temporary).unwrap();
    fs::write(&temporary, "foreign").unwrap();
    let error = output.finish().unwrap_err().to_string();
    assert!(error.contains("was removed or replaced while it was written"), "{error}");
    assert_eq!(fs::read(&temporary).unwrap(), b"foreign");
    assert!(!scratch.join("a.ppm").exists());
}

#[test]
fn what_is_left_of_the_very_same_render_is_gone_on_with() {
    let scratch = Scratch::new("same");
    let run = |arguments: &str| told(scratch.program(words(arguments)));
    let read = |name: &str| fs::read(scratch.join(name)).unwrap();
    let picture = "render seahorses --size 320x180 --tile 32 --samples 1";
    assert_eq!(run(&format!("{picture} -q -o plain.png --checkpoint all")).0, 0);
    assert_eq!(run(&format!("{picture} -q --shard 1/2 -o plain.part")).0, 0);
    // As a kill leaves them: unnamed, the same command goes on.
    for (arguments, whole, output) in [("-o a.png", "all", "a.png"), ("--shard 1/2 -o a.part", "plain.part", "a.part")]
    {
        let left = format!("{output}.checkpoint");
        let whole = read(whole);
        fs::write(scratch.join(&left), &whole[..whole.len() / 2]).unwrap();
        let (code, text) = run(&format!("{picture} {arguments}"));
        assert_eq!(code, 0, "{text}");
        assert!(
            text.contains(&format!("`{left}` has "))
                && text.contains(" tiles of this very picture, so the render continues"),
            "{text}"
        );
        assert!(!scratch.join(&left).exists(), "{:?}", files(&scratch));
        // Of another picture it is nobody's to remove.
        fs::write(scratch.join(&left), &whole[..whole.len() / 2]).unwrap();
        let (code, text) = run(&format!("{picture} {arguments} --iterations 77"));
        assert_eq!((code, text.lines().count()), (2, 1), "{text}");
        assert!(text.contains("of another picture") && text.contains("; remove it, or "), "{text}");
        assert_eq!(read(&left).len(), whole.len() / 2);
    }
    assert!(read("a.png") == read("plain.png"));
    assert_eq!(run(&format!("{picture} -q --shard 2/2 -o b.part")).0, 0);
    assert_eq!(run("merge a.part b.part -q -o merged.png").0, 0);
    assert!(read("merged.png") == read("plain.png"));
}

/// The same command where the system refuses locks, as file systems without them do.
#[allow(unsafe_code)]
fn without_locks(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    let refuse = || {
        let step = |code: u32, k, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
        let refused = libc::SECCOMP_RET_ERRNO | libc::ENOLCK as u32;
        let mut filter = [
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_flock as u32, 0, 1),
            step(libc::BPF_RET | libc::BPF_K, refused, 0, 0),
            step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: this is a child between fork and exec; `prctl` is a system call, and the filter lives until it returns.
        let done = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes system calls only; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(refuse) };
    command
}

#[test]
fn where_locks_are_refused_nothing_is_shared() {
    let scratch = Scratch::new("lockless");
    let run = |arguments: &str| told(without_locks(scratch.program(words(arguments))));
    let picture = "render seahorses --size 320x180 --tile 32 --samples 1";
    assert_eq!(told(scratch.program(words(&format!("{picture} -q --shard 1/2 -o plain.part")))).0, 0);
    // A file of one's own is no danger.
    let (code, text) = run(&format!("{picture} --shard 1/2 -o a.part"));
    assert!(code == 0 && text.contains("`a.part.checkpoint` cannot be locked (No locks available"), "{code}: {text}");
    let read = |name: &str| fs::read(scratch.join(name)).unwrap();
    assert!(heads(&read("a.part")).len() == heads(&read("plain.part")).len(), "no tile is lacking");
    let whole = read("a.part");
    for left in [&whole[..whole.len() / 2], &[]] {
        fs::write(scratch.join("b.part.checkpoint"), left).unwrap();
        for more in ["", "--resume"] {
            let (code, text) = run(&format!("{picture} --shard 1/2 -o b.part {more}"));
            assert_eq!(
                (code, text.lines().count()),
                (1, if left.is_empty() && !more.is_empty() { 2 } else { 1 }),
                "{text}"
            );
            assert!(text.contains("cannot be locked (No locks available") && text.contains("unseen"), "{text}");
            assert_eq!(read("b.part.checkpoint"), left);
        }
    }
    // Pictures need none.
    assert_eq!(run(&format!("{picture} -q -o a.png")), (0, String::new()));
}

/// The whole story of a shard whose file somebody removes, and starts again.
#[test]
fn two_runs_of_a_part_do_not_publish_each_others_file() {
    let scratch = Scratch::new("story");
    let picture =
        "render --julia -0.390540870218,-0.586787907347 --iterations 200000 --size 100x75 --tile 8 -q --shard 1/2";
    // One that is complete before it can be held is tried again with more work.
    let tried = ["200000", "2000000", "20000000"].into_iter().find_map(|iterations| {
        let command = picture.replace("200000", iterations);
        let mut first = Held::start(scratch.program(words(&format!("{command} -o a.part"))));
        until("its checkpoint, or its end", || {
            (scratch.join("a.part.checkpoint").exists() || first.0.try_wait().unwrap().is_some()).then_some(())
        });
        signal(&first.0, Signal::STOP);
        if fs::remove_file(scratch.join("a.part.checkpoint")).is_ok() {
            return Some((command, first));
        }
        signal(&first.0, Signal::CONT);
        first.0.wait().unwrap();
        fs::remove_file(scratch.join("a.part")).unwrap();
        None
    });
    let (command, mut first) = tried.expect("a run that lasts");
    // The other one is held as well, with an unfinished file under the name.
    let mut second = Held::start(scratch.program(words(&format!("{command} -o a.part"))));
    until("its checkpoint", || scratch.join("a.part.checkpoint").exists().then_some(()));
    signal(&second.0, Signal::STOP);
    signal(&first.0, Signal::CONT);
    assert!(first.0.wait().unwrap().success());
    assert_eq!(told(scratch.program(words("merge a.part --complete -q -o a.png"))), (0, String::new()));
    let tiles = |name: &str| heads(&fs::read(scratch.join(name)).unwrap()).len();
    // 10 × 13 tiles, half of them, and two descriptions.
    assert_eq!(tiles("a.part"), 65 + 2);
    signal(&second.0, Signal::CONT);
    assert!(second.0.wait().unwrap().success());
    assert_eq!(tiles("a.part"), 65 + 2);
    assert!(!scratch.join("a.part.checkpoint").exists());
}
