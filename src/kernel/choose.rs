//! Chooses the cheapest number tier that is accurate enough for a view.

use super::cusp::{self, Cusp};
use super::direct::Direct;
use super::perturbation::{self, Kept, Offsets, Perturbation};
use super::tier::Tier;
use super::{Isa, Kernel, Limits};
use crate::error::{Error, Result};
use crate::formula::{self, Formula, FormulaEntry, Spec};
use crate::number::Decimal;
#[cfg(feature = "window")]
use crate::parallel::Prepared;
use crate::plane::Plane;
use crate::sample::Channels;
use crate::scene::{Crop, Precision, Quality, Scene, View};
use num_complex::Complex64;
use std::sync::{Arc, OnceLock};

/// What a kernel is asked to compute: the exact view, from which each number tier derives the coordinates it computes with.
#[derive(Clone, Debug)]
pub struct Request {
    /// The formula.
    pub formula: &'static FormulaEntry,
    /// Its power.
    pub power: u32,
    /// The exact constant of a Julia set; `None` for the plane of c.
    pub julia: Option<[Decimal; 2]>,
    /// What the whole picture shows.
    pub view: View,
    /// The size of the whole picture in pixels.
    pub size: (u32, u32),
    /// Samples per pixel along each axis.
    pub samples: u32,
    /// Which pixels are drawn, if not all: tiles are counted from the top left of these.
    pub crop: Option<Crop>,
    /// 1 for every sample; n for one sample from the middle of each n × n square: see [`Plane::coarse`].
    pub grain: u32,
    /// When an orbit ends.
    pub limits: Limits,
    /// What a sample has.
    pub channels: Channels,
    /// The number tier, if it is not to be chosen.
    pub precision: Precision,
    /// How much error a deep view may trade for speed.
    pub quality: Quality,
    /// The instruction set.
    pub isa: Isa,
    /// The reference orbit of another view, if a deep one is to be computed around that.
    kept: Option<Arc<Kept>>,
    /// The plane of all samples, built once for all grains, since rounding every coordinate correctly takes time.
    fine: Arc<OnceLock<Arc<Plane>>>,
    /// The offsets of all samples of the whole picture, likewise.
    whole: Arc<OnceLock<Arc<Offsets>>>,
}

impl Request {
    /// The request of `scene`. `isa` is `None` for `FRACTAL_ISA` or, without it, the best of this machine.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown formula or instruction set, [`Error::Input`] for a scene with values out of range.
    pub fn new(scene: &Scene, channels: Channels, isa: Option<Isa>) -> Result<Self> {
        scene.check()?;
        let formula = formula::find(&scene.formula)?;
        Ok(Self {
            formula,
            power: scene.power.unwrap_or(formula.default_power()),
            julia: scene.julia.clone(),
            view: scene.view(),
            size: scene.image.size,
            samples: scene.image.samples,
            crop: scene.image.crop,
            grain: 1,
            limits: Limits { max: scene.max_iterations(), escape_radius: scene.iteration.escape_radius },
            channels: channels.for_maximum(scene.max_iterations()),
            precision: scene.iteration.precision,
            quality: scene.iteration.quality,
            isa: isa.map_or_else(Isa::from_env, Ok)?,
            kept: None,
            fine: Arc::default(),
            whole: Arc::default(),
        })
    }

    /// The cheapest of this library's kernels that is accurate enough.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the view is too small for the existing tiers; [`Error::Usage`] for limits out of range, and for a
    /// number tier that the formula does not have.
    pub fn kernel(&self) -> Result<Arc<dyn Kernel>> {
        let Self { limits, channels, isa, .. } = *self;
        Ok(match self.tier()? {
            Tier::F64 => Arc::new(Direct::new(&self.spec(), self.plane()?, limits, channels, isa)?.at(self.quality)),
            Tier::Perturbation => {
                let centre = self.centre();
                let offsets = self.offsets()?;
                if self.is_near_cusp(&centre, &offsets) {
                    return Ok(Arc::new(Cusp::new(&centre, offsets, limits, channels)?));
                }
                if let Some(kept) = &self.kept
                    && let Some(away) = kept.serves(&centre, &offsets, self.quality == Quality::Exact)
                {
                    let how = (self.quality, isa);
                    return Ok(Arc::new(Perturbation::around(kept, (offsets, away), limits, channels, how)?));
                }
                Arc::new(self.perturbation(centre, offsets)?)
            }
        })
    }

