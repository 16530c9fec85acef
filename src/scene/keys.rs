//! Setting single keys of a scene from text, as the command line does.

use super::{Crop, Extent, MaxIterations, Scene};
use crate::error::{perhaps, shorten};
use crate::number::Decimal;
use serde::de::{DeserializeOwned, IntoDeserializer};

/// A key of a scene that can be set from text.
#[derive(Clone, Copy, Debug)]
pub struct SceneKey {
    /// The name, with the table that it is in: `view.re`.
    pub name: &'static str,
    /// What it is, and what is allowed, in a few words.
    pub help: &'static str,
    /// Sets it; on failure, returns why the text is not a value, or nothing when the help is enough.
    set: fn(&mut Scene, &str) -> Result<(), Option<String>>,
}

/// All keys, in the order of a scene file.
pub static KEYS: &[SceneKey] = &[
    SceneKey { name: "version", help: "the version of the format, 1", set: |s, v| parse(v).map(|v| s.version = v) },
    SceneKey {
        name: "name",
        help: "a short name, or nothing",
        set: |s, v| {
            s.name = text(v);
            Ok(())
        },
    },
    SceneKey {
        name: "title",
        help: "a title, or nothing",
        set: |s, v| {
            s.title = text(v);
            Ok(())
        },
    },
    SceneKey {
        name: "formula",
        help: "the name of a formula",
        set: |s, v| {
            s.formula = v.into();
            Ok(())
        },
    },
    SceneKey { name: "power", help: "a whole number from 2 to 8, or nothing", set: set_power },
    SceneKey { name: "julia", help: "two decimal numbers such as -0.8,0.156, or none", set: set_julia },
    SceneKey {
        name: "view.re",
        help: "a decimal number such as -0.75",
        set: |s, v| decimal(v).map(|v| s.view.re = Some(v)),
    },
    SceneKey {
        name: "view.im",
        help: "a decimal number such as 0.1",
        set: |s, v| decimal(v).map(|v| s.view.im = Some(v)),
    },
    SceneKey {
        name: "view.width",
        help: "a decimal number above 0 such as 5.1e-5",
        set: |s, v| decimal(v).map(|v| s.set_extent(Extent::Width(v))),
    },
    SceneKey {
        name: "view.zoom",
        help: "a decimal number above 0 such as 1e6",
        set: |s, v| decimal(v).map(|v| s.set_extent(Extent::Zoom(v))),
    },
    SceneKey { name: "view.rotation", help: "degrees such as 45", set: |s, v| parse(v).map(|v| s.view.rotation = v) },
    SceneKey {
        name: "image.size",
        help: "width and height in pixels such as 1920x1080, a width such as 2560 that keeps the shape, or 720p, 1080p, 1440p, 4K or 8K",
        set: set_size,
    },
    SceneKey {
        name: "image.samples",
        help: "a whole number from 1 to 16",
        set: |s, v| parse(v).map(|v| s.image.samples = v),
    },
    SceneKey { name: "image.crop", help: "column, row and size such as 100,50,640x360, or none", set: set_crop },
    SceneKey { name: "iteration.max", help: "a whole number from 1 to 9007199254740992, or auto", set: set_max },
    SceneKey {
        name: "iteration.escape_radius",
        help: "a number above 1",
        set: |s, v| parse(v).map(|v| s.iteration.escape_radius = v),
    },
    SceneKey { name: "iteration.quality", help: "draft, normal or exact", set: set_quality },
    SceneKey { name: "iteration.precision", help: "auto, or a number tier: f64, perturbation", set: set_precision },
    SceneKey {
        name: "colour.colouring",
        help: "the name of a colouring",
        set: |s, v| {
            s.colour.colouring = v.into();
            Ok(())
        },
    },
    SceneKey {
        name: "colour.palette",
        help: "the name of a palette",
        set: |s, v| {
            s.colour.palette = v.into();
            Ok(())
        },
    },
    SceneKey {
        name: "colour.interior",
        help: "a colour such as #000000",
        set: |s, v| {
            s.colour.interior = v.into();
            Ok(())
        },
    },
    SceneKey { name: "colour.density", help: "a number above 0", set: |s, v| parse(v).map(|v| s.colour.density = v) },
    SceneKey {
        name: "colour.offset",
        help: "a number such as 0.25",
        set: |s, v| parse(v).map(|v| s.colour.offset = v),
    },
];

