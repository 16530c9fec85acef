//! Which values a scene may have, beyond what their types enforce.

use super::{MaxIterations, Scene, view::MAX_SAMPLES_ACROSS};
use crate::colour::Colourer;
use crate::error::brief;
use crate::formula;
use crate::number::Decimal;
use crate::sample::{MAX_ESCAPE_RADIUS, MAX_ITERATIONS};

/// The largest number of pixels of an image: as many as the maximum number of tiles of the default size have.
pub const MAX_PIXELS: u64 = 1 << 40;
/// The largest number of samples per pixel each way.
pub const MAX_SAMPLES: u32 = 16;
/// Coordinates, widths and zooms of views are below 10 to this power.
const MAX_ORDER: i64 = 100;

impl Scene {
    /// A sentence about the first value that is out of range.
    pub(super) fn find_fault(&self) -> Option<String> {
        let Self { version, power, view, image, iteration, colour, .. } = self;
        if *version != 1 {
            return Some(format!("`version` is {version}, but only scenes of version 1 are supported"));
        }
        for (key, text) in
            [("name", self.name.as_deref()), ("title", self.title.as_deref()), ("formula", Some(self.formula.as_str()))]
        {
            if text.is_some_and(|text| text.chars().any(char::is_control) || text.len() > 1000) {
                return Some(format!("`{key}` must be one line of at most 1000 bytes"));
            }
        }
        let entry = match formula::find(&self.formula) {
            Ok(entry) => entry,
            Err(error) => return Some(error.to_string()),
        };
        let (least, most) = (entry.powers.start(), entry.powers.end());
        if let Some(power) = power
            && !entry.powers.contains(power)
        {
            let allowed = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            return Some(format!("`power` is {power}, but must be {allowed} for formula `{}`", entry.name));
        }
        if view.width.is_some() && view.zoom.is_some() {
            return Some("`view.width` and `view.zoom` are both given, but only one of them is allowed".into());
        }
        let [julia_re, julia_im] = self.julia.as_ref().map_or([None; 2], |[re, im]| [Some(re), Some(im)]);
        for (key, value) in
            [("view.re", view.re.as_ref()), ("view.im", view.im.as_ref()), ("julia", julia_re), ("julia", julia_im)]
        {
            if value.and_then(Decimal::order).is_some_and(|order| order >= MAX_ORDER) {
                return Some(format!("`{key}` is out of range: its absolute value must be below 1e{MAX_ORDER}"));
            }
        }
        if view.width.as_ref().is_some_and(|v| v.signum() <= 0 || v.order().is_some_and(|order| order >= MAX_ORDER)) {
            return Some(format!("`view.width` is out of range: it must be above 0 and below 1e{MAX_ORDER}"));
        }
        if view.zoom.as_ref().is_some_and(|v| v.signum() <= 0 || v.order().is_some_and(|order| order < -MAX_ORDER)) {
            return Some(format!("`view.zoom` is out of range: it must be at least 1e-{MAX_ORDER}"));
        }
        let (width, height) = image.size;
        let across = |pixels: u32| u64::from(pixels) * u64::from(image.samples);
        if !(1..=MAX_SAMPLES).contains(&image.samples) {
            return Some(format!("`image.samples` is {}, but must be 1 to {MAX_SAMPLES}", image.samples));
        }
        if u64::from(width) * u64::from(height) == 0
            || u64::from(width) * u64::from(height) > MAX_PIXELS
            || across(width.max(height)) > MAX_SAMPLES_ACROSS
        {
            return Some(format!(
                "`image.size` is {width}x{height}, but both must be at least 1, their product at most {MAX_PIXELS}, and each \
                 times `image.samples` at most {MAX_SAMPLES_ACROSS}"
            ));
        }
        if let Some(crop) = image.crop
            && [(crop.x, crop.width, width), (crop.y, crop.height, height)]
                .into_iter()
                .any(|(from, length, all)| length == 0 || from.checked_add(length).is_none_or(|end| end > all))
        {
            return Some(format!(
                "`image.crop` is {crop}, but must be at least 1x1 pixels and within the image's {width}x{height}, or none"
            ));
        }
        if let MaxIterations::Count(count) = iteration.max
            && !(1..=MAX_ITERATIONS).contains(&count)
        {
            return Some(format!("`iteration.max` is {count}, but must be 1 to {MAX_ITERATIONS}, or \"auto\""));
        }
        if !(iteration.escape_radius > 1.0 && iteration.escape_radius <= MAX_ESCAPE_RADIUS) {
            return Some(format!(
                "`iteration.escape_radius` is {}, but must be more than 1 and at most {MAX_ESCAPE_RADIUS}",
                brief(iteration.escape_radius)
            ));
        }
        if !(-1e6..=1e6).contains(&view.rotation) {
            return Some(format!("`view.rotation` is {}, but must be -1000000 to 1000000", brief(view.rotation)));
        }
        Colourer::new(colour).err().map(|error| error.to_string())
    }
}
