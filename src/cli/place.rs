//! Where a scene is: centre, width and zoom, as people read them and as arguments that show it again.

use fractal::Scene;
use fractal::scene::{Extent, View};
use serde::Serialize;

/// Which part of the plane a scene shows. Exact decimals are texts, since numbers of JSON lose their digits.
#[derive(Serialize)]
pub(super) struct Place {
    re: String,
    im: String,
    /// The picture's width in the plane: exact if the scene says it, else rounded.
    width: String,
    /// 4 divided by the picture's height in the plane.
    zoom: f64,
    /// Degrees.
    rotation: f64,
    #[serde(skip)]
    arguments: String,
}

impl Place {
    pub(super) fn of(scene: &Scene) -> Self {
        let View { re, im, extent, rotation } = scene.view();
        let view = scene.view();
        let (columns, rows) = scene.image.size;
        let extent_argument = match &extent {
            Extent::Width(width) => format!("--width {width}"),
            Extent::Zoom(zoom) => format!("--zoom {zoom}"),
        };
        let width = match extent {
            Extent::Width(width) => width.to_string(),
            Extent::Zoom(_) => format!("{:?}", view.spacing(columns, rows) * f64::from(columns)),
        };
        let turned = if rotation == 0.0 { String::new() } else { format!(" --rotation {rotation}") };
        let plain = Scene::default();
        let formula =
            if scene.formula == plain.formula { String::new() } else { format!("--formula {} ", scene.formula) };
        let power = scene.power.map_or(String::new(), |power| format!("--power {power} "));
        let julia = scene.julia.as_ref().map_or(String::new(), |[re, im]| format!("--julia {re},{im} "));
        Self {
            arguments: format!("{formula}{power}{julia}--re {re} --im {im} {extent_argument}{turned}"),
            re: re.to_string(),
            im: im.to_string(),
            width,
            zoom: view.zoom(columns, rows),
            rotation,
        }
    }

    /// The rows that describe it.
    pub(super) fn rows(&self) -> [(&'static str, String); 4] {
        let Self { re, im, width, zoom, rotation, arguments } = self;
        let turned = if *rotation == 0.0 { String::new() } else { format!(", turned by {rotation} degrees") };
        [
            ("centre", format!("re {re}, im {im}")),
            ("width", format!("{width}{turned}")),
            ("zoom", short(*zoom)),
            ("arguments", arguments.clone()),
        ]
    }
}

/// A number with five digits, with an exponent if it is large or small.
pub(super) fn short(number: f64) -> String {
    if (1e-3..1e5).contains(&number) {
        let text = format!("{number:.*}", (4 - number.log10().floor() as i32).clamp(0, 8) as usize);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{number:.4e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zooms_are_short() {
        let shown = [2.4, 602.6365348399247, 1.0, 99999.9, 1e6, 0.001, 0.25].map(short);
        assert_eq!(shown, ["2.4", "602.64", "1", "100000", "1.0000e6", "0.001", "0.25"]);
    }
}
