//! `info`: where a scene is, how it would be rendered, and why.

use super::args::InfoArgs;
use super::place::{self, Place};
use super::{memory, plan, print, print_json};
use fractal::internal::F64_SPACING;
use fractal::kernel::{Isa, ReferenceFacts};
use fractal::sample::Channels;
use fractal::scene::{Precision, Quality, View};
use fractal::{Render, Result, Scene, formula};
use serde::Serialize;

#[derive(Serialize)]
struct Info {
    scene: String,
    formula: String,
    power: u32,
    /// The constant of a Julia set.
    #[serde(skip_serializing_if = "Option::is_none")]
    julia: Option<[String; 2]>,
    #[serde(flatten)]
    place: Place,
    size: [u32; 2],
    /// The drawn pixels, if not all: column, row, width and height.
    #[serde(skip_serializing_if = "Option::is_none")]
    crop: Option<[u32; 4]>,
    samples: u32,
    /// Distance of neighbouring samples in the plane.
    spacing: f64,
    /// Its decimal logarithm.
    log10_spacing: f64,
    max_iterations: u64,
    escape_radius: f64,
    tier: &'static str,
    tier_why: String,
    /// The most memory that data which all tiles share takes, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    prepared_bytes: Option<u64>,
    /// The bits of the reference orbit's numbers, its most iterations, and about the most seconds that it takes one processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_bits: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_iterations: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_seconds: Option<f64>,
    isa: &'static str,
    isa_why: String,
    tiles: usize,
    #[serde(flatten)]
    channels: Channels,
}

/// `fractal info`.
pub(crate) fn run(args: &InfoArgs) -> Result<()> {
    let scene = plan::scene_or_whole(args.source.as_deref(), &args.scene)?;
    if args.toml {
        return print(toml(scene));
    }
    let render = Render::new(&scene)?;
    let (width, height) = scene.image.size;
    let crop = scene.image.crop;
    let view = scene.view();
    let spacing = view.spacing(width, height) / f64::from(scene.image.samples);
    let log2_spacing = view.log2_spacing(width, height) - f64::from(scene.image.samples).log2();
    let isa = render.kernel().facts().isa;
    let asked = Isa::from_env()?;
    let reference = render.kernel().reference();
    let is_deep = render.kernel().facts().tier == "perturbation";
    let isa_why = if is_deep && reference.is_none() {
        "what this close to 1/4 is computed with has no other code"
    } else if isa != asked.name() && is_deep {
        "this number tier has no code for that of FRACTAL_ISA"
    } else if isa != asked.name() && asked == Isa::Sse42 {
        "this formula, or this escape radius, has no code for sse4.2"
    } else if isa != asked.name() {
        "the escape radius is so small that every iterate is tested separately"
    } else if std::env::var_os("FRACTAL_ISA").is_some_and(|name| !name.is_empty()) {
        "FRACTAL_ISA asks for it"
    } else {
        "the best that this processor has"
    };
    let (tier, prepared) = (render.kernel().facts().tier, render.work().prepared_len());
    // The choice of the tier depends on it.
    let reach = view.plane(width, height, scene.image.samples)?.reach().max(1.0);
    let deeper = spacing / (F64_SPACING * reach);
    let info = Info {
        scene: scene.title().to_owned(),
        formula: scene.formula.clone(),
        power: scene.power.unwrap_or(formula::find(&scene.formula)?.default_power()),
        julia: scene.julia.as_ref().map(|constant| constant.each_ref().map(ToString::to_string)),
        place: Place::of(&scene),
        size: [width, height],
        crop: crop.map(Into::into),
        samples: scene.image.samples,
        spacing,
        log10_spacing: log2_spacing * std::f64::consts::LOG10_2,
        max_iterations: scene.max_iterations(),
        escape_radius: scene.iteration.escape_radius,
        tier,
        tier_why: if tier == "f64" {
            format!(
                "64-bit numbers, accurate enough for views {} times deeper with this size and these samples",
                place::short(deeper)
            )
        } else if reference.is_none() {
            "differences, in numbers of 32 digits, from 1/2, since orbits this close to 1/4 take long to pass it".into()
        } else {
            let is_exact = scene.iteration.quality == Quality::Exact;
            format!(
                "differences, in {}, from {} of many digits, {}",
                if is_exact { "numbers of up to 32 digits" } else { "64-bit numbers" },
                if scene.julia.is_some() { "two orbits" } else { "one orbit" },
                if scene.iteration.precision != Precision::Auto {
                    "as `iteration.precision` asks"
                } else if is_exact {
                    "as `iteration.quality` asks"
                } else {
                    "since the view is too small for 64-bit numbers alone"
                }
            )
        },
        prepared_bytes: Some(prepared).filter(|&bytes| bytes > 0),
        reference_bits: reference.map(|reference| reference.bits),
        reference_iterations: reference.map(|reference| reference.iterations),
        reference_seconds: reference.map(|reference| reference.seconds()),
        isa,
        isa_why: isa_why.to_owned(),
        tiles: render.tiling().len(),
        channels: render.channels(),
    };
    if args.json {
        return print_json(&info);
    }
    let mut computed: Vec<_> = info.channels.iter().map(|channel| channel.plural).collect();
    let last = computed.pop().filter(|_| !computed.is_empty()).map(|last| format!(" and {last}"));
    let computed = if computed.is_empty() { "counts".into() } else { computed.join(", ") + &last.unwrap_or_default() };
    let julia = info.julia.map_or(String::new(), |[re, im]| format!(", the Julia set of {re},{im}"));
    let powers = &formula::find(&info.formula)?.powers;
    let power = if powers.start() == powers.end() { String::new() } else { format!(", power {}", info.power) };
    let above = [("scene", info.scene), ("formula", info.formula + &power + &julia)];
    let below = [
        (
            "picture",
            format!(
                "{width} × {height} pixels{}, samples per pixel {1} × {1}, tiles {2}",
                crop.map_or(String::new(), |crop| format!(", of which {crop} are drawn")),
                info.samples,
                info.tiles
            ),
        ),
        ("spacing", format!("{} from sample to sample", place::of_log2(log2_spacing))),
        ("iterations", format!("up to {}, escape radius {}", info.max_iterations, info.escape_radius)),
        ("computed", format!("{computed}, as the colouring needs")),
        ("numbers", format!("{}: {}", info.tier, info.tier_why)),
    ];
    let orbit = reference.map(|reference| {
        let ReferenceFacts { bits, iterations } = reference;
        let (bytes, seconds) = (memory::size(prepared), place::short(reference.seconds()));
        (
            "reference",
            format!(
                "{bits} bits; at most {iterations} iterations, {bytes} and about {seconds} s of one processor, less if it ends earlier"
            ),
        )
    });
    let processor = ("processor", format!("{}: {}", info.isa, info.isa_why));
    let rows = above.into_iter().chain(info.place.rows()).chain(below).chain(orbit).chain([processor]);
    print(rows.map(|(key, value)| format!("{key:11} {value}\n")).collect::<String>())
}

/// A scene as a scene file, with the numbers of its view even where they are those of its formula's home.
fn toml(mut scene: Scene) -> String {
    let View { re, im, extent, .. } = scene.view();
    (scene.view.re, scene.view.im) = (Some(re), Some(im));
    scene.set_extent(extent);
    scene.to_toml()
}
