//! Named places worth seeing, each a scene file in `places/`.

use super::Scene;

/// A place worth seeing.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its name.
    pub name: &'static str,
    /// What there is to see.
    pub help: &'static str,
    /// The scene file.
    pub text: &'static str,
}

impl Place {
    /// The scene, with the place's name, and what there is to see as its title.
    pub fn scene(&self) -> Scene {
        let scene = Scene::from_toml(self.text).expect("a test reads every place");
        Scene { name: Some(self.name.into()), title: Some(self.help.into()), ..scene }
    }
}

macro_rules! place {
    ($name:literal, $help:literal) => {
        Place { name: $name, help: $help, text: include_str!(concat!("places/", $name, ".toml")) }
    };
}

/// All places.
pub static PLACES: &[Place] = &[
    place!("whole", "the whole Mandelbrot set"),
    place!("seahorses", "seahorses in the valley between the cardioid and its largest disc"),
    place!("elephants", "a parade of elephants along the cusp of the cardioid"),
    place!("curl", "a seahorse's tail around the point where it never ends"),
    place!("jewel", "a small copy of the set in its setting of spirals"),
    place!("pinwheel", "four arms around a copy of the set too small to see, five hundred million times enlarged"),
    place!("island", "the island at the end of the upper antenna"),
    place!("starfish", "five arms that meet in a point of the antenna"),
    place!("urchin", "a copy of the set on an arm of the starfish, with its spines"),
    place!("necklace", "spirals strung along the edge of the disc of period 3"),
    place!("cross", "threads crossing around a copy of the set on the needle"),
    place!("dendrite", "the Julia set of i: all thread, no inside"),
    place!("rabbit", "Douady's rabbit: the Julia set of period 3"),
    place!("dragon", "a Julia set of dust that looks like a dragon"),
    place!("brocade", "the Julia set of a point among the seahorses"),
    place!("ship", "the largest ship of the armada, turned upright"),
    place!("armada", "the Burning Ship and what follows in its wake"),
    place!("trident", "a small Tricorn on the needle of the large one"),
    place!("snowfall", "flakes in front of the Celtic fractal's arrow"),
    place!("coast", "a headland of the set of z³ + c"),
    place!("trefoil", "between two lobes of the set of z⁴ + c"),
    place!("garland", "a garland of spirals, 10^15 times enlarged"),
    place!("gate", "two spirals on either side of a passage"),
    place!("hooks", "hooks and spirals that meet in a star"),
    place!("octopus", "eight arms of a dendrite, 10^20 times enlarged"),
    place!("lace", "lace between calm waters"),
    place!("pollen", "a grain of pollen, with its spines turned inwards"),
    place!("medallion", "a medallion of fine work among spirals, 10^32 times enlarged"),
    place!("spark", "a ring of flames around a copy of the set too small to see"),
    place!("clover", "a clover of four leaves in empty space"),
    place!("beacons", "beacons along a road that turns around a round square"),
    place!("brooch", "a brooch of spirals, 10^68 times enlarged"),
    place!("roots", "roots that grow from a shaft of light"),
    place!("constellation", "four clusters of stars and what connects them, 10^151 times enlarged"),
    place!("sunflower", "a pair of lights in a disc of embers"),
    place!("compass", "a compass rose of eight points, 10^284 times enlarged"),
    place!("lightning", "lightning from a bright eye, 10^620 times enlarged"),
    place!("isthmus", "an isthmus in calm water, 10^940 times enlarged"),
    place!("ripples", "ripples around a copy of the set too small to see, 10^1003 times enlarged"),
];
