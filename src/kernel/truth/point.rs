//! Where samples lie, exactly: what views round to 64-bit numbers.

use super::direct::Point;
use crate::kernel::Request;
use crate::number::Ratio;
use crate::plane::Rotation;
use crate::scene::Crop;

/// The samples of a request as exact points. A rotated view's sine and cosine are those of its plane: they are off by 2⁻⁵³, which moves
/// a sample by far less than a millionth of a pixel.
pub(super) struct Grid {
    centre: [Ratio; 2],
    half: Ratio,
    rotation: Option<Rotation>,
    /// Samples across and down in the whole picture, and those before the first drawn one.
    across: [i64; 2],
    first: [i64; 2],
}

impl Grid {
    pub(super) fn new(request: &Request, rotation: Option<Rotation>) -> Self {
        let Request { view, size: (width, height), samples, crop, .. } = request;
        let Ratio { num, den } = view.spacing_ratio(*width, *height);
        let half = Ratio { num, den: den * 2u8 * *samples };
        let across = [*width, *height].map(|pixels| i64::from(pixels) * i64::from(*samples));
        let first = crop.map_or([0; 2], |Crop { x, y, .. }| [x, y].map(|from| i64::from(from) * i64::from(*samples)));
        Self { centre: [view.re.ratio(), view.im.ratio()], half, rotation, across, first }
    }

    /// The offset of a drawn sample from the view's centre.
    pub(super) fn offset(&self, column: u32, row: u32) -> [Ratio; 2] {
        let steps = |axis: usize, index: u32| 2 * (self.first[axis] + i64::from(index)) + 1 - self.across[axis];
        let (right, up) = (times(&self.half, steps(0, column)), times(&self.half, -steps(1, row)));
        let Some(Rotation { cos, sin, .. }) = self.rotation else { return [right, up] };
        let (cos, sin) = (Ratio::from_f64(cos), Ratio::from_f64(sin));
        let minus_sin = Ratio { num: -&sin.num, den: sin.den.clone() };
        [product(&right, &cos).plus(&product(&up, &minus_sin)), product(&right, &sin).plus(&product(&up, &cos))]
    }

    /// The sine and cosine of the view's angle.
    pub(super) fn turn(&self) -> (f64, f64) {
        self.rotation.map_or((0.0, 1.0), |rotation| (rotation.sin, rotation.cos))
    }

    /// The point of a drawn sample.
    pub(super) fn point(&self, column: u32, row: u32) -> [Ratio; 2] {
        let [re, im] = self.offset(column, row);
        [self.centre[0].plus(&re), self.centre[1].plus(&im)]
    }
}

/// value·2^shift.
pub(super) fn shifted(Ratio { num, den }: Ratio, shift: i64) -> Ratio {
    let bits = shift.unsigned_abs() as usize;
    if shift >= 0 { Ratio { num: num << bits, den } } else { Ratio { num, den: den << bits } }
}

/// A pair of fractions in double-double.
pub(super) fn double(point: &[Ratio; 2]) -> Point {
    point.each_ref().map(|value| value.two_parts().into())
}

fn times(value: &Ratio, factor: i64) -> Ratio {
    Ratio { num: &value.num * factor, den: value.den.clone() }
}

fn product(a: &Ratio, b: &Ratio) -> Ratio {
    Ratio { num: &a.num * &b.num, den: &a.den * &b.den }
}
