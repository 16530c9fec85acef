//! Where a scene is: centre, width and zoom, as people read them and as arguments that show it again.

use fractal::Scene;
use fractal::scene::{Extent, View};
use serde::Serialize;
use std::f64::consts::LOG10_2;

/// Which part of the plane a scene shows. Exact decimals are texts, since numbers of JSON lose their digits.
#[derive(Serialize)]
pub(super) struct Place {
    re: String,
    im: String,
    /// The picture's width in the plane: exact if the scene says it, else rounded.
    width: String,
    /// 4 divided by the picture's height in the plane; `null` in JSON if it is no 64-bit number.
    zoom: f64,
    /// Its decimal logarithm.
    log10_zoom: f64,
    /// Degrees.
    rotation: f64,
    #[serde(skip)]
    shown_zoom: String,
    #[serde(skip)]
    arguments: String,
}

impl Place {
    pub(super) fn of(scene: &Scene) -> Self {
        let View { re, im, extent, rotation } = scene.view();
        let view = scene.view();
        let (columns, rows) = scene.image.size;
        let log2_spacing = view.log2_spacing(columns, rows);
        let extent_argument = match &extent {
            Extent::Width(width) => format!("--width {width}"),
            Extent::Zoom(zoom) => format!("--zoom {zoom}"),
        };
        let width = match extent {
            Extent::Width(width) => width.to_string(),
            Extent::Zoom(_) => match view.spacing(columns, rows) * f64::from(columns) {
                width if width.is_normal() => format!("{width:?}"),
                _ => of_log2(log2_spacing + f64::from(columns).log2()),
            },
        };
        let log2_zoom = 2.0 - log2_spacing - f64::from(rows).log2();
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
            log10_zoom: log2_zoom * LOG10_2,
            shown_zoom: of_log2(log2_zoom),
            rotation,
        }
    }

    /// The rows that describe it.
    pub(super) fn rows(&self) -> [(&'static str, String); 4] {
        let Self { re, im, width, shown_zoom, rotation, arguments, .. } = self;
        let turned = if *rotation == 0.0 { String::new() } else { format!(", turned by {rotation} degrees") };
        [
            ("centre", format!("re {re}, im {im}")),
            ("width", format!("{width}{turned}")),
            ("zoom", shown_zoom.clone()),
            ("arguments", arguments.clone()),
        ]
    }
}

/// 2^`log2` with five digits, even if it is no 64-bit number.
pub(super) fn of_log2(log2: f64) -> String {
    if log2.abs() < 1000.0 {
        return short(log2.exp2());
    }
    let log10 = log2 * LOG10_2;
    let tenths = (10f64.powf(log10 - log10.floor()) * 1e4).round();
    // A mantissa that would be shown as 10.0000 belongs to the next power.
    let (tenths, exponent) = if tenths >= 1e5 { (1e4, log10.floor() + 1.0) } else { (tenths, log10.floor()) };
    format!("{:.4}e{exponent}", tenths / 1e4)
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
        assert_eq!([0.0, 2000.0, -3322.0].map(of_log2), ["1", "1.1481e602", "9.5138e-1001"]);
        assert_eq!(shown, ["2.4", "602.64", "1", "100000", "1.0000e6", "0.001", "0.25"]);
    }
}
