//! The next process that writes an output removes what a killed one left beside it, and nothing else.

use super::support::Scratch;
use super::{files, told, words};
use fractal::sink::Output;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

const SMALL: &str = "render whole --size 64x48 -q";

/// Far longer than any test.
const LONG: &str =
    "render --julia -0.390540870218,-0.586787907347 --iterations 1000000 --size 1600x1200 --tile 8 --no-checkpoint -q";

/// The program at a long render of this output, with workers of its own, and the name of its temporary file.
fn begin(scratch: &Scratch, output: &str) -> (Child, String) {
    let mut command =
        scratch.program(words(&format!("{LONG} --backend processes --workers 2 --progress json -o {output}")));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let temporary = temporary(output, &child.id().to_string());
    // Progress is reported when the output is there, and locked.
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(scratch.join(&temporary).exists(), "{line}");
    child.stderr = Some(told.into_inner());
    (child, temporary)
}

/// The name that an output has until it is complete: it ends with a checksum, so that those of other programs are not taken for it.
fn temporary(output: &str, number: &str) -> String {
    format!(".{output}.tmp-{number}-{:08x}", crc32fast::hash(format!("fractal{output}{number}").as_bytes()))
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn render(scratch: &Scratch, output: &str) {
    assert_eq!(told(scratch.program(words(&format!("{SMALL} -o {output}")))), (0, String::new()));
}

#[test]
fn what_a_killed_render_leaves_goes_with_the_next_of_its_output() {
    let scratch = Scratch::new("left");
    let (killed, left) = begin(&scratch, "a.ppm");
    let (other, kept) = begin(&scratch, "b.ppm");
    kill(killed);
    kill(other);
    // Another machine's, and what only looks alike.
    let (folder, pipe, link) = (temporary("a.ppm", "5"), temporary("a.ppm", "6"), temporary("a.ppm", "7"));
    let others = temporary("aa.ppm", "7");
    let foreign = [".a.ppm.tmp-", ".a.ppm.tmp-7", ".a.ppm.tmp-20240101", ".a.ppm.tmp-7-00000000", "a.ppm.tmp-7"];
    let alike: Vec<_> = foreign.into_iter().chain([&*others]).collect();
    let machine = temporary("a.ppm", "4294967301");
    alike.iter().chain([&&*machine]).for_each(|name| fs::write(scratch.join(name), "x").unwrap());
    fs::create_dir(scratch.join(&folder)).unwrap();
    let mut stay: Vec<_> = alike.into_iter().chain([&*folder, &kept]).collect();
    #[cfg(unix)]
    {
        // Nobody reads from the pipe, so whoever opened it would wait forever; what links point to is not of this program.
        let fifo = std::process::Command::new("mkfifo").arg(scratch.join(&pipe)).status().unwrap();
        assert!(fifo.success());
        std::os::unix::fs::symlink("a.ppm.tmp-7", scratch.join(&link)).unwrap();
        stay.extend([&*pipe, &*link]);
    }
    assert!(files(&scratch).contains(&left));
    stay.sort_unstable();

    render(&scratch, "a.ppm");
    let found: Vec<_> = files(&scratch).into_iter().filter(|name| name.contains(".tmp-")).collect();
    assert_eq!(found, stay);
    render(&scratch, "b.ppm");
    assert!(!files(&scratch).contains(&kept));
}

#[test]
fn what_a_living_process_writes_stays() {
    let scratch = Scratch::new("living");
    let (living, temporary) = begin(&scratch, "a.ppm");
    // This one is of this process, and is written by it later.
    let mut own = Output::create(scratch.join("a.ppm")).unwrap();
    let mut expected =
        vec![own.temporary().unwrap().file_name().unwrap().to_str().unwrap().to_owned(), temporary.clone()];
    expected.sort();
    render(&scratch, "a.ppm");
    let mut found = files(&scratch);
    found.retain(|name| name.contains(".tmp-"));
    assert_eq!(found, expected);
    own.write_all(b"own").unwrap();
    own.finish().unwrap();
    assert_eq!(fs::read(scratch.join("a.ppm")).unwrap(), b"own");
    assert!(scratch.join(&temporary).exists());
    kill(living);
    render(&scratch, "a.ppm");
    assert!(!scratch.join(&temporary).exists());
}

/// A file that is there and not locked yet looks like one that was left.
#[test]
fn outputs_that_are_created_at_once_are_all_completed() {
    let scratch = Scratch::new("at-once");
    let path = scratch.join("a.ppm");
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..1000 {
                    let mut output = Output::create(path).unwrap();
                    output.write_all(&[thread; 100]).unwrap();
                    // Others may be renamed over it, so only its temporary name says what it is.
                    assert_eq!(fs::read(output.temporary().unwrap()).unwrap(), [thread; 100]);
                    output.finish().unwrap();
                    let found = fs::read(path).unwrap();
                    assert!(found.len() == 100 && found.iter().all(|&byte| byte == found[0]));
                }
            });
        }
    });
    assert_eq!(files(&scratch), ["a.ppm"]);
}
