//! The palettes.

use super::PaletteEntry;

/// Every palette. Each is a closed circle of colours.
pub const PALETTES: &[PaletteEntry] = &[
    PaletteEntry {
        name: "lagoon",
        help: "deep blue through turquoise to cream and amber",
        stops: &[
            (0.00, "#0b1446"),
            (0.16, "#14509e"),
            (0.32, "#2fa8c9"),
            (0.46, "#e9f6e0"),
            (0.58, "#f9c64a"),
            (0.72, "#c0501e"),
            (0.86, "#3b0f2e"),
        ],
    },
    PaletteEntry {
        name: "ember",
        help: "glowing coals: black, red, orange, pale yellow",
        stops: &[
            (0.00, "#120508"),
            (0.18, "#5a0d16"),
            (0.36, "#c2301a"),
            (0.54, "#f58a1f"),
            (0.68, "#ffe6a3"),
            (0.82, "#b8574a"),
            (0.92, "#3d1426"),
        ],
    },
    PaletteEntry {
        name: "glacier",
        help: "ice and deep water: navy, teal, white",
        stops: &[
            (0.00, "#06142b"),
            (0.22, "#10466e"),
            (0.42, "#2c8fae"),
            (0.60, "#a6dfe6"),
            (0.70, "#f7fdff"),
            (0.84, "#7b9fd0"),
            (0.93, "#263c78"),
        ],
    },
    PaletteEntry {
        name: "spectrum",
        help: "all hues, vivid, at nearly the same lightness",
        stops: &[
            (0.000, "#f2545b"),
            (0.125, "#f39237"),
            (0.250, "#e3c92d"),
            (0.375, "#6cc551"),
            (0.500, "#1fb8a3"),
            (0.625, "#2f9be0"),
            (0.750, "#7f78e6"),
            (0.875, "#d160c4"),
        ],
    },
    PaletteEntry {
        name: "ink",
        help: "black ink on warm paper",
        stops: &[(0.0, "#14110f"), (0.25, "#6a635b"), (0.5, "#f6f1e7"), (0.75, "#8b847a")],
    },
    PaletteEntry {
        name: "clarity",
        help: "blue to yellow, told apart with every kind of colour vision",
        stops: &[
            (0.00, "#04163f"),
            (0.20, "#1c4a86"),
            (0.36, "#6f86a0"),
            (0.52, "#d8c67a"),
            (0.62, "#fff3bf"),
            (0.76, "#b89a3a"),
            (0.90, "#3d4250"),
        ],
    },
    PaletteEntry {
        name: "nocturne",
        help: "dark throughout: violet and teal glimmer on near black",
        stops: &[
            (0.00, "#07060d"),
            (0.20, "#2b1650"),
            (0.34, "#6b3fa0"),
            (0.48, "#120d22"),
            (0.64, "#0c4650"),
            (0.78, "#2f9c95"),
            (0.90, "#0a1a24"),
        ],
    },
    PaletteEntry {
        name: "orchid",
        help: "plum, magenta, rose and pale gold",
        stops: &[
            (0.00, "#1c0b2e"),
            (0.20, "#5c1a6b"),
            (0.38, "#c03a8a"),
            (0.54, "#f79aa0"),
            (0.66, "#fff0cf"),
            (0.80, "#8fa6c9"),
            (0.92, "#2f3a72"),
        ],
    },
    PaletteEntry {
        name: "meadow",
        help: "moss, spring green and straw",
        stops: &[
            (0.00, "#0d1f14"),
            (0.20, "#245c36"),
            (0.40, "#6fae4a"),
            (0.56, "#e8ee9b"),
            (0.70, "#d9a441"),
            (0.86, "#5e3b1c"),
        ],
    },
    PaletteEntry {
        name: "aurora",
        help: "northern lights: night blue, green, violet",
        stops: &[
            (0.00, "#050b24"),
            (0.18, "#0b4f5c"),
            (0.34, "#33d69f"),
            (0.46, "#dcffd6"),
            (0.62, "#7a6ff0"),
            (0.78, "#c247b8"),
            (0.90, "#2a1250"),
        ],
    },
];
