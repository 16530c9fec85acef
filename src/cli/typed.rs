//! The command that was typed, to be typed again.

use std::ffi::{OsStr, OsString};

/// This program's own command, quoted for a shell, with an argument added if it is not there.
pub(super) fn again(added: Option<&str>) -> String {
    command(&std::env::args_os().collect::<Vec<_>>(), added)
}

/// The argument goes right behind the name of the command, where no `--` precedes it.
fn command(words: &[OsString], added: Option<&str>) -> String {
    let mut words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    if let Some(added) = added.filter(|added| !words.iter().any(|word| word == added)) {
        words.insert(words.len().min(2), added.to_owned());
    }
    words.join(" ")
}

/// A word, quoted for a shell.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_.,=+/:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let words = |typed: &[&str]| typed.iter().map(OsString::from).collect::<Vec<_>>();
        let typed = words(&["fractal", "render", "it's", "a b", "{name}.png", "", "--re", "-0.5", "münchen"]);
        let shown = r"fractal render 'it'\''s' 'a b' '{name}.png' '' --re -0.5 münchen";
        assert_eq!(command(&typed, None), shown);
        assert_eq!(command(&typed, Some("--resume")), shown.replacen("render", "render --resume", 1));
        let typed = words(&["fractal", "render", "--resume"]);
        assert_eq!(command(&typed, Some("--resume")), "fractal render --resume");
    }
}
