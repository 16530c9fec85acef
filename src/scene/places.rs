//! Named places worth seeing, each a scene file in `places/`.

use super::Scene;

/// A place worth seeing.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The name by which it is asked for.
    pub name: &'static str,
    /// What is to be seen there.
    pub help: &'static str,
    /// The scene file.
    pub text: &'static str,
}

impl Place {
    /// The scene, under the place's name.
    pub fn scene(&self) -> Scene {
        let scene = Scene::from_toml(self.text).expect("a test reads every place");
        Scene { name: Some(self.name.into()), title: Some(scene.title.unwrap_or_else(|| self.help.into())), ..scene }
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
    place!("seahorses", "the valley of seahorses between the cardioid and its largest disc"),
];
