//! Screens other than the usual one, and what a desktop learns about the window.

use crate::screen::{Program, Screen, Shot, program};
use crate::support::{Scratch, until};

#[test]
fn displays_of_few_colours_are_refused_in_a_sentence() {
    for depth in ["8", "15", "16"] {
        let Some(screen) = Screen::with(&["-screen", "0", &format!("800x600x{depth}")]) else { return };
        let scratch = Scratch::new("x11-depths");
        let output = program(&screen, &scratch, &["view"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{depth}: {output:?}");
        let why = format!("(the display has {depth}-bit colour, but the window needs true colour of 24 bits or more)");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, format!("fractal: no window can be opened here {why}; `fractal render` needs no display\n"));
        // The watched render is computed all the same.
        let render = ["render", "curl", "--size", "64x48", "-q", "-o"];
        let output = program(&screen, &scratch, &[&render[..], &["a.ppm", "--view"]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{depth}: {output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, format!("fractal: no window can be opened here {why}; the render continues\n"));
        assert!(scratch.program([&render[..], &["b.ppm"]].concat()).status().unwrap().success());
        assert!(
            ["a.ppm", "b.ppm"]
                .map(|name| std::fs::read(scratch.join(name)).unwrap())
                .windows(2)
                .all(|two| two[0] == two[1])
        );
    }
}

#[test]
fn colours_of_ten_bits_are_right() {
    let Some(screen) = Screen::with(&["-screen", "0", "800x600x30"]) else { return };
    let scratch = Scratch::new("x11-deep");
    let mut program =
        Program::open(&screen, &scratch, &["view", "curl", "--fresh", "--size", "300x200", "--samples", "1"]);
    let shot: Shot = program.check();
    assert!(shot.colours() > 100);
    program.press("q");
    assert_eq!(program.exit_code(), Some(0));
}

/// An input method without a server, as when that was not started.
#[test]
fn a_window_needs_no_input_method() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-method");
    for method in ["@im=ibus", "@im=", "nonsense"] {
        let mut command = program(&screen, &scratch, &["view", "--fresh", "--size", "300x200"]);
        command.env("XMODIFIERS", method);
        let mut program = Program::start(&screen, &scratch, command);
        program.check_above();
        program.press("q");
        assert_eq!(program.exit_code(), Some(0), "{method}");
    }
}

#[test]
fn the_desktop_learns_whose_window_it_is() {
    let Some(screen) = Screen::start() else { return };
    let scratch = Scratch::new("x11-names");
    for arguments in [
        &["view", "--fresh", "--size", "300x200"][..],
        &["render", "curl", "-q", "--size", "64x48", "--view", "-o", "a.png"],
    ] {
        let mut program = Program::open(&screen, &scratch, arguments);
        let process = program.process.0.id().to_string();
        let pid = until("the window names its process", || screen.xdotool(&format!("getwindowpid {}", program.window)));
        assert_eq!(pid, process, "the process that was started, and not the one that owns the window");
        for name in ["--class ^Fractal$", "--classname ^fractal$"] {
            let found = screen.xdotool(&format!("search {name}")).unwrap_or_default();
            assert!(found.lines().any(|window| window == program.window), "{name}: {found}");
        }
        program.close();
        assert_eq!(program.exit_code(), Some(0));
    }
}

/// Letters are twice as large on a screen that is twice as dense, unless `--scale` says otherwise.
#[test]
fn letters_are_as_large_as_the_screen_is_dense() {
    let help = |server: &[&str], arguments: &[&str]| {
        let screen = Screen::with(&[&["-screen", "0", "1400x900x24"], server].concat())?;
        let scratch = Scratch::new("x11-dense");
        let view = ["view", "whole", "--fresh", "--size", "640x400"];
        let mut program = Program::open(&screen, &scratch, &[&view[..], arguments].concat());
        let picture = ["render", "whole", "--size", "640x400", "-q", "-o", "a.ppm"];
        assert!(scratch.program(picture).status().unwrap().success());
        let picture = Shot::from_ppm(&std::fs::read(scratch.join("a.ppm")).unwrap());
        // Above the message at the bottom.
        let top = |shot: Shot| shot.pixels[..250 * 640].to_vec();
        let wanted = top(picture.clone());
        until("there is a picture", || (top(program.shot()) == wanted).then_some(()));
        program.press("h");
        let shown =
            until("the help is shown", || Some(program.shot()).filter(|shot| shot.like(&picture) < 0.5).map(top));
        program.press("q");
        program.press("q");
        assert_eq!(program.exit_code(), Some(0));
        Some(shown)
    };
    let Some(usual) = help(&["-dpi", "96"], &["--scale", "2"]) else { return };
    let Some(dense) = help(&["-dpi", "192"], &[]) else { return };
    assert!(dense == usual);
    let Some(told) = help(&["-dpi", "192"], &["--scale", "1"]) else { return };
    assert!(told != dense);
}