    fn centre(&self) -> [Decimal; 2] {
        [self.view.re.clone(), self.view.im.clone()]
    }

    fn perturbation(&self, centre: [Decimal; 2], offsets: Offsets) -> Result<Perturbation> {
        let how = (self.quality, self.isa);
        Perturbation::new((centre, self.julia.clone()), offsets, self.limits, self.channels, how)
    }

    /// The same request, to be computed around the reference orbit of another view; `None` if that does not serve it. Its samples are
    /// as accurate, but have not the bits of those around its own.
    pub(crate) fn around(&self, kept: &Kept) -> Option<Self> {
        let (centre, whole) = (self.centre(), self.whole().ok()?);
        let serves = self.julia.is_none() && kept.serves(&centre, &whole, self.quality == Quality::Exact).is_some();
        let is_deep = serves && self.tier().ok()? == Tier::Perturbation && !self.is_near_cusp(&centre, &whole);
        is_deep.then(|| Self { kept: Some(Arc::new(kept.clone())), ..self.clone() })
    }

    /// The reference orbit of another view that it is computed around.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    /// Whether a reference orbit is the one that this makes, to the bit.
    #[cfg(feature = "window")]
    pub(crate) fn is_own(&self, kept: &Kept) -> bool {
        let centre = self.centre();
        self.whole().is_ok_and(|whole| kept.is_own(&centre, &whole, self.limits))
    }

    /// The reference orbit among what was prepared for it, if that may serve other views.
    #[cfg(feature = "window")]
    pub(crate) fn keep(&self, prepared: &Prepared) -> Option<Kept> {
        let centre = self.centre();
        let is_deep = self.julia.is_none() && self.kept.is_none() && self.tier().ok()? == Tier::Perturbation;
        let offsets = if is_deep { self.offsets().ok()? } else { return None };
        if self.is_near_cusp(&centre, &offsets) {
            None
        } else {
            self.perturbation(centre, offsets).ok()?.keep(prepared)
        }
    }

    /// Whether orbits are so long, close to ¼, that they have a way of their own.
    #[cfg(feature = "bench")]
    pub(super) fn is_at_cusp(&self) -> Result<bool> {
        Ok(self.is_near_cusp(&self.centre(), &self.offsets()?))
    }

    fn is_near_cusp(&self, centre: &[Decimal; 2], offsets: &Offsets) -> bool {
        self.julia.is_none() && cusp::is_near(centre, offsets, self.log2_spacing())
    }

    /// The cheapest number tier that is accurate enough, or the one that was asked for.
    ///
    /// # Errors
    /// As [`Request::kernel`].
    pub(crate) fn tier(&self) -> Result<Tier> {
        match (self.precision, self.perturbs()) {
            (Precision::Perturbation, false) => Err(no_perturbation(self.formula.name, self.is_far())),
            (Precision::Perturbation, true) => self.check_depth(),
            // Where 64-bit coordinates would do, some samples are still so chaotic that a rounding of them decides.
            (Precision::Auto, true) if self.quality == Quality::Exact => self.check_depth(),
            (Precision::Auto, true) if matches!(self.plane(), Err(Error::Unsupported(_))) => self.check_depth(),
            _ => self.plane().map(|_| Tier::F64),
        }
    }

    /// Whether it is for z² + c, which has perturbation, and where an orbit that goes beyond radius 2 escapes.
    fn perturbs(&self) -> bool {
        self.is_quadratic() && !self.is_far()
    }

    fn is_quadratic(&self) -> bool {
        self.power == 2 && ["mandelbrot", "multibrot"].contains(&self.formula.name)
    }

