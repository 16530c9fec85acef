//! Completion as shells do it.

use super::stdout;
use super::support::{LIMIT, Scratch, left_out::lacks};
use fractal::backend::BACKENDS;
use fractal::scene::PLACES;
use std::process::Command;

/// A folder with a shell's script, and with files and a folder whose names begin as a place's does; `None` after saying that there is no
/// such shell.
fn shell(name: &'static str) -> Option<Scratch> {
    if Command::new(name).arg("--version").output().is_err() {
        lacks(&format!("a completion in {name}"), name);
        return None;
    }
    let scratch = Scratch::new(&format!("completion-{name}"));
    std::fs::create_dir_all(scratch.join("sea folder")).unwrap();
    for file in ["sea picture.png", "seaside.toml", "other*.toml"] {
        std::fs::write(scratch.join(file), "").unwrap();
    }
    std::fs::write(scratch.join("_fractal"), stdout(scratch.program(["completions", name]))).unwrap();
    Some(scratch)
}

/// What a script prints, line by line and sorted.
fn lines(scratch: &Scratch, shell: &str, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(shell);
    command.args(arguments).current_dir(&**scratch).env("HOME", &**scratch);
    let mut found: Vec<_> = stdout(command).lines().map(str::to_owned).collect();
    found.sort();
    found
}

/// The words that bash completes the last word of a line to; none are left to its own completion of files.
fn bash(scratch: &Scratch, line: &str) -> Vec<String> {
    let typed: Vec<_> = line.split(' ').collect();
    let [.., before, word] = typed[..] else { panic!("{line}") };
    // As the shell calls it, but for `compopt`, which works only there.
    let calls = format!(
        "compopt() {{ :; }}; . ./_fractal; COMP_WORDS=(fractal {line}); COMP_CWORD={}; _fractal fractal '{word}' '{before}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        typed.len()
    );
    let found = lines(scratch, "bash", &["--norc", "-c", &calls]);
    found.into_iter().filter(|line| !line.is_empty()).collect()
}

#[test]
fn names_of_files_with_spaces_are_completed_whole() {
    let Some(scratch) = shell("bash") else { return };
    for option in
        ["render -o", "render --checkpoint", "render --continue", "bench --json", "bench report -o", "merge -o"]
    {
        assert_eq!(
            bash(&scratch, &format!("{option} sea")),
            ["sea folder", "sea picture.png", "seaside.toml"],
            "{option}"
        );
    }
}

/// Commands that take a scene, each with whether it also knows the scenes of `bench`.
const SCENES: [(&str, bool); 9] = [
    ("render", false),
    ("render -q --size 3x2 other.toml", false),
    ("view", false),
    ("info", false),
    ("probe", false),
    ("check", false),
    ("bench --scene", true),
    ("bench simulate", true),
    ("bench schedules", true),
];

#[test]
fn bash_completes_places_and_files() {
    let Some(scratch) = shell("bash") else { return };
    for (command, has_more) in SCENES {
        let found = bash(&scratch, &format!("{command} sea"));
        assert_eq!(found, ["sea folder", "sea picture.png", "seahorses", "seaside.toml"], "{command}");
        let found = bash(&scratch, &format!("{command} costly"));
        assert_eq!(found, if has_more { &["costly-tail"][..] } else { &[] }, "{command}");
        // Files alone are best left to the shell.
        assert_eq!(bash(&scratch, &format!("{command} other")), [""; 0], "{command}");
    }
    let found = bash_from_nothing(&scratch, "render");
    assert!(PLACES.iter().all(|place| found.iter().any(|name| name == place.name)), "{found:?}");
    assert!(found.iter().any(|name| name == "other*.toml") && !found.iter().any(|name| name == "--size"), "{found:?}");
    // Where only files belong, no option stands in their way; where none do, no file is.
    for command in ["merge", "merge 1.part", "bench report", "bench compare"] {
        assert_eq!(bash_from_nothing(&scratch, command), [""; 0], "{command}");
    }
    assert_eq!(bash(&scratch, "render --size sea"), ["sea"]);
    assert!(bash(&scratch, "render --sam").contains(&"--samples".to_owned()));
}

/// The same for a word of which nothing is typed yet.
fn bash_from_nothing(scratch: &Scratch, command: &str) -> Vec<String> {
    bash(scratch, &format!("{command} "))
}

#[test]
fn fish_completes_places_and_files() {
    let Some(scratch) = shell("fish") else { return };
    let complete = |line: &str| {
        let calls = format!("source ./_fractal; complete -C 'fractal {line}'");
        let found = lines(&scratch, "fish", &["--no-config", "-c", &calls]);
        found.into_iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (command, has_more) in SCENES {
        let found = complete(&format!("{command} sea"));
        assert_eq!(found, ["sea folder/", "sea picture.png", "seahorses", "seaside.toml"], "{command}");
        assert_eq!(
            complete(&format!("{command} costly")),
            if has_more { &["costly-tail"][..] } else { &[] },
            "{command}"
        );
    }
    assert_eq!(complete("render --size sea"), [""; 0]);
}

#[test]
fn zsh_completes_places_and_files() {
    let Some(scratch) = shell("zsh") else { return };
    // It completes in a terminal only: what it then runs shows the word.
    let drive = "zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z 'PS1=; fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; fractal() { print -r -- $PWD $* > new; mv new got }'
        for typed in \"$@\"; do
            zpty -n -w z \"fractal $typed\"$'\\t\\n'
            for ((i = 0; i < $TRIES; i++)); do
                [[ -s got ]] && break
                sleep 0.02
                zpty -rt z shown
            done
            cat got
            rm got
        done
        zpty -d z";
    let folder = std::fs::canonicalize(&*scratch).unwrap();
    let pairs = SCENES.map(|(command, has_more)| match has_more {
        true => (format!("{command} costly"), format!("{command} costly-tail")),
        false => (format!("{command} seah"), format!("{command} seahorses")),
    });
    let files = [("render other", "render other*.toml"), ("merge seas", "merge seaside.toml")];
    let pairs: Vec<_> = files.map(|(typed, run)| (typed.into(), run.into())).into_iter().chain(pairs).collect();
    let mut zsh = Command::new("zsh");
    zsh.args(["-f", "-c", drive, "zsh"]).args(pairs.iter().map(|(typed, _)| typed)).current_dir(&folder);
    zsh.env("HOME", &folder).env("TERM", "dumb").env("TRIES", (LIMIT.as_millis() / 20).to_string());
    let wanted: Vec<_> = pairs.iter().map(|(_, run)| format!("{} {run}", folder.display())).collect();
    assert_eq!(stdout(zsh).lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn completions_know_the_names_in_the_tables() {
    let scratch = Scratch::new("completions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(scratch.program(["completions", shell]));
        assert!(script.contains("escape-radius"), "{shell}");
        if shell != "elvish" && shell != "powershell" {
            assert!(BACKENDS.iter().all(|entry| script.contains(entry.name)), "{shell}");
            assert!(PLACES.iter().all(|place| script.contains(place.name)), "{shell}");
        }
    }
}
