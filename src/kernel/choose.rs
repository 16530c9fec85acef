//! The cheapest number tier that is right for a view.

use super::direct::Direct;
use super::{Isa, Kernel, Limits};
use crate::error::{Error, Result};
use crate::formula::{self, Formula, Spec};
use crate::plane::Plane;
use crate::sample::Channels;
use crate::scene::Scene;
use num_complex::Complex64;
use std::sync::Arc;

/// What a kernel is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The formula with its parameters.
    pub spec: Spec,
    /// Where the samples lie.
    pub plane: Arc<Plane>,
    /// When an orbit ends.
    pub limits: Limits,
    /// What a sample has.
    pub channels: Channels,
    /// The instruction set.
    pub isa: Isa,
    /// The binary logarithm of the distance between samples, which may be too small for the plane's numbers.
    pub log2_spacing: f64,
    /// The largest coordinate of the whole image, of which the plane may be a part: see [`Plane::reach`].
    pub reach: f64,
}

impl Request {
    /// What `scene` asks for. `isa` is `None` for `FRACTAL_ISA`, then the best of this machine.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown formula or instruction set, [`Error::Input`] for a scene with values out of range.
    pub fn new(scene: &Scene, channels: Channels, isa: Option<Isa>) -> Result<Self> {
        scene.check()?;
        let entry = formula::find(&scene.formula)?;
        let julia = scene.julia.as_ref().map(|[re, im]| Complex64::new(re.to_f64(), im.to_f64()));
        let ((width, height), samples) = (scene.image.size, scene.image.samples);
        let view = scene.view();
        let whole = view.plane(width, height, samples)?;
        let reach = whole.reach();
        let plane = match scene.image.crop {
            None => whole,
            Some(crop) => {
                let range = |from: u32, length: u32| {
                    (from as usize * samples as usize)..((from as usize + length as usize) * samples as usize)
                };
                whole.part(range(crop.x, crop.width), range(crop.y, crop.height))
            }
        };
        Ok(Self {
            spec: Spec { entry, power: scene.power.unwrap_or(entry.default_power()), julia },
            plane: Arc::new(plane),
            limits: Limits { max: scene.max_iterations(), escape_radius: scene.iteration.escape_radius },
            channels,
            isa: isa.map_or_else(Isa::from_env, Ok)?,
            log2_spacing: view.log2_spacing(width, height) - f64::from(samples).log2(),
            reach,
        })
    }
}

/// The smallest distance between samples, relative to the larger of 1 and the coordinates, that `f64` is right for: 2⁻⁴⁰.
///
/// An orbit in `f64` is the exact orbit of a point that lies a few roundings away. The roundings of the first iterations count
/// most, since later ones are small beside what the derivative has grown to by then; each is at most 2⁻⁵² for |z| ≤ 2, and
/// the coordinate itself is off by at most 2⁻⁵³, so that the sum stays near 2⁻⁵⁰: a thousandth of this spacing, which is also what
/// the exact reference data calls the limit of a stable sample. Views below it look right for a while and are not.
pub const F64_SPACING: f64 = 1.0 / (1u64 << 40) as f64;

/// The kernel for `request` with the formula that it names.
///
/// # Errors
/// [`Error::Unsupported`] when the view is too small for the tiers that there are; [`Error::Usage`] for limits out of range.
pub fn kernel(request: &Request) -> Result<Arc<dyn Kernel>> {
    check(request)?;
    let Request { spec, plane, limits, channels, isa, .. } = request;
    Ok(Arc::new(Direct::new(spec, plane.clone(), *limits, *channels, *isa)?))
}

/// The kernel for `request` with `formula` in place of the named one.
///
/// # Errors
/// As [`kernel`].
pub fn kernel_for<F: Formula + 'static>(request: &Request, formula: F) -> Result<Arc<dyn Kernel>> {
    check(request)?;
    let Request { spec, plane, limits, channels, isa, .. } = request;
    Ok(Arc::new(Direct::with(formula, spec.julia, plane.clone(), *limits, *channels, *isa)?))
}

fn check(request: &Request) -> Result<()> {
    let needed = F64_SPACING.log2() + request.reach.max(1.0).log2();
    if request.log2_spacing >= needed {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "this view has samples {} apart, too close for 64-bit numbers, whose roundings would move them by more than a \
         thousandth of that: the distance must be at least {} here, as deeper number tiers do not exist yet",
        power_of_ten(request.log2_spacing),
        power_of_ten(needed)
    )))
}

/// A number for people, given its binary logarithm: `9.1e-13`.
fn power_of_ten(log2: f64) -> String {
    let log10 = log2 * std::f64::consts::LOG10_2;
    // What would be shown as 10.0 belongs to the next power.
    let exponent = (log10 + 0.0022).floor();
    format!("{:.1}e{exponent}", 10f64.powf(log10 - exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(scene: &str) -> Option<String> {
        let request = Request::new(&Scene::from_toml(scene).unwrap(), Channels::default(), Some(Isa::Scalar)).unwrap();
        kernel(&request).err().map(|error| error.to_string())
    }

    #[test]
    fn views_too_small_for_f64_are_refused() {
        let scene = |width: &str| format!("[view]\nre = \"-0.5\"\nwidth = \"{width}\"\n[image]\nsize = [100, 100]\n");
        assert_eq!(refusal(&scene("1e-10")), None);
        let text = refusal(&scene("9e-11")).unwrap();
        assert!(text.contains("samples 9.0e-13 apart") && text.contains("at least 9.1e-13"), "{text}");
        let text = refusal(&scene("1e-2000")).unwrap();
        assert!(text.contains("samples 1.0e-2002 apart"), "{text}");
        assert!(refusal("[view]\nre = \"1e6\"\nwidth = \"1e-4\"\n").is_some(), "far out numbers are coarser");
    }
}
