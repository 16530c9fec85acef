//! Checks coordinates against fractions of big integers.

use super::*;
use proptest::prelude::*;

fn view(re: &str, im: &str, extent: Extent) -> View {
    View { re: re.parse().unwrap(), im: im.parse().unwrap(), extent, rotation: 0.0 }
}

fn width(text: &str) -> Extent {
    Extent::Width(text.parse().unwrap())
}

/// A decimal without exponent letters as mantissa and power of ten, read digit by digit.
fn read(text: &str) -> (IBig, i64) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut power: i64 = exponent.parse().unwrap();
    let (mut value, mut fraction) = (IBig::ZERO, false);
    for c in mantissa.chars() {
        match c {
            '.' => fraction = true,
            '-' => {}
            _ => {
                value = value * 10 + c.to_digit(10).unwrap();
                power -= i64::from(fraction);
            }
        }
    }
    (if mantissa.starts_with('-') { -value } else { value }, power)
}

/// centre + k·width/(2·count) as a fraction, using only big integers.
fn exact(centre: &str, width: &str, count: i64, k: i64) -> (IBig, IBig) {
    let ((c, cp), (w, wp)) = (read(centre), read(width));
    let least = cp.min(wp).min(0);
    let ten = |power: i64| IBig::from(10).pow(power as usize);
    let num = c * ten(cp - least) * (2 * count) + w * ten(wp - least) * k;
    (num, ten(-least) * (2 * count))
}

/// A finite number as mantissa·2^exponent.
fn parts(value: f64) -> (IBig, i64) {
    let bits = value.abs().to_bits();
    let exponent = (bits >> 52) as i64;
    let mantissa = IBig::from(bits & ((1 << 52) - 1) | u64::from(exponent > 0) << 52);
    (if value < 0.0 { -mantissa } else { mantissa }, exponent.max(1) - 1075)
}

/// Whether no other `f64` is nearer to num/den, and of two that are equally near `value` is the even one.
fn is_nearest(value: f64, (num, den): &(IBig, IBig)) -> bool {
    // Compare with the middle of two neighbours: m·2^e against num/den.
    let side = |other: f64| {
        let ((a, ae), (b, be)) = (parts(value), parts(other));
        let least = ae.min(be) - 1;
        let middle = (a << (ae - least) as usize) + (b << (be - least) as usize);
        // middle·2^(least−1)
        let shift = 1 - least;
        assert!(shift > 0, "numbers in tests are small");
        (middle * den).cmp(&(num << shift as usize))
    };
    let even = value.to_bits() & 1 == 0;
    let (below, above) = (side(value.next_down()), side(value.next_up()));
    (below.is_lt() || even && below.is_eq()) && (above.is_gt() || even && above.is_eq())
}

fn check(re: &str, width_text: &str, count: u32) {
    let plane = view(re, "0", width(width_text)).plane(count, 1, 1).unwrap();
    for (x, &value) in plane.columns.iter().enumerate() {
        let exact = exact(re, width_text, count.into(), 2 * x as i64 + 1 - i64::from(count));
        assert!(is_nearest(value, &exact), "{value:?} for column {x} of {count}, centre {re}, width {width_text}");
    }
}

#[test]
fn coordinates_are_correctly_rounded_where_it_is_hard() {
    let tie = "1.00000000000000011102230246251565404236316680908203125";
    for re in ["0", "-0.75", "1e-2000", "-1e-30", tie, &tie[..40], &format!("{tie}{}1", "0".repeat(200))] {
        for width in ["4", "3.5", "1e-5", "1.7e-16", "3e-60", "1e-310", "7e-330", "1e-2000"] {
            for count in [1, 2, 3, 7, 10] {
                check(re, width, count);
            }
        }
    }
}

#[test]
fn zooms_are_rounded_as_exactly() {
    let centre = "-0.743643887037151";
    for zoom in ["1", "3", "0.7", "12345.678", "7e9", "9e30"] {
        let rows = view("0", centre, Extent::Zoom(zoom.parse().unwrap())).plane(7, 45, 2).unwrap().rows;
        // centre + k·2/(zoom·90), with all decimals as fractions of powers of ten.
        let ((c, cp), (z, zp)) = (read(centre), read(zoom));
        let ten = |power: i64| IBig::from(10).pow(power.max(0) as usize);
        let (zoom_num, zoom_den) = (z * ten(zp), ten(-zp));
        for (y, &value) in rows.iter().enumerate() {
            let k = 89 - 2 * y as i64;
            let num = &c * &zoom_num * 90 + 2 * k * &zoom_den * ten(-cp);
            assert!(is_nearest(value, &(num, &zoom_num * 90 * ten(-cp))), "row {y} at zoom {zoom}");
        }
    }
}

#[test]
fn the_nearest_is_reported_from_its_neighbours() {
    let third = (IBig::from(1), IBig::from(3));
    let value = 1.0 / 3.0;
    assert!(is_nearest(value, &third));
    assert!(!is_nearest(f64::next_up(value), &third) && !is_nearest(f64::next_down(value), &third));
}

