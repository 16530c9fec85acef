//! The window's view: an exact centre and an exact distance between pixels, and how events change them.
//!
//! The distance is a short decimal number, and so is the centre, to 10⁻¹² of a pixel. So a pan by whole pixels is exact, the columns and
//! rows that it keeps have the same coordinates to the bit, and any rectangle of the picture is a scene of its own whose samples are those
//! of the whole.

use crate::error::{Error, Result};
use crate::number::ExactDecimal;
use crate::number::sin_cos_degrees;
use crate::scene::{Scene, ViewKeys};

/// Width and height in pixels.
pub(super) type Size = (u32, u32);

/// Digits of the distance between pixels after a zoom.
const SPACING_DIGITS: i64 = 8;
/// The same for a scene that is opened, unless its own distance is a decimal of at most `EXACT_DIGITS`.
const OPENED_DIGITS: i64 = 14;
const EXACT_DIGITS: i64 = 24;
/// The centre is kept to 10 to the power of minus this, in pixels.
const CENTRE_DIGITS: i64 = 12;
/// The same for a scene that is opened. Its view is shown exact to the bit, but not with endless digits: 1e-1000000 has a million of them
/// once half a pixel is added.
const OPENED_CENTRE_DIGITS: i64 = 1000;
/// Orders of magnitude of the distance between pixels within which the window moves.
const ORDERS: std::ops::RangeInclusive<i64> = -3000..=20;

/// A view as the window keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    re: ExactDecimal,
    im: ExactDecimal,
    spacing: ExactDecimal,
    /// Degrees by which the picture's right turns counter-clockwise from the real axis, in [0, 360).
    pub(super) rotation: f64,
}

/// How a picture's pixels lie in another picture: the position (x, y) of one is `origin` + x·`right` + y·`down` in the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) origin: [f64; 2],
    pub(super) right: [f64; 2],
    pub(super) down: [f64; 2],
}

impl Place {
    /// The view of a scene in a picture of this size.
    pub(super) fn of(scene: &Scene, (width, height): Size) -> Self {
        let view = scene.view();
        let spacing = ExactDecimal::from_ratio(&view.spacing_ratio(width, height), EXACT_DIGITS, OPENED_DIGITS);
        let least = spacing.order() - OPENED_CENTRE_DIGITS;
        Self {
            re: ExactDecimal::from_decimal(&view.re).rounded(least),
            im: ExactDecimal::from_decimal(&view.im).rounded(least),
            spacing,
            rotation: view.rotation.rem_euclid(360.0),
        }
    }