    /// Whether it is for the Julia set of z² + c of a constant beyond radius 2.
    fn is_far(&self) -> bool {
        let constant = self.spec().julia.filter(|_| self.is_quadratic());
        constant.is_some_and(|constant| constant.norm_sqr() > 4.0)
    }

    /// The same request for one of every `grain` × `grain` samples.
    #[must_use]
    pub fn coarse(&self, grain: u32) -> Self {
        Self { grain, ..self.clone() }
    }

    /// The formula with its parameters in 64-bit numbers.
    pub(crate) fn spec(&self) -> Spec {
        let julia = self.julia.as_ref().map(|[re, im]| Complex64::new(re.to_f64(), im.to_f64()));
        Spec { entry: self.formula, power: self.power, julia }
    }

    /// The binary logarithm of the distance between samples, which may be too small for 64-bit numbers.
    pub fn log2_spacing(&self) -> f64 {
        self.view.log2_spacing(self.size.0, self.size.1) - f64::from(self.samples).log2()
    }

    /// The points of the drawn samples in 64-bit numbers, if these are accurate enough for the view.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the samples are too close together for them.
    pub fn plane(&self) -> Result<Arc<Plane>> {
        let fine = match self.fine.get() {
            Some(fine) => fine.clone(),
            None => {
                let drawn = Arc::new(self.drawn()?);
                self.fine.get_or_init(|| drawn).clone()
            }
        };
        Ok(if self.grain > 1 { Arc::new(fine.coarse(self.grain as usize)) } else { fine })
    }

    /// The offsets of the drawn samples from the view's centre: see [`View::offsets`].
    pub(super) fn offsets(&self) -> Result<Offsets> {
        let Offsets { plane, rest, exponent, radius } = &*self.whole()?;
        let drawn = self.cropped(plane.clone());
        let plane = if self.grain > 1 { drawn.coarse(self.grain as usize) } else { drawn };
        Ok(Offsets { plane, rest: *rest, exponent: *exponent, radius: *radius })
    }

    /// The offsets of all samples.
    fn whole(&self) -> Result<Arc<Offsets>> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole.clone());
        }
        let (plane, rest, exponent) = self.view.offsets(self.size.0, self.size.1, self.samples)?;
        let largest = |numbers: &[f64]| numbers.iter().fold(0.0, |most: f64, number| most.max(number.abs()));
        let (across, down) = (largest(&plane.columns), largest(&plane.rows));
        // A single sample is the centre itself, but its reference has to end at a period as well.
        let radius = (across * across + down * down).sqrt().max(0.5 * plane.spacing);
        Ok(self.whole.get_or_init(|| Arc::new(Offsets { plane, rest, exponent, radius })).clone())
    }

    /// The points of all samples that are drawn.
    fn drawn(&self) -> Result<Plane> {
        let whole = self.view.plane(self.size.0, self.size.1, self.samples)?;
        self.check(whole.reach())?;
        Ok(self.cropped(whole))
    }

    fn cropped(&self, whole: Plane) -> Plane {
        let Some(crop) = self.crop else { return whole };
        let range = |from: u32, length: u32| {
            let samples = self.samples as usize;
            (from as usize * samples)..((from as usize + length as usize) * samples)
        };
        whole.part(range(crop.x, crop.width), range(crop.y, crop.height))
    }

    /// Checks that 64-bit numbers are accurate enough for a picture whose largest coordinate is `reach`.
    fn check(&self, reach: f64) -> Result<()> {
        let asked = self.precision == Precision::F64;
        let numbers = match self.perturbs() {
            true if asked => "64-bit numbers, which `iteration.precision` asks for,",
            true => "64-bit numbers alone",
            false if self.is_far() => "64-bit numbers, the only ones for Julia sets of constants beyond radius 2,",
            false => "64-bit numbers, the only ones so far for this formula,",
        };
        let needed = F64_SPACING.log2() + reach.max(1.0).log2();
        self.check_spacing(needed, numbers, if reach > 4.0 { " so far from 0" } else { "" })
    }

    /// Checks that a reference orbit can be computed.
    fn check_depth(&self) -> Result<Tier> {
        let numbers = "64-bit differences from an orbit of 100,000 bits, the deepest number tier,";
        self.check_spacing(perturbation::SPACING_LOG2, numbers, "").map(|()| Tier::Perturbation)
    }

    /// Checks that the distance between samples is at least 2^`needed`, as `numbers` need.
    fn check_spacing(&self, needed: f64, numbers: &str, place: &str) -> Result<()> {
        let spacing = self.log2_spacing();
        if spacing >= needed {
            return Ok(());
        }
        let (columns, rows) = self.size;
        let across = f64::from(columns).log2() + f64::from(self.samples).log2();
        let least = needed + across;
        let zoom = 2.0 - least - f64::from(rows).log2() + f64::from(columns).log2();
        Err(Error::Unsupported(format!(
            "this view is too deep: it is {width} wide, but {numbers} need at least {least} (a zoom of at most {zoom}) for \
             {columns} × {rows} pixels of {0} × {0} samples{place}",
            self.samples,
            width = power_of_ten(spacing + across, f64::round),
            least = power_of_ten(least, f64::ceil),
            zoom = power_of_ten(zoom, f64::floor),
        )))
    }
}

