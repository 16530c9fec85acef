//! Where the cardioid of the Mandelbrot set and its largest disc are not, for whole rectangles.

/// Whether a rectangle, from its lower left to its upper right corner, may contain points of the cardioid or the disc. The conditions are
/// those of single points, with each term at its bound over the rectangle.
pub(super) fn may_meet(low: [f64; 2], high: [f64; 2]) -> bool {
    // More than the terms are rounded by.
    const MARGIN: f64 = 1e-9;
    let squares = |low: f64, high: f64| {
        let least = if low > 0.0 || high < 0.0 { (low * low).min(high * high) } else { 0.0 };
        [least, (low * low).max(high * high)]
    };
    let [least_bb, most_bb] = squares(low[1], high[1]);
    let [least_pp, most_pp] = squares(low[0] - 0.25, high[0] - 0.25);
    let (least_q, most_q) = (least_pp + least_bb, most_pp + most_bb);
    let sum = least_q + (low[0] - 0.25);
    let cardioid = if sum > 0.0 { least_q * sum } else { most_q * sum };
    let [disc, _] = squares(low[0] + 1.0, high[0] + 1.0);
    cardioid <= 0.25 * most_bb + MARGIN || disc + least_bb <= 0.0625 + MARGIN
}

#[cfg(test)]
mod tests {
    use super::may_meet;
    use crate::formula::{Formula, Mandelbrot};

    #[test]
    fn rectangles_said_to_be_free_of_the_regions_are() {
        let inside = |c: [f64; 2]| Mandelbrot.interior(c).is_some_and(|found| found.cardioid || found.bulb);
        let (mut free, mut in_vain) = (0, 0);
        for size in [0.3, 0.03, 0.003] {
            for i in 0..60 * 60 {
                let low = [-1.5 + 0.04 * f64::from(i % 60), -1.2 + 0.04 * f64::from(i / 60)];
                let high = low.map(|corner| corner + size);
                let any = (0..81).any(|k| {
                    let steps = [k % 9, k / 9].map(|step| f64::from(step) / 8.0);
                    inside([low[0] + size * steps[0], low[1] + size * steps[1]])
                });
                let may = may_meet(low, high);
                assert!(may || !any, "{low:?} {high:?}");
                free += u32::from(!may);
                in_vain += u32::from(may && !any);
            }
        }
        assert!(5 * in_vain < free, "{in_vain} are tested in vain, {free} are free");
    }
}