fn decimal() -> impl Strategy<Value = String> {
    (any::<bool>(), "[0-9]{1,3}", "[0-9]{1,60}", -40i32..3)
        .prop_map(|(minus, whole, rest, e)| format!("{}{whole}.{rest}e{e}", if minus { "-" } else { "" }))
}

proptest! {
    #[test]
    fn coordinates_are_correctly_rounded(re in decimal(), size in "[1-9]\\.[0-9]{0,30}", e in -60i32..2, count in 1u32..40) {
        check(&re, &format!("{size}e{e}"), count);
    }

    #[test]
    fn short_sums_decide_as_exact_fractions_do(re in decimal(), size in "[1-9]\\.[0-9]{0,30}", e in -60i32..2, k in -8000i64..8000) {
        let axis = Axis::new(
            re.parse::<Decimal>().unwrap().ratio(),
            format!("{size}e{e}").parse::<Decimal>().unwrap().ratio(),
        );
        prop_assert_eq!(axis.at(k).to_bits(), axis.at_exact(k).to_bits());
    }
}

#[test]
fn long_sums_are_rarely_needed() {
    let half = view("0", "0", width("5.1e-5")).half_spacing(7680, 4320, 1);
    let axis = Axis::new("-0.743643887037151".parse::<Decimal>().unwrap().ratio(), half);
    let short = (-7679..7680).step_by(2).filter(|&k| axis.at_short(k).is_some()).count();
    assert_eq!(short, 7680);
}

#[test]
fn rows_go_down_and_columns_right() {
    let plane = view("1", "2", width("4")).plane(4, 2, 1).unwrap();
    assert_eq!(plane.columns, [-0.5, 0.5, 1.5, 2.5]);
    assert_eq!(plane.rows, [2.5, 1.5]);
    assert_eq!(plane.spacing, 1.0);
    assert_eq!(plane.rotation, None);
}

#[test]
fn samples_divide_pixels() {
    let plane = view("0", "0", width("4")).plane(2, 1, 2).unwrap();
    assert_eq!(plane.columns, [-1.5, -0.5, 0.5, 1.5]);
    assert_eq!(plane.rows, [0.5, -0.5]);
}

#[test]
fn zoom_is_four_over_the_height() {
    let zoomed = view("0", "0", Extent::Zoom("2".parse().unwrap()));
    assert_eq!(zoomed.spacing(400, 100), 0.02);
    assert_eq!(zoomed.plane(400, 100, 1).unwrap(), view("0", "0", width("8")).plane(400, 100, 1).unwrap());
    assert_eq!(zoomed.zoom(400, 100), 2.0);
    assert_eq!(view("0", "0", width("8")).zoom(400, 100), 2.0);
}

#[test]
fn a_rotated_view_turns_the_same_points() {
    let straight = view("-0.5", "0.25", width("3"));
    let plane = straight.plane(30, 20, 1).unwrap();
    let full = View { rotation: 360.0, ..straight.clone() }.plane(30, 20, 1).unwrap();
    assert_eq!(full, plane);
    // A quarter turn counter-clockwise: the image's right is up in the plane.
    let quarter = View { rotation: 90.0, ..straight.clone() }.plane(30, 20, 1).unwrap();
    let point = quarter.point(29, 10);
    assert!((point - Complex64::new(-0.45, 1.7)).norm() < 1e-15);
    let half = View { rotation: 180.0, ..straight }.plane(30, 20, 1).unwrap();
    for (x, y) in [(0, 0), (29, 3), (11, 19)] {
        let difference = half.point(x, y) - plane.point(29 - x, 19 - y);
        assert!(difference.norm() < 1e-15);
    }
}

#[test]
fn deep_views_keep_their_depth() {
    let deep = view("0", "0", width("1e-2000"));
    assert_eq!(deep.spacing(1000, 10), 0.0);
    assert!((deep.log2_spacing(1000, 10) - -2003.0 * 10f64.log2()).abs() < 1e-9);
    assert_eq!(deep.octaves(1000, 10), 6645);
    assert_eq!(deep.zoom(1000, 10), f64::INFINITY);
    assert_eq!(view("0", "0", width("1e9")).octaves(1, 1), 0);
    assert_eq!(view("0", "0", width("4")).octaves(16, 9), 0);
    assert_eq!(view("0", "0", width("2")).octaves(16, 9), 1);
    assert_eq!(view("0", "0", width("1.99")).octaves(16, 9), 1);
}

#[test]
fn impossible_images_are_refused() {
    let view = view("0", "0", width("4"));
    for (w, h, s) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (u32::MAX, 1, 1), (1, 1 << 24, 2)] {
        assert!(matches!(view.plane(w, h, s), Err(Error::Usage(_))), "{w}x{h} with {s}");
    }
}