fn no_perturbation(formula: &str, is_far: bool) -> Error {
    let whose =
        if is_far { "Julia sets of constants beyond radius 2".to_owned() } else { format!("formula `{formula}`") };
    Error::Usage(format!(
        "number tier `perturbation` is not possible for {whose}: it is for z² + c in the plane of c, and for Julia sets of constants \
         within radius 2; `iteration.precision` must be auto or f64"
    ))
}

/// The smallest distance between samples, relative to the larger of 1 and the coordinates, for which `f64` is accurate enough: 2⁻⁴⁰.
///
/// An orbit in `f64` is the exact orbit of a point a few rounding errors away. The rounding errors of the first iterations count most,
/// since later ones are small compared with the derivative by then; each is at most 2⁻⁵² for |z| ≤ 2, and the coordinate itself is off
/// by at most 2⁻⁵³, so the sum stays near 2⁻⁵⁰: a thousandth of this spacing, which is also the limit of a stable sample in the exact
/// reference data. Views below it look right for a while but are not.
pub const F64_SPACING: f64 = 1.0 / (1u64 << 40) as f64;

/// The kernel for `request` with `formula` in place of the named one.
///
/// # Errors
/// As [`Request::kernel`].
pub(crate) fn kernel_for<F: Formula + 'static>(request: &Request, formula: F) -> Result<Arc<dyn Kernel>> {
    let Request { limits, channels, isa, precision, .. } = *request;
    if precision == Precision::Perturbation {
        return Err(no_perturbation(&format!("{formula:?}"), false));
    }
    let direct = Direct::with(formula, request.spec().julia, request.plane()?, limits, channels, isa)?;
    Ok(Arc::new(direct.at(request.quality)))
}

