//! A display's pixel format: which bits of a word are red, green and blue, and the order of its bytes.

/// The bits of the colours in the window's own format.
const OURS: [u32; 3] = [0xff_00_00, 0xff_00, 0xff];

/// Turns 0x00RRGGBB into pixels of a display.
#[derive(Debug, Default)]
pub(super) struct Pixels {
    /// The display's bits for each of the 256 values of red, green and blue; `None` if the formats are the same.
    tables: Option<Box<[[u32; 256]; 3]>>,
    converted: Vec<u32>,
}

impl Pixels {
    /// 32-bit pixels with the colours in the bits of these masks, in the byte order opposite to this machine's if `swapped`; `None` for
    /// invalid masks.
    pub(super) fn new(masks: [u32; 3], swapped: bool) -> Option<Self> {
        let contiguous = |mask: u32| mask != 0 && (mask >> mask.trailing_zeros()).wrapping_add(1).is_power_of_two();
        let disjoint = masks[0] & masks[1] == 0 && (masks[0] | masks[1]) & masks[2] == 0;
        let most = |mask: u32| u64::from(mask >> mask.trailing_zeros());
        // With fewer bits, different colours of the window could look the same.
        if !disjoint || !masks.iter().all(|&mask| contiguous(mask) && most(mask) >= 255) {
            return None;
        }
        let table = |mask: u32| {
            std::array::from_fn(|value| {
                // Rounded up, so that reducing it to eight bits again, by rounding or by truncation, gives the original value.
                let value = (value as u64 * most(mask)).div_ceil(255) as u32;
                let pixel = value << mask.trailing_zeros();
                if swapped { pixel.swap_bytes() } else { pixel }
            })
        };
        let usual = masks == OURS && !swapped;
        Some(Self { tables: (!usual).then(|| Box::new(masks.map(table))), converted: Vec::new() })
    }

    /// Converts pixels to the display's format.
    pub(super) fn convert<'a>(&'a mut self, pixels: &'a [u32]) -> &'a [u32] {
        let Some(tables) = &self.tables else { return pixels };
        let [red, green, blue] = &**tables;
        self.converted.clear();
        self.converted.extend(pixels.iter().map(|pixel| {
            let [b, g, r, _] = pixel.to_le_bytes().map(usize::from);
            red[r] | green[g] | blue[b]
        }));
        &self.converted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_lie_where_the_display_has_them() {
        let converted = |masks: [u32; 3], swapped| {
            let mut pixels = Pixels::new(masks, swapped).unwrap();
            pixels.convert(&[0x00_ff_80_01, 0xff_00_00_00, 0x00_ff_ff_ff]).to_vec()
        };
        assert_eq!(converted(OURS, false), [0x00_ff_80_01, 0xff_00_00_00, 0x00_ff_ff_ff]);
        assert_eq!(converted(OURS, true), [0x01_80_ff_00, 0, 0xff_ff_ff_00]);
        assert_eq!(converted([0xff, 0xff00, 0xff_0000], false), [0x01_80_ff, 0, 0xff_ff_ff]);
        // Ten bits per colour.
        let deep = [0x3ff0_0000, 0xf_fc00, 0x3ff];
        assert_eq!(converted(deep, false), [1023 << 20 | 514 << 10 | 5, 0, 0x3fff_ffff]);
        let shades: Vec<u32> = (0..256).collect();
        let mut pixels = Pixels::new(deep, false).unwrap();
        for (shade, pixel) in (0..).zip(pixels.convert(&shades)) {
            assert_eq!([pixel >> 2, pixel * 255 / 1023, (pixel * 255 + 511) / 1023], [shade; 3]);
        }
    }

    #[test]
    fn what_is_no_set_of_masks_is_refused() {
        for masks in [[0; 3], [0xff, 0xff, 0xff00], [0xf800, 0x7e0, 0x1f], [0xff00_ff00, 0xff_0000, 0xff]] {
            assert!(Pixels::new(masks, false).is_none(), "{masks:x?}");
        }
    }
}
