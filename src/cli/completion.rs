//! `completions`: scripts generated from the arguments' definition, and what the generator does not know: that some arguments take the
//! name of a place as well as a file. (The generator's dynamic kind knows it, but is unstable and splits file names with spaces in bash.)

use super::args::Cli;
use super::print;
use clap::{Arg, Command, CommandFactory, ValueHint};
use clap_complete::Shell;
use fractal::Result;
use fractal::bench::subject::STANDARDS;
use fractal::scene::PLACES;
use std::fmt::Write;

/// What arguments are called that take a scene.
const SCENE: &str = "SCENE";

/// Writes the completion script for `shell`.
pub(crate) fn completions(shell: Shell) -> Result<()> {
    let mut program = hinted(Cli::command(), &PLACE);
    // Into memory first: clap's own output panics when the reader goes away.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, "fractal", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    print(match shell {
        Shell::Bash => bash(script, &program),
        Shell::Zsh => zsh(&script),
        Shell::Fish => fish(script, &program),
        _ => script,
    })
}

/// Names of scenes, which a shell function completes, and files with them.
struct Names {
    /// What stands for them until the generator has run, and what it writes for that in zsh and fish. Possible values are no choice:
    /// with them no shell completes files.
    hint: ValueHint,
    zsh: &'static str,
    fish: &'static str,
    /// The function's name, without what each shell puts before it.
    function: &'static str,
}

const PLACE: Names =
    Names { hint: ValueHint::Hostname, zsh: "_hosts", fish: "__fish_print_hostnames", function: "fractal_scenes" };

/// In `bench`, which has scenes of its own.
const SUBJECT: Names =
    Names { hint: ValueHint::Username, zsh: "_users", fish: "__fish_complete_users", function: "fractal_bench_scenes" };

impl Names {
    /// The names, with what there is to see.
    fn entries(&self) -> Vec<(&'static str, &'static str)> {
        let places = PLACES.iter().map(|place| (place.name, place.help));
        if self.hint == PLACE.hint {
            return places.collect();
        }
        let standards: Vec<_> = STANDARDS.iter().map(|standard| (standard.name, standard.help)).collect();
        let others = places.filter(|(name, _)| standards.iter().all(|(taken, _)| taken != name));
        standards.iter().copied().chain(others).collect()
    }
}

/// The command with a hint at every argument: which names of scenes it takes, and that options without any hint take no files.
fn hinted(command: Command, names: &Names) -> Command {
    let subcommands: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| {
        let is_known = arg.get_value_hint() != ValueHint::Unknown || !arg.get_possible_values().is_empty();
        if takes_scene(&arg) {
            arg.value_hint(names.hint)
        } else if is_known || arg.is_positional() || !arg.get_action().takes_values() {
            arg
        } else {
            arg.value_hint(ValueHint::Other)
        }
    });
    subcommands.into_iter().fold(command, |command, name| {
        let names = if name == "bench" || names.hint == SUBJECT.hint { &SUBJECT } else { &PLACE };
        command.mut_subcommand(name, |command| hinted(command, names))
    })
}

fn takes_scene(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == SCENE))
}

/// Commands that take files or scenes without an option, with their names from the program's on, and the names of scenes if they take any.
fn with_files<'a>(command: &'a Command, path: &[&'a str]) -> Vec<(Vec<&'a str>, Option<Names>)> {
    let path = [path, &[command.get_name()]].concat();
    let below = command.get_subcommands().flat_map(|command| with_files(command, &path));
    let own = command.get_positionals().find(|arg| arg.get_possible_values().is_empty()).map(|arg| {
        let names = [PLACE, SUBJECT].into_iter().find(|names| names.hint == arg.get_value_hint());
        (path.clone(), names)
    });
    own.into_iter().chain(below).collect()
}