/// Sets a key from `key=value`.
pub(super) fn set(scene: &mut Scene, assignment: &str) -> Result<(), String> {
    let Some((name, value)) = assignment.split_once('=') else {
        return Err(format!(
            "`{}` sets nothing: it must be `key=value`, for example `iteration.max=5000`",
            shorten(assignment)
        ));
    };
    let (name, value) = (name.trim(), unquoted(value.trim()));
    let key = KEYS.iter().find(|key| key.name == name).or_else(|| {
        // The last part of a name is enough, since all are different.
        KEYS.iter().find(|key| key.name.rsplit('.').next() == Some(name))
    });
    let Some(key) = key else {
        let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        let last = known.iter().filter_map(|key| key.rsplit('.').next());
        let perhaps = perhaps(name, known.iter().copied().chain(last));
        return Err(format!(
            "there is no key `{}`{perhaps} in a scene; the keys are {}",
            shorten(name),
            known.join(", ")
        ));
    };
    let mut changed = scene.clone();
    (key.set)(&mut changed, value).map_err(|why| match why {
        Some(why) => format!("`{}`: {why}", key.name),
        None => format!("`{}` cannot be `{}`: it must be {}", key.name, shorten(value), key.help),
    })?;
    if let Some(fault) = changed.find_fault() {
        return Err(fault);
    }
    *scene = changed;
    Ok(())
}

/// The value without the quotes that a file would need.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.into())
}

fn parse<T: std::str::FromStr>(value: &str) -> Result<T, Option<String>> {
    value.parse().map_err(|_| None)
}

fn decimal(value: &str) -> Result<Decimal, Option<String>> {
    value.parse().map_err(|error| Some(format!("{error}")))
}

fn set_power(scene: &mut Scene, value: &str) -> Result<(), Option<String>> {
    scene.power = if value.is_empty() { None } else { Some(parse(value)?) };
    Ok(())
}

fn set_julia(scene: &mut Scene, value: &str) -> Result<(), Option<String>> {
    scene.julia = match value {
        "none" | "" => None,
        _ => {
            let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
            let (re, im) = list.split_once(',').ok_or(None)?;
            Some([decimal(unquoted(re.trim()))?, decimal(unquoted(im.trim()))?])
        }
    };
    Ok(())
}

/// Usual sizes by their names.
const SIZES: [(&str, (u32, u32)); 7] = [
    ("720p", (1280, 720)),
    ("1080p", (1920, 1080)),
    ("1440p", (2560, 1440)),
    ("2160p", (3840, 2160)),
    ("4320p", (7680, 4320)),
    ("4K", (3840, 2160)),
    ("8K", (7680, 4320)),
];

fn set_size(scene: &mut Scene, value: &str) -> Result<(), Option<String>> {
    if let Some((_, size)) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value)) {
        scene.image.size = *size;
        return Ok(());
    }
    if let Ok(width @ 1..) = value.parse::<u32>() {
        let (old_width, old_height) = scene.image.size;
        let height = f64::from(width) * f64::from(old_height) / f64::from(old_width.max(1));
        scene.image.size = (width, (height.round() as u32).max(1));
        return Ok(());
    }
    let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
    let (width, height) = list.split_once(['x', 'X', '×', ',']).ok_or(None)?;
    scene.image.size = (parse(width.trim())?, parse(height.trim())?);
    Ok(())
}

fn set_crop(scene: &mut Scene, value: &str) -> Result<(), Option<String>> {
    let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
    let numbers: Vec<_> = list.split([',', 'x', 'X', '×']).collect();
    scene.image.crop = match numbers[..] {
        ["" | "none"] => None,
        [x, y, width, height] => {
            let [x, y, width, height] = [x, y, width, height].map(|number| parse(number.trim()));
            Some(Crop { x: x?, y: y?, width: width?, height: height? })
        }
        _ => return Err(None),
    };
    Ok(())
}

fn set_max(scene: &mut Scene, value: &str) -> Result<(), Option<String>> {
    scene.iteration.max = if value == "auto" { MaxIterations::Auto } else { MaxIterations::Count(parse(value)?) };
    Ok(())
}

fn set_quality(scene: &mut Scene, value: &str) -> Result<(), Option<String>> {
    scene.iteration.quality = named(value)?;
    Ok(())
}

/// One of a few names, as written in a scene file.
fn named<T: DeserializeOwned>(value: &str) -> Result<T, Option<String>> {
    T::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(value)).map_err(|_| None)
}

fn set_precision(scene: &mut Scene, value: &str) -> Result<(), Option<String>> {
    scene.iteration.precision = named(value)?;
    Ok(())
}

impl Scene {
    /// Sets how much is shown, replacing any width or zoom.
    pub fn set_extent(&mut self, extent: Extent) {
        (self.view.width, self.view.zoom) = match extent {
            Extent::Width(width) => (Some(width), None),
            Extent::Zoom(zoom) => (None, Some(zoom)),
        };
    }
}
