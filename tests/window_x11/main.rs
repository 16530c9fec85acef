//! The real window on a real X server without a screen: Xvfb, with openbox as window manager and xdotool as the user.
//!
//! If these programs are missing, the tests say so and are left out; with `CI` set that is a failure. On Debian:
//! `apt-get install --no-install-recommends xvfb xdotool openbox imagemagick`.

mod losing;
mod screen;
mod screens;
#[path = "../support/mod.rs"]
mod support;

use screen::{HARDER, Program, Screen, Shot};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Scratch, until};

#[test]
fn the_window_explores() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-explore");
    let mut program = Program::open(
        &screen,
        &scratch,
        &["view", "seahorses", "--size", "640x400", "--samples", "1", "--workers", "2"],
    );
    let opened = program.check_above();
    assert!(opened.colours() > 1000, "{} colours", opened.colours());

    // The wheel zooms at the pointer.
    program.point(400, 150);
    (0..3).for_each(|_| program.do_("click 4"));
    let zoomed = program.check_above();
    assert!(zoomed.like(&opened) < 0.3);
    let under = |shot: &Shot| shot.pixels[150 * 640 + 400];
    assert_eq!(under(&zoomed), under(&opened), "the point under the pointer stays");

    // A drag moves by whole pixels: what stays in the window is the same.
    program.do_("mousedown 1");
    program.heard();
    program.point(350, 130);
    program.heard();
    program.do_("mouseup 1");
    let dragged = program.check_above();
    for y in (30..360).step_by(11) {
        let row = |shot: &Shot, x: usize, y: usize| shot.pixels[y * 640 + x..y * 640 + x + 500].to_vec();
        assert_eq!(row(&dragged, 20, y), row(&zoomed, 70, y + 20), "row {y}");
    }

    // Keys: another palette, a turn, back again, home.
    program.press("p r");
    assert!(program.check_above().like(&dragged) < 0.5);
    program.press("u bracketleft Left Home");
    program.check_above();

    // Another size.
    program.do_(&format!("windowsize --sync {} 500 333", program.window));
    let resized = program.check();
    assert_eq!((resized.width, resized.pixels.len()), (500, 500 * 333));

    // Saved with its scene.
    program.press("s");
    let saved = scratch.join("mandelbrot-1.png");
    until("the picture is saved", || std::fs::metadata(&saved).is_ok_and(|file| file.len() > 0).then_some(()));
    let command = program.command();
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
    let output = scratch.program(["render", saved.to_str().unwrap(), "-o", "saved.ppm"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(Shot::from_ppm(&std::fs::read(scratch.join("saved.ppm")).unwrap()) == resized);

    // The next window opens where this one was closed.
    let mut program = Program::open(&screen, &scratch, &["view", "--size", "500x333"]);
    assert_eq!(program.command(), command);
    program.press("Escape");
    assert_eq!(program.exit_code(), Some(0));
    let mut fresh = Program::open(&screen, &scratch, &["view", "--fresh", "--size", "500x333"]);
    assert!(!fresh.command().contains("--palette"));
    // Closing the window by the window manager is quitting.
    fresh.close();
    assert_eq!(fresh.exit_code(), Some(0));
}

#[test]
fn a_window_that_was_covered_or_minimised_is_right_again() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-cover");
    let mut program =
        Program::open(&screen, &scratch, &["view", "jewel", "--size", "400x300", "--samples", "1", "--fresh"]);
    let wanted = program.check();
    // Half a second is what is promised. What counts is when a screenshot begins, however long it takes.
    let soon = |what: &str| {
        let began = Instant::now();
        until(what, || {
            let asked = began.elapsed();
            let right = program.shot().like(&wanted) == 1.0;
            assert!(right || asked < Duration::from_secs(10), "{what}: not after {asked:?}");
            right.then_some(())
        });
    };
    {
        let cover = Program::open(&screen, &scratch, &["view", "whole", "--size", "400x300", "--fresh"]);
        let place = screen.xdotool(&format!("getwindowgeometry --shell {}", program.window)).unwrap();
        let value = |name: &str| place.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        cover.do_(&format!("windowmove --sync {} {} {}", cover.window, value("X="), value("Y=")));
        until("it is covered", || (program.shot().like(&wanted) < 0.7).then_some(()));
    }
    soon("it is uncovered");
    program.do_(&format!("windowminimize --sync {}", program.window));
    // Longer than until it is shown again.
    std::thread::sleep(Duration::from_millis(700));
    program.do_(&format!("windowactivate --sync {}", program.window));
    soon("it is back");
}

