//! Where scenes come from: names, files, standard input; and the errors when they are not scenes.

use super::{MAX_SCENE_BYTES, PLACES, Scene, foreign, literals, picture, tables};
use crate::error::{Error, Result, brief, perhaps, shorten};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// See [`Scene::load`].
pub(super) fn load(path: &Path) -> Result<Scene> {
    let argument = path.as_os_str();
    if argument == "-" {
        let head = read_head(io::stdin().lock()).map_err(|source| Error::io("read", "standard input", source))?;
        return from_bytes(&head, false).map_err(|why| Error::Input(format!("standard input {why}")));
    }
    if let Some(place) = PLACES.iter().find(|place| place.name == argument) {
        return Ok(place.scene());
    }
    let head = match File::open(path) {
        Ok(file) => {
            // A directory opens like a file and fails only when read, with an unhelpful message.
            if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                return Err(Error::Input(format!("`{}` is a directory, not a scene or a picture", shown(path))));
            }
            read_head(file)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_path(path) => {
            let places: Vec<_> = PLACES.iter().map(|place| place.name).collect();
            return Err(Error::Usage(format!(
                "there is no file or place `{}`{}; the places are {}",
                shown(path),
                perhaps(&path.to_string_lossy(), places.iter().copied()),
                places.join(", ")
            )));
        }
        Err(error) => Err(error),
    };
    let head = head.map_err(|source| Error::io("read", path, source))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    from_bytes(&head, is_json).map_err(|why| Error::Input(format!("`{}` {why}", path.display())))
}

fn shown(path: &Path) -> String {
    shorten(&path.to_string_lossy())
}

/// Whether a name was clearly not meant to be that of a place: it has a folder or an extension.
fn is_path(path: &Path) -> bool {
    path.extension().is_some() || path.components().count() > 1
}

/// The beginning of a file, as much as any scene may need.
fn read_head(source: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    source.take(picture::MAX_HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// A scene from the bytes of a file, by their content. The error follows the name of the file.
pub(super) fn from_bytes(bytes: &[u8], is_json: bool) -> std::result::Result<Scene, String> {
    if let Some(text) = picture::scene_text(bytes) {
        return from_text(&text?, false).map_err(|why| format!("carries an invalid scene: {why}"));
    }
    if bytes.contains(&0) {
        return Err("is neither a scene (TOML or JSON) nor a picture that carries one (PNG or EXR)".into());
    }
    if bytes.len() > MAX_SCENE_BYTES {
        return Err(format!("is too long for a scene: at most {MAX_SCENE_BYTES} bytes are allowed"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| "is neither a scene (TOML or JSON in UTF-8) nor a picture that carries one (PNG or EXR)")?;
    // Both formats may begin with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    from_text(text, is_json).map_err(|why| foreign::recognize(text).unwrap_or_else(|| format!("is not a scene: {why}")))
}

fn from_text(text: &str, is_json: bool) -> std::result::Result<Scene, String> {
    if is_json || text.trim_start().starts_with('{') { from_json(text) } else { from_toml(text) }
}

/// See [`Scene::from_toml`].
pub(super) fn from_toml(text: &str) -> std::result::Result<Scene, String> {
    let scene: Scene = toml::from_str(text).map_err(|error| {
        let error = first_fault(text).unwrap_or(error);
        let place = error.span().map(|span| {
            let before = &text[..span.start.min(text.len())];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            format!("line {}, column {}: ", before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        });
        format!("{}{}", place.unwrap_or_default(), tidy(error.message()))
    })?;
    literals::check_toml(text)?;
    checked(scene)
}

/// The fault that comes first in a file that can be parsed. The library reads keys in the order of the alphabet, so that what it tells may
/// come after others; here each key is read alone, as none needs another.
fn first_fault(text: &str) -> Option<toml::de::Error> {
    let root = DeTable::parse(text).ok()?;
    let (span, mut alone) = (root.span(), Vec::new());
    let mut single = |key, value| alone.push(DeTable::from_iter([(key, value)]));
    for (key, value) in root.into_inner() {
        let place = value.span();
        match value.into_inner() {
            DeValue::Table(inner) if !inner.is_empty() => {
                for part in inner {
                    single(key.clone(), Spanned::new(place.clone(), DeValue::Table(DeTable::from_iter([part]))));
                }
            }
            value => single(key, Spanned::new(place, value)),
        }
    }
    let read = |table| Scene::deserialize(toml::de::Deserializer::from(Spanned::new(span.clone(), table)));
    let faults = alone.into_iter().filter_map(|table| read(table).err());
    faults.min_by_key(|fault| fault.span().map_or(usize::MAX, |span| span.start))
}

/// See [`Scene::from_json`].
pub(super) fn from_json(text: &str) -> std::result::Result<Scene, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let scene = tables::table(&mut reader).and_then(|scene: Scene| reader.end().map(|()| scene));
    let scene = scene.map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        format!("line {}, column {}: {}", error.line(), error.column(), tidy(message))
    })?;
    literals::check_json(text)?;
    checked(scene)
}

fn checked(scene: Scene) -> std::result::Result<Scene, String> {
    scene.find_fault().map_or(Ok(scene), Err)
}

/// A parser's message in one line, without Rust's terms, and with only a short excerpt of what was read.
fn tidy(message: &str) -> String {
    let mut parts: Vec<_> = message.split('`').map(str::to_owned).collect();
    for i in (1..parts.len()).step_by(2) {
        // The parsers write numbers out, with hundreds of digits if need be.
        let number = parts[i].parse().ok().filter(|_| parts[i - 1].ends_with("floating point "));
        parts[i] = number.map_or_else(|| shorten(&parts[i]), brief);
    }
    let mut text = parts.join("`").replace('\n', " ");
    for (theirs, ours) in [
        ("unknown field", "unknown key"),
        ("duplicate field", "duplicate key"),
        ("unknown variant", "unknown name"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected f64", "expected a number"),
    ] {
        text = text.replace(theirs, ours);
    }
    if text.len() > 600 {
        text = text.chars().take(600).chain(['…']).collect();
    }
    text.trim().to_string()
}
