//! The command that was typed, to be typed again.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

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

/// A word, quoted for a shell: as bash, zsh and others do where it has bytes that cannot be shown.
pub(super) fn quoted(word: &OsStr) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_.,=+/:@%".contains(c);
    match word.to_str() {
        Some(word) if !word.is_empty() && word.chars().all(plain) => word.to_owned(),
        Some(word) if !word.contains(char::is_control) => format!("'{}'", word.replace('\'', r"'\''")),
        _ => format!("$'{}'", escaped(word.as_bytes())),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| _ = write!(text, r"\x{byte:02x}"));
                }
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| _ = write!(text, r"\x{byte:02x}"));
    }
    text
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
        // A name of bytes that are no text is named all the same.
        let mut typed = words(&["fractal", "render", "-o", "a\tb\n.png"]);
        typed.push(OsStr::from_bytes(b"it's\xffa \\ \xc3\xbc.png").into());
        assert_eq!(command(&typed, None), r"fractal render -o $'a\x09b\x0a.png' $'it\'s\xffa \\ ü.png'");
        let typed = words(&["fractal", "render", "--resume"]);
        assert_eq!(command(&typed, Some("--resume")), "fractal render --resume");
    }
}
