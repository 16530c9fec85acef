//! The recipe of a render: how another process, or a later run, recreates the same work.

use super::maker::{KIND, Maker};
use super::{Part, Render, RenderOptions};
use crate::backend::WorkKind;
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::parallel::{Pieces, Prepared};
use crate::sample::Channels;
use crate::scene::{Crop, Image, Scene};
use crate::tile::Order;
use serde::{Deserialize, Serialize};

impl WorkKind {
    /// The renders of a formula of your own, [`Render::with_formula`]. Two values of a type are different formulas if their `Debug`
    /// texts differ, so parameters should be part of these.
    pub fn formula<F: Formula>(formula: F) -> Self {
        let maker = Maker::formula(formula);
        let kind = maker.kind().unwrap_or_default();
        Self::new(kind, move |bytes| Ok(render_of_recipe(bytes, &maker)?.work()))
    }
}

/// A [`Recipe`](crate::parallel::Recipe) of ours, as JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Ingredients {
    pub(super) scene: Scene,
    pub(super) tile: u32,
    pub(super) order: String,
    /// What is computed: each channel's name, and whether it is.
    #[serde(flatten)]
    pub(super) channels: Channels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pieces: Option<Pieces>,
    /// Whether the session prepares masks for the pieces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) masked: bool,
    /// A coarse picture of an area, and its grain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) coarse: Option<(Crop, u32)>,
    /// The instruction set that was asked for; without it, each process chooses its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) isa: Option<String>,
    /// The number tier that was chosen.
    #[serde(default = "first_tier")]
    pub(super) tier: String,
    /// Whether its samples are bit-identical on every machine.
    #[serde(default = "yes", skip_serializing_if = "is_so")]
    pub(super) exact: bool,
}

/// The tier of recipes written before there was a choice.
fn first_tier() -> String {
    "f64".into()
}

/// The meaning of recipes that do not mention tolerances.
fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // Serde requires it.
fn is_so(exact: &bool) -> bool {
    *exact
}

impl Ingredients {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::Input(format!("the bytes are not the recipe of a render: {error}")))
    }
}

/// The kinds of renders that every worker program knows.
pub(crate) fn kinds() -> [WorkKind; 1] {
    [WorkKind::new(KIND, |bytes| Ok(from_recipe(bytes)?.work()))]
}

/// The image of a render's [`Recipe`](crate::parallel::Recipe), the edge of its tiles in pixels and their order: what the size of its
/// tables depends on, known before they are built.
///
/// # Errors
/// [`Error::Input`] when the bytes are not such a recipe.
pub fn size_of_recipe(bytes: &[u8]) -> Result<(Image, u32, Order)> {
    let Ingredients { scene, tile, order, .. } = Ingredients::read(bytes)?;
    Ok((scene.image, tile, order.parse()?))
}

/// Recreates a render with a formula of this library from its [`Recipe`](crate::parallel::Recipe).
///
/// # Errors
/// [`Error::Input`] when the bytes are not such a recipe, and as [`Render::with`].
pub fn from_recipe(bytes: &[u8]) -> Result<Render> {
    render_of_recipe(bytes, &Maker::Library)
}

fn render_of_recipe(bytes: &[u8], maker: &Maker) -> Result<Render> {
    let Ingredients { scene, tile, order, channels, pieces, masked, coarse, isa, tier, exact } =
        Ingredients::read(bytes)?;
    let isa = isa.map(|isa| isa.parse()).transpose()?;
    let order = order.parse()?;
    let render = Render::made_by(&scene, RenderOptions { tile, order, isa, channels }, maker)?;
    let facts = render.kernel().facts();
    let chosen = facts.tier;
    if facts.exact != exact {
        return Err(Error::Input(
            "its samples are exact and those computed here within a tolerance, or the reverse".into(),
        ));
    }
    if chosen != tier {
        return Err(Error::Input(format!(
            "it was made for number tier `{tier}`, but `{chosen}` is chosen for its view here"
        )));
    }
    let part = match (pieces, coarse) {
        (Some(pieces), _) if masked => Part::Samples(pieces, Prepared::default()),
        (Some(pieces), _) => Part::Tiles(pieces),
        (None, Some((area, grain))) => Part::Coarse(area, grain),
        (None, None) => Part::All,
    };
    render.part(part, tile, order).map_err(|error| Error::Input(format!("the recipe of a render is invalid: {error}")))
}