    /// Checks that a scene's pixels are not so close that computing with all their digits would be too slow for a window.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when they are.
    pub(super) fn check(scene: &Scene, (width, height): Size) -> Result<()> {
        let (order, least) = (scene.view().log2_spacing(width, height) * std::f64::consts::LOG10_2, *ORDERS.start());
        if order >= least as f64 {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "the view's pixels are 1e{order:.0} apart, but a window's must be at least 1e{least}"
        )))
    }

    /// The keys of a scene that show this in a picture `width` pixels wide.
    pub(super) fn frame(&self, width: u32) -> ViewKeys {
        ViewKeys {
            re: Some(self.re.to_decimal()),
            im: Some(self.im.to_decimal()),
            width: Some(self.spacing.times(width.into()).to_decimal()),
            zoom: None,
            rotation: self.rotation,
        }
    }

    /// The centre's parts and the width of a picture `width` pixels wide, to a tenth of a pixel.
    pub(super) fn shown(&self, width: u32) -> [String; 3] {
        let tenth = self.spacing.order() - 1;
        let across = self.spacing.times(width.into()).significant(5);
        [self.re.rounded(tenth), self.im.rounded(tenth), across].map(|number| number.to_decimal().to_string())
    }

    /// The point this many pixels to the right of and below the centre.
    fn at(&self, [right, down]: [&ExactDecimal; 2]) -> [ExactDecimal; 2] {
        let [u, v] = self.turned([right, down]);
        [&self.re + &u.multiplied(&self.spacing), &self.im + &v.multiplied(&self.spacing)]
    }

    /// Turns an offset right and down in the picture into one right and up in the plane.
    fn turned(&self, [right, down]: [&ExactDecimal; 2]) -> [ExactDecimal; 2] {
        if self.rotation == 0.0 {
            return [right.clone(), -down.clone()];
        }
        let (sin, cos) = sin_cos_degrees(self.rotation);
        let one = ExactDecimal::new(1, 0);
        let (right, up) = (right.over(&one), -down.over(&one));
        [ExactDecimal::from_pixels(right * cos - up * sin), ExactDecimal::from_pixels(right * sin + up * cos)]
    }

    /// The point at the centre of pixel (x, y).
    pub(super) fn point(&self, (x, y): (i64, i64), (width, height): Size) -> [ExactDecimal; 2] {
        let [right, down] = from_centre((x, y), (width, height));
        self.at([&right, &down])
    }

    /// Divides the distance between pixels by (5/4)^`steps`, keeping the point at the centre of pixel (x, y) where it is. Returns whether
    /// that was possible.
    pub(super) fn zoom(&mut self, steps: i32, pixel: (i64, i64), size: Size) -> bool {
        let factor = if steps >= 0 { ExactDecimal::new(8, -1) } else { ExactDecimal::new(125, -2) };
        let mut spacing = self.spacing.clone();
        for _ in 0..steps.unsigned_abs().min(1000) {
            spacing = spacing.multiplied(&factor).significant(SPACING_DIGITS);
        }
        self.set_spacing(spacing, pixel, size)
    }

    fn set_spacing(&mut self, spacing: ExactDecimal, pixel: (i64, i64), size: Size) -> bool {
        if !ORDERS.contains(&spacing.order()) {
            return false;
        }
        let [right, down] = from_centre(pixel, size);
        let [u, v] = self.turned([&right, &down]);
        let step = &self.spacing - &spacing;
        self.re = &self.re + &u.multiplied(&step);
        self.im = &self.im + &v.multiplied(&step);
        self.spacing = spacing;
        self.round();
        true
    }

    fn round(&mut self) {
        let exponent = self.spacing.order() - CENTRE_DIGITS;
        self.re = self.re.rounded(exponent);
        self.im = self.im.rounded(exponent);
    }

    /// Moves the view by whole pixels to the right and down. Returns whether that was possible.
    pub(super) fn pan(&mut self, right: i64, down: i64) -> bool {
        self.shift([&ExactDecimal::new(right, 0), &ExactDecimal::new(down, 0)])
    }

    fn shift(&mut self, way: [&ExactDecimal; 2]) -> bool {
        let [re, im] = self.at(way);
        // Far out there is nothing to see, and scenes end at 10¹⁰⁰.
        if re.order().max(im.order()) > 30 {
            return false;
        }
        (self.re, self.im) = (re, im);
        if self.rotation != 0.0 {
            self.round();
        }
        true
    }

    /// Brings the point at the centre of pixel (x, y) to the middle pixel.
    pub(super) fn centre(&mut self, (x, y): (i64, i64), (width, height): Size) -> bool {
        self.pan(x - i64::from(width / 2), y - i64::from(height / 2))
    }

    /// Shows the rectangle between two pixels as large as possible.
    pub(super) fn show_box(&mut self, a: (i64, i64), b: (i64, i64), (width, height): Size) -> bool {
        let (across, down) = ((a.0 - b.0).abs() + 1, (a.1 - b.1).abs() + 1);
        let share = (across as f64 / f64::from(width)).max(down as f64 / f64::from(height));
        let factor = ExactDecimal::new((share * 1e6).round().max(1.0) as i64, -6);
        let mut moved = self.clone();
        let middle = [
            ExactDecimal::new(a.0 + b.0 + 1 - i64::from(width), 0),
            ExactDecimal::new(a.1 + b.1 + 1 - i64::from(height), 0),
        ];
        let middle = middle.map(|twice| twice.half());
        if !moved.shift([&middle[0], &middle[1]]) {
            return false;
        }
        moved.spacing = moved.spacing.multiplied(&factor).significant(SPACING_DIGITS);
        if !ORDERS.contains(&moved.spacing.order()) {
            return false;
        }
        moved.round();
        *self = moved;
        true
    }

    pub(super) fn rotate(&mut self, degrees: f64) {
        self.rotation = (self.rotation + degrees).rem_euclid(360.0);
    }

    /// Adapts the view to a picture of another size: the distance between pixels stays, and so does every pixel's point. For that, the
    /// centre moves by half a pixel where the sizes differ by an odd number.
    pub(super) fn resize(&mut self, old: Size, new: Size) {
        let half = |old: u32, new: u32| ExactDecimal::new(i64::from(new.abs_diff(old) % 2), 0).half();
        let way = [half(old.0, new.0), half(old.1, new.1)];
        self.shift([&way[0], &way[1]]);
    }

    /// By how many whole pixels `self` lies to the right of and below `old`, if the pixels that both show have the same coordinates to the
    /// bit.
    pub(super) fn exact_shift(&self, size: Size, old: &Self, old_size: Size) -> Option<(i64, i64)> {
        if self.spacing != old.spacing || self.rotation != old.rotation {
            return None;
        }
        let from_centre = [&self.re - &old.re, &old.im - &self.im];
        if self.rotation != 0.0 {
            // Rotated coordinates are rounded differently when the centre moves.
            let same = from_centre.iter().all(ExactDecimal::is_zero) && size == old_size;
            return same.then_some((0, 0));
        }
        let corner = |way: &ExactDecimal, size: u32, old_size: u32| {
            let halves = i64::from(old_size) - i64::from(size);
            let way = way + &self.spacing.times(halves).half();
            way.multiple_of(&self.spacing, 1 << 30)
        };
        Some((corner(&from_centre[0], size.0, old_size.0)?, corner(&from_centre[1], size.1, old_size.1)?))
    }

    /// Where the pixels of this view lie in a picture of `old`.
    pub(super) fn map(&self, (width, height): Size, old: &Self, (old_width, old_height): Size) -> Map {
        let scale = self.spacing.over(&old.spacing);
        let (sin, cos) = sin_cos_degrees(self.rotation - old.rotation);
        // Up is down's negative: what turns counter-clockwise in the plane turns clockwise in (right, down).
        let right = [scale * cos, -scale * sin];
        let down = [scale * sin, scale * cos];
        let (re, im) = ((&self.re - &old.re).over(&old.spacing), (&self.im - &old.im).over(&old.spacing));
        let (old_sin, old_cos) = sin_cos_degrees(old.rotation);
        let centre = [re * old_cos + im * old_sin, re * old_sin - im * old_cos];
        let half = [f64::from(width) / 2.0, f64::from(height) / 2.0];
        let old_half = [f64::from(old_width) / 2.0, f64::from(old_height) / 2.0];
        let origin = [0, 1].map(|i| old_half[i] + centre[i] - half[0] * right[i] - half[1] * down[i]);
        Map { origin, right, down }
    }

    /// How many times larger this view's pixels are than those of `old`.
    pub(super) fn scale_from(&self, old: &Self) -> f64 {
        self.spacing.over(&old.spacing)
    }
}