#[test]
fn tiles_fill_in_and_overlays_come_and_go() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-tiles");
    let place = ["--re", "-0.7467", "--im", "0.1097", "--width", "0.0118", "--size", "600x400"];
    // Until one is slow enough to be seen unfinished.
    let watched = HARDER.into_iter().find_map(|harder| {
        let iterations = (4_000_000 * harder).to_string();
        let slow = ["view", "--fresh", "--backend", "serial", "--iterations", &iterations, "--samples", "2"];
        let mut program = Program::open(&screen, &scratch, &[&slow[..], &place].concat());
        let shots: Vec<_> = (0..6)
            .map(|_| {
                let shot = program.shot();
                std::thread::sleep(Duration::from_millis(300));
                shot
            })
            .collect();
        let wanted = program.check();
        let likes: Vec<_> = shots.iter().map(|shot| shot.like(&wanted)).collect();
        assert!(likes.windows(2).all(|pair| pair[0] <= pair[1]), "{likes:?}");
        (likes[0] < 0.9).then_some((program, wanted))
    });
    let (mut program, wanted) = watched.expect("some first picture is not the last");
    // The panel is dark and has letters; outlines change the picture everywhere.
    program.press("Tab o");
    let panel = until("the panel is shown", || Some(program.shot()).filter(|shot| shot.like(&wanted) < 0.95));
    let corner = (10..150).flat_map(|y| (10..200).map(move |x| y * 600 + x));
    let dark = corner.clone().filter(|at| panel.pixels[*at].iter().all(|channel| *channel < 90)).count();
    let bright = corner.filter(|at| panel.pixels[*at].iter().all(|channel| *channel > 190)).count();
    assert!(dark > 10_000 && bright > 300, "{dark} dark and {bright} bright pixels");
    program.press("Tab o h");
    let help = until("the help is shown", || Some(program.shot()).filter(|shot| shot.like(&wanted) < 0.1));
    assert!(help.pixels.iter().filter(|pixel| pixel.iter().all(|channel| *channel > 190)).count() > 2000);
    program.press("h h h h q");
    // However many pages there are, and whether or not that q counted: it ends.
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_render_is_watched() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-render");
    // Closing the window does not stop the render: one that is slow enough not to be complete before.
    let went_on = HARDER.into_iter().any(|harder| {
        let _ = std::fs::remove_file(scratch.join("a.png"));
        let iterations = (3_000_000 * harder).to_string();
        let heavy = ["render", "seahorses", "--size", "640x400", "--iterations", &iterations, "--samples", "2", "-q"];
        let mut program = Program::open(&screen, &scratch, &[&heavy[..], &["--view", "-o", "a.png"]].concat());
        until("tiles fill in", || (program.shot().colours() > 300).then_some(()));
        program.do_(&format!("windowactivate --sync {}", program.window));
        let early = !scratch.join("a.png").exists();
        program.close();
        assert_eq!(program.exit_code(), Some(0));
        assert!(scratch.join("a.png").exists());
        early
    });
    assert!(went_on, "every picture was complete before its window was closed");
    // Q asks once more, then cancels. No orbit inside this Julia set ends before its last iteration, so it would take hours.
    let endless = [
        "--julia",
        "-0.390540870218,-0.586787907347",
        "--iterations",
        "2000000000",
        "--size",
        "640x400",
        "-q",
        "--view",
    ];
    let mut program = Program::open(&screen, &scratch, &[&["render"], &endless[..], &["-o", "b.png"]].concat());
    program.press("q");
    std::thread::sleep(Duration::from_millis(300));
    assert!(program.process.0.try_wait().unwrap().is_none(), "one Q does not end it");
    program.press("q");
    assert_eq!(program.exit_code(), Some(130));
    assert!(!scratch.join("b.png").exists());
    // A complete picture stays until the window is closed. The window shows one sample of each pixel.
    let mut program = Program::open(
        &screen,
        &scratch,
        &["render", "curl", "--size", "320x200", "--samples", "1", "-q", "--view", "-o", "c.ppm"],
    );
    let file = scratch.join("c.ppm");
    until("the picture is complete", || file.exists().then_some(()));
    let wanted = Shot::from_ppm(&std::fs::read(&file).unwrap());
    until("the window shows it", || (program.shot().like(&wanted) == 1.0).then_some(()));
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
}

/// Keys faster than anybody types, while the window changes its size: the final picture is still right.
#[test]
fn mashed_keys_and_sizes_do_no_harm() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-mash");
    let mut program =
        Program::open(&screen, &scratch, &["view", "seahorses", "--size", "500x320", "--samples", "1", "--fresh"]);
    // Everything that is toggled is toggled twice.
    let keys = "b w W d D t T n o m Tab p c k K period comma j J r u i I x f F plus minus Left Up bracketleft bracketright space B";
    for size in ["640 400", "2 2", "1 700", "500 320"] {
        program.do_(&format!("windowactivate --sync {0} windowsize {0} {size}", program.window));
        program.do_(&format!("key --delay 4 {keys}"));
        // A click beside the window would go to the window manager.
        if let Some((width, height)) = size.split_once(' ').filter(|_| size.len() == 7) {
            until("it has its size", || {
                let geometry = screen.xdotool(&format!("getwindowgeometry --shell {}", program.window))?;
                let has = |line: String| geometry.lines().any(|other| other == line);
                (has(format!("WIDTH={width}")) && has(format!("HEIGHT={height}"))).then_some(())
            });
            let mouse = "200 150 click 4 click 5 click 1 click 1 mousedown 3 mousemove_relative 50 40 mouseup 3";
            program.do_(&format!("mousemove --window {} {mouse}", program.window));
        }
    }
    program.do_(&format!("windowactivate --sync {}", program.window));
    program.do_("key --delay 30 a Home");
    program.check();
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
}