/// The generator's bash offers such a command's options where files belong, and cuts file names at spaces.
fn bash(mut script: String, program: &Command) -> String {
    for (path, names) in with_files(program, &[]) {
        let start =
            script.find(&format!("\n        {})\n", path.join("__subcmd__"))).expect("every command has a case");
        let (before, after) = script.split_at(start);
        let first = format!("|| ${{COMP_CWORD}} -eq {} ]]", path.len());
        let last = "\n            COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )\n";
        // Nothing found leaves files to readline, which knows best how to quote them.
        let files = names.map_or("COMPREPLY=()".into(), |names| format!("_{}", names.function));
        let after = after.replacen(&first, "]]", 1).replacen(last, &format!("\n            {files}\n"), 1);
        script = format!("{before}{after}");
    }
    let option = "--scene)\n                    COMPREPLY=($(compgen -f \"${cur}\"))\n";
    script = script.replace(option, &format!("--scene)\n                    _{}\n", SUBJECT.function));
    for names in [PLACE, SUBJECT] {
        let words: Vec<_> = names.entries().into_iter().map(|(name, _)| name).collect();
        let _ = write!(
            script,
            "
# Completes names of scenes, with files beside them; files alone are left to readline.
_{}() {{
    local name
    COMPREPLY=( $(compgen -W \"{}\" -- \"${{cur}}\") )
    if [[ ${{#COMPREPLY[@]}} -gt 0 ]]; then
        while IFS= read -r name; do
            COMPREPLY+=( \"${{name}}\" )
        done < <(compgen -f -- \"${{cur}}\")
        if [[ \"${{BASH_VERSINFO[0]}}\" -ge 4 ]]; then
            compopt -o filenames
        fi
    fi
}}
",
            names.function,
            words.join(" ")
        );
    }
    script
}

fn zsh(script: &str) -> String {
    let (head, tail) = script.split_once("\n_fractal() {\n").expect("the script has a function of the program's name");
    let mut functions = String::new();
    let mut tail = tail.to_owned();
    for names in [PLACE, SUBJECT] {
        tail = tail.replace(&format!(":{}' \\\n", names.zsh), &format!(":_{}' \\\n", names.function));
        let entries: Vec<_> =
            names.entries().iter().map(|(name, help)| quoted(&format!("{name}:{help}"), "'\\''")).collect();
        let _ = write!(
            functions,
            "
# Completes names of scenes, and files.
_{}() {{
    local scenes
    scenes=({})
    _alternative 'scenes:scene:{{_describe -t scenes scene scenes}}' 'files:file:_files'
}}
",
            names.function,
            entries.join(" ")
        );
    }
    format!("{head}\n{functions}\n_fractal() {{\n{tail}")
}

fn fish(mut script: String, program: &Command) -> String {
    for names in [PLACE, SUBJECT] {
        let function = format!("__{}", names.function);
        // Without `-f`, files come with them.
        script = script.replace(&format!(" -r -f -a \"({})\"", names.fish), &format!(" -r -F -a \"({function})\""));
        let entries: Vec<_> =
            names.entries().iter().map(|(name, help)| format!("{name} {}", quoted(help, "\\'"))).collect();
        let _ = writeln!(script, "\nfunction {function}\n    printf '%s\\t%s\\n' {}\nend", entries.join(" "));
    }
    for (path, names) in with_files(program, &[]) {
        let Some(names) = names else { continue };
        let condition = match path[1..] {
            [command] => format!("__fish_fractal_using_subcommand {command}"),
            [command, below] => {
                format!("__fish_fractal_using_subcommand {command}; and __fish_seen_subcommand_from {below}")
            }
            _ => unreachable!("no command that takes a scene lies deeper"),
        };
        let _ = writeln!(script, "complete -c fractal -n \"{condition}\" -a \"(__{})\"", names.function);
    }
    script
}

/// In single quotes of a shell that writes such a quote as `escaped` within them.
fn quoted(text: &str, escaped: &str) -> String {
    format!("'{}'", text.replace('\'', escaped))
}