/// 2^`log2` with two digits, rounded by `round`: it may be too small for an `f64`.
fn power_of_ten(log2: f64, round: fn(f64) -> f64) -> String {
    let log10 = log2 * std::f64::consts::LOG10_2;
    let exponent = log10.floor();
    // The logarithm of a number that has two digits is not quite that.
    let tenths = 10f64.powf(log10 - exponent + 1.0);
    let tenths = if (tenths - tenths.round()).abs() < 1e-9 { tenths.round() } else { round(tenths) };
    // A mantissa that would be shown as 10.0 belongs to the next power.
    let (tenths, exponent) = if tenths >= 100.0 { (10.0, exponent + 1.0) } else { (tenths, exponent) };
    format!("{:.1}e{exponent}", tenths / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(scene: &str) -> Option<String> {
        let request = Request::new(&Scene::from_toml(scene).unwrap(), Channels::default(), Some(Isa::Scalar)).unwrap();
        request.kernel().err().map(|error| error.to_string())
    }

    fn scene(first: &str, width: &str) -> String {
        format!("{first}\n[view]\nre = \"-0.5\"\nwidth = \"{width}\"\n[image]\nsize = [100, 100]\n")
    }

    fn tier(scene: &str) -> Tier {
        Request::new(&Scene::from_toml(scene).unwrap(), Channels::default(), Some(Isa::Scalar)).unwrap().tier().unwrap()
    }

    #[test]
    fn views_too_small_for_f64_are_refused_where_there_is_nothing_else() {
        let scene = |width: &str| scene("formula = \"tricorn\"", width);
        assert_eq!(refusal(&scene("1e-10")), None);
        let text = refusal(&scene("9e-11")).unwrap();
        assert_eq!(
            text,
            "this view is too deep: it is 9.0e-11 wide, but 64-bit numbers, the only ones so far for this formula, need at least \
             9.1e-11 (a zoom of at most 4.3e10) for 100 × 100 pixels of 1 × 1 samples"
        );
        assert_eq!(refusal(&scene("9.1e-11")), None);
        let text = refusal(&scene("1e-2000")).unwrap();
        assert!(text.contains("it is 1.0e-2000 wide"), "{text}");
        let far = "formula = \"tricorn\"\n[view]\nre = \"1e6\"\nwidth = \"1e-4\"\n";
        assert!(refusal(far).is_some(), "numbers far out are coarser");
        let julia = refusal("julia = [\"-1.9\", \"0.7\"]\n[view]\nwidth = \"1e-20\"\n").unwrap();
        assert!(julia.contains("the only ones for Julia sets of constants beyond radius 2,"), "{julia}");
        assert_eq!(refusal("julia = [\"-0.8\", \"0.156\"]\n[view]\nwidth = \"1e-20\"\n"), None);
    }

    #[test]
    fn views_of_the_mandelbrot_set_too_small_for_f64_have_perturbation() {
        for first in ["formula = \"mandelbrot\"", "formula = \"multibrot\"\npower = 2"] {
            let scene = |width: &str| scene(first, width);
            for (width, expected) in
                [("1e-10", Tier::F64), ("9e-11", Tier::Perturbation), ("1e-2000", Tier::Perturbation)]
            {
                assert_eq!(tier(&scene(width)), expected, "{width}");
            }
            let text = refusal(&scene("1e-1000000")).unwrap();
            assert_eq!(
                text,
                "this view is too deep: it is 1.0e-1000000 wide, but 64-bit differences from an orbit of 100,000 bits, the deepest \
                 number tier, need at least 1.1e-30101 (a zoom of at most 3.9e30101) for 100 × 100 pixels of 1 × 1 samples"
            );
        }
        assert_eq!(refusal("[view]\nre = \"1e6\"\nwidth = \"1e-4\"\n"), None);
    }

    #[test]
    fn a_number_tier_can_be_asked_for() {
        let asked = |precision: &str, first: &str, width: &str| {
            scene(first, width) + &format!("[iteration]\nprecision = \"{precision}\"\n")
        };
        assert_eq!(tier(&asked("perturbation", "", "3")), Tier::Perturbation);
        let text = refusal(&asked("f64", "", "1e-20")).unwrap();
        assert!(text.contains("64-bit numbers, which `iteration.precision` asks for, need at least"), "{text}");
        let text = refusal(&asked("perturbation", "formula = \"celtic\"", "3")).unwrap();
        assert!(text.starts_with("number tier `perturbation` is not possible for formula `celtic`: "), "{text}");
        assert_eq!(tier(&asked("perturbation", "julia = [\"0\", \"1\"]", "3")), Tier::Perturbation);
        let text = refusal(&asked("perturbation", "julia = [\"0\", \"2.1\"]", "3")).unwrap();
        assert!(text.contains("not possible for Julia sets of constants beyond radius 2:"), "{text}");
    }
}