/// The remembered state can be damaged, and nothing may be writable: the window opens all the same, and says so.
#[test]
fn a_state_that_is_no_use_is_reported_and_left_aside() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-state");
    let file = scratch.join("state/fractal/view.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let session = |told: &str, keys: &str| {
        let mut command = screen::program(&screen, &scratch, &["view", "--size", "300x200"]);
        command.stderr(std::fs::File::create(scratch.join("told")).unwrap());
        let mut program = Program::start(&screen, &scratch, command);
        program.press(keys);
        assert_eq!(program.exit_code(), Some(0), "{told}");
        let text = std::fs::read_to_string(scratch.join("told")).unwrap();
        let printed: String = program.lines.iter().collect();
        assert!((text.clone() + &printed).contains(told), "{told}: {text}{printed}");
        assert!(text.lines().count() <= 1, "{text}");
    };
    let absurd = "[settings]\nbackend = \"abacus\"\nworkers = 1000000\ntile = 0\nschedule = \"never\"\n[scene]\n";
    let deep = "[settings]\n[scene.view]\nwidth = \"1e-1000000\"\n";
    let endless = "[settings]\n[scene.view]\nre = \"1e-1000000\"\n";
    for (text, told) in [
        ("settings = 3", "settings are ignored: "),
        ("\u{0}\u{1}", "settings are ignored: "),
        (deep, "the remembered scene is ignored: "),
        (endless, ""),
        ("", ""),
        (absurd, ""),
    ] {
        std::fs::write(&file, text).unwrap();
        session(told, "plus q");
    }
    // The last one was good enough to be remembered again.
    assert!(std::fs::read_to_string(&file).unwrap().contains("workers = 0"));
    std::fs::remove_dir_all(scratch.join("state")).unwrap();
    std::fs::write(scratch.join("state"), "in the way").unwrap();
    session("", "q");
    session("the window's state is not remembered: ", "plus q");
}

/// Without the programs they need, these tests pass, but not silently; where everything must be tested they fail.
#[test]
fn what_is_left_out_is_said() {
    let run = |ci: bool| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_window_explores"]).env("PATH", "").env_remove("CI");
        command.envs(ci.then_some(("CI", "true"))).output().unwrap()
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let list = std::env::temp_dir().join(format!("fractal-left-out-{}", std::process::id()));
    let _ = std::fs::remove_file(&list);
    let output = run(false);
    let told = "left out: the window on a real X server (`Xvfb` is not installed)\n";
    assert!(output.status.success(), "{output:?}");
    assert_eq!((text(output.stderr).as_str(), std::fs::read_to_string(&list).unwrap().as_str()), (told, told));
    assert_eq!(text(run(false).stderr), "", "it is reported once");
    std::fs::remove_file(&list).unwrap();
    let output = run(true);
    assert!(!output.status.success() && text(output.stdout).contains("`Xvfb` is not installed"));
    assert!(!list.exists());
}

#[test]
fn without_a_display_there_is_one_sentence() {
    let scratch = Scratch::new("x11-none");
    for arguments in [&["view"][..], &["render", "whole", "--view"]] {
        let output = scratch.program(arguments).env_remove("DISPLAY").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            told,
            "fractal: no window can be opened here (DISPLAY is not set); `fractal render` needs no display\n"
        );
        let output = scratch.program(arguments).env("DISPLAY", ":65000").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && told.lines().count() == 1 && !told.contains("not set"), "{told}");
    }
    assert_eq!(std::fs::read_dir(&*scratch).unwrap().count(), 0);
}

/// The program does not wait for a state file that is not a regular file.
#[test]
fn a_state_that_is_no_file_is_reported_and_left_aside() {
    let scratch = Scratch::new("x11-pipe");
    let file = scratch.join("state/fractal/view.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let run = || {
        let mut command = scratch.program(["view"]);
        let output = command.env("DISPLAY", "").env("XDG_STATE_HOME", scratch.join("state")).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let told = run();
    assert!(
        told.contains("ignored: `") && told.contains("is not a regular file") && told.lines().count() == 2,
        "{told}"
    );
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    assert_eq!(run(), told);
}

/// The commands in the documents that open a window, word for word.
#[test]
fn documented_commands_open_windows() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-documents");
    std::fs::create_dir(scratch.join("output")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for document in ["README.md", "docs/viewer.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let blocks = text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
        for line in blocks.flat_map(str::lines).filter(|line| support::opens_a_window(line)) {
            let words: Vec<_> = line.split(' ').skip(1).collect();
            let mut program = Program::open(&screen, &scratch, &words);
            until("there is a picture", || (program.shot().colours() > 50).then_some(()));
            program.close();
            assert_eq!(program.exit_code(), Some(0), "{document}: {line}");
            count += 1;
        }
    }
    assert!(count >= 3, "only {count} commands were found");
}
