//! What the recipe of a render says.

use crate::error::{Error, Result};
use crate::kernel::Kept;
use crate::parallel::Pieces;
use crate::sample::Channels;
use crate::scene::{Crop, Scene};
use serde::{Deserialize, Serialize};

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
    /// The reference orbit of another view that it is computed around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) around: Option<Kept>,
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
