//! The recipe of a render: how another process, or a later run, recreates the same work.

use super::ingredients::Ingredients;
use super::maker::{KIND, Maker};
use super::{Part, Render, RenderOptions};
use crate::backend::WorkKind;
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::parallel::Prepared;
use crate::scene::Image;
use crate::tile::Order;

impl WorkKind {
    /// The renders of a formula of your own, [`Render::with_formula`]. Two values of a type are different formulas if their `Debug`
    /// texts differ, so parameters should be part of these.
    pub fn formula<F: Formula>(formula: F) -> Self {
        let maker = Maker::formula(formula);
        let kind = maker.kind().unwrap_or_default();
        Self::new(kind, move |bytes| Ok(render_of_recipe(bytes, &maker)?.work()))
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
    let Ingredients { scene, tile, order, channels, pieces, masked, coarse, around, isa, tier, exact } =
        Ingredients::read(bytes)?;
    let isa = isa.map(|isa| isa.parse()).transpose()?;
    let order = order.parse()?;
    let render = Render::made_by(&scene, RenderOptions { tile, order, isa, channels }, maker)?;
    let render = match around {
        None => render,
        Some(kept) => render
            .around(&kept)
            .ok_or_else(|| Error::Input("the reference orbit of another view does not serve its own".into()))?,
    };
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