/// The offset from the picture's centre to the centre of pixel (x, y), right and down.
fn from_centre((x, y): (i64, i64), (width, height): Size) -> [ExactDecimal; 2] {
    [
        ExactDecimal::new(2 * x + 1 - i64::from(width), 0).half(),
        ExactDecimal::new(2 * y + 1 - i64::from(height), 0).half(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: Size = (640, 401);

    fn place() -> Place {
        Place::of(&Scene::load("seahorses").unwrap(), SIZE)
    }

    fn apart(a: &[ExactDecimal; 2], b: &[ExactDecimal; 2], unit: &ExactDecimal) -> f64 {
        [0, 1].map(|i| (&a[i] - &b[i]).over(unit).abs()).into_iter().fold(0.0, f64::max)
    }

    proptest! {
        #[test]
        fn a_zoom_keeps_the_point_under_the_pointer(
            steps in prop::collection::vec((-3i32..9, 0i64..640, 0i64..401), 1..40),
            rotation in prop::sample::select(vec![0.0, 0.0, 30.0, 271.5]),
        ) {
            let mut place = place();
            place.rotation = rotation;
            for (steps, x, y) in steps {
                let before = place.point((x, y), SIZE);
                place.zoom(steps, (x, y), SIZE);
                let error = apart(&place.point((x, y), SIZE), &before, &place.spacing);
                prop_assert!(error <= 1e-9, "{error} pixels");
            }
        }

        #[test]
        fn a_pan_keeps_the_samples(dx in -900i64..900, dy in -900i64..900, zoom in 0i32..80) {
            let mut old = place();
            old.zoom(zoom, (411, 97), SIZE);
            let mut new = old.clone();
            new.pan(dx, dy);
            prop_assert_eq!(new.exact_shift(SIZE, &old, SIZE), Some((dx, dy)));
            let plane = |place: &Place| {
                let scene = Scene { view: place.frame(SIZE.0), ..Scene::default() };
                scene.view().plane(SIZE.0, SIZE.1, 1).unwrap()
            };
            let (old, new) = (plane(&old), plane(&new));
            prop_assert_eq!(old.spacing.to_bits(), new.spacing.to_bits());
            for x in 0..640i64 {
                if let Some(there) = usize::try_from(x + dx).ok().and_then(|x| old.columns.get(x)) {
                    prop_assert_eq!(there.to_bits(), new.columns[x as usize].to_bits());
                }
            }
            for y in 0..401i64 {
                if let Some(there) = usize::try_from(y + dy).ok().and_then(|y| old.rows.get(y)) {
                    prop_assert_eq!(there.to_bits(), new.rows[y as usize].to_bits());
                }
            }
        }

        #[test]
        fn maps_say_where_points_lie(
            zoom in -6i32..12, x in 0i64..640, y in 0i64..401, turn in 0.0f64..360.0, old_turn in 0.0f64..360.0,
        ) {
            let mut old = place();
            old.rotate(old_turn);
            let mut new = old.clone();
            new.pan(31, -17);
            new.zoom(zoom, (40, 300), SIZE);
            new.rotate(turn);
            let point = new.point((x, y), SIZE);
            let map = new.map(SIZE, &old, SIZE);
            let position = [0, 1].map(|i| map.origin[i] + (x as f64 + 0.5) * map.right[i] + (y as f64 + 0.5) * map.down[i]);
            let offset = [position[0] - 320.0, position[1] - 200.5].map(ExactDecimal::from_pixels);
            let error = apart(&old.at([&offset[0], &offset[1]]), &point, &old.spacing);
            prop_assert!(error < 1e-6, "{error} pixels");
        }
    }

    #[test]
    fn growing_and_shrinking_windows_keep_their_grid() {
        let old = place();
        for new_size in [(641, 401), (640, 700), (33, 12), (1000, 402)] {
            let mut new = old.clone();
            new.resize(SIZE, new_size);
            assert!(new.exact_shift(new_size, &old, SIZE).is_some(), "{new_size:?}");
        }
    }

    #[test]
    fn a_box_fills_the_window() {
        let old = place();
        let mut new = old.clone();
        assert!(new.show_box((100, 50), (163, 90), SIZE));
        let [left, right] = [(100, 50), (163, 90)].map(|pixel| old.point(pixel, SIZE));
        let map = new.map(SIZE, &old, SIZE);
        assert!((map.right[0] - (41.0 / 401.0f64)).abs() < 1e-6, "{map:?}");
        let middle = [0, 1].map(|i| (&left[i] + &right[i]).half());
        assert!(apart(&middle, &new.at([&ExactDecimal::new(0, 0), &ExactDecimal::new(0, 0)]), &new.spacing) < 1e-9);
    }

    #[test]
    fn digits_without_end_are_cut_off() {
        let scene = |text: &str| Scene::from_toml(text).unwrap();
        let view = scene("view = { re = \"1e-1000000\", im = \"-0.1234567890123456789\", width = \"1e-9\" }");
        let mut place = Place::of(&view, SIZE);
        assert!(place.pan(3, 4) && place.pan(-3, -4));
        let frame = place.frame(640);
        assert_eq!((frame.re.unwrap().as_str(), frame.im.unwrap().as_str()), ("0", "-0.1234567890123456789"));
        let deep = Place::check(&scene("view = { width = \"1e-1000000\" }"), SIZE).unwrap_err().to_string();
        assert!(deep.contains("1e-1000003 apart") && deep.contains("at least 1e-3000"), "{deep}");
        assert!(Place::check(&scene("view = { width = \"1e-2990\" }"), SIZE).is_ok());
    }

    #[test]
    fn there_are_ends() {
        let mut place = place();
        assert!(!place.zoom(-1000, (0, 0), SIZE) || !place.zoom(-1000, (0, 0), SIZE));
        let mut far = place.clone();
        let moved = (0..400).all(|_| far.zoom(-1, (0, 0), SIZE) && far.pan(1 << 40, 0));
        assert!(!moved);
        assert!(Scene { view: far.frame(640), ..Scene::default() }.check().is_ok());
    }
}
