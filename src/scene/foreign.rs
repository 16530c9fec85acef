//! Files of other programs, recognised by their content when they are given as scenes.

/// A kind of file that is not one of our scenes.
struct Foreign {
    what: &'static str,
    /// What a user can do instead.
    remedy: &'static str,
    is: fn(&str) -> bool,
}

const NUMBERS: &str = "give its numbers with --re, --im and --zoom";
const COLOURS: &str = "choose a palette from `fractal palettes`";

const FOREIGN: &[Foreign] = &[
    Foreign {
        what: "a Kalles Fraktaler location",
        remedy: NUMBERS,
        is: |text| has(text, &["Re:", "Im:"]) || has(text, &["FractalType:", "Power:"]),
    },
    Foreign {
        what: "a Kalles Fraktaler settings file",
        remedy: "give the settings as arguments of `fractal render`",
        is: |text| has(text, &["ZoomSize:", "MaxReferences:"]),
    },
    Foreign {
        what: "a Fraktaler 3 location",
        remedy: NUMBERS,
        is: |text| text.lines().any(|line| line.trim() == "program = \"fraktaler-3\""),
    },
    Foreign {
        what: "a Rust Fractal file",
        remedy: NUMBERS,
        is: |text| has(text, &["approximation_order =", "glitch_percentage ="]),
    },
    Foreign {
        what: "a Rust Fractal location",
        remedy: NUMBERS,
        is: |text| has(text, &["real =", "imag =", "zoom =", "iterations ="]),
    },
    Foreign {
        what: "a DeepDrill location",
        remedy: NUMBERS,
        is: |text| has(text, &["[location]", "real =", "imag ="]),
    },
    Foreign {
        what: "an Ultra Fractal gradient file",
        remedy: COLOURS,
        is: |text| has(text, &["gradient:"]) && !has(text, &["layer:"]),
    },
    Foreign { what: "an Ultra Fractal parameter file", remedy: NUMBERS, is: |text| has(text, &["fractal:", "layer:"]) },
    Foreign {
        what: "a Fractint parameter file",
        remedy: NUMBERS,
        is: |text| text.contains('{') && text.contains("reset=") && text.contains("type="),
    },
    Foreign { what: "a GIMP gradient", remedy: COLOURS, is: |text| text.starts_with("GIMP Gradient") },
    Foreign { what: "a Fractint palette", remedy: COLOURS, is: is_map },
];

/// Whether each of these begins a line.
fn has(text: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().all(|beginning| text.lines().any(|line| line.trim_start().starts_with(beginning)))
}

/// Lines that begin with three numbers up to 255.
fn is_map(text: &str) -> bool {
    let is_colour = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u8>);
        (0..3).all(|_| numbers.next().is_some_and(|number| number.is_ok()))
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    lines.peek().is_some() && lines.all(is_colour)
}

/// What a text is, if it is a known kind of file of another program, and what to do instead.
pub(super) fn recognize(text: &str) -> Option<String> {
    let Foreign { what, remedy, .. } = FOREIGN.iter().find(|foreign| (foreign.is)(text))?;
    Some(format!("is {what}, which cannot be read; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_programs_are_reported_by_their_content() {
        for (text, what) in [
            ("Re: -0.049\r\nIm: -0.67\r\nZoom: 1E50\r\nIterations: 9000\r\n", Some("a Kalles Fraktaler location")),
            ("Power: 2\nFractalType: 1\n", Some("a Kalles Fraktaler location")),
            ("ZoomSize: 4\nMaxReferences: 10000\n", Some("a Kalles Fraktaler settings file")),
            ("program = \"fraktaler-3\"\nversion = \"2\"\n", Some("a Fraktaler 3 location")),
            ("real = \"-1.7\"\nimag = \"0\"\nzoom = \"3\"\niterations = 9\n", Some("a Rust Fractal location")),
            ("approximation_order = 16\nglitch_percentage = 0.001\n", Some("a Rust Fractal file")),
            ("# top\n[location]\nreal = -0.7\nimag = 0.0\n", Some("a DeepDrill location")),
            ("a {\ngradient:\n  title=\"a\" index=0 color=1\n}\n", Some("an Ultra Fractal gradient file")),
            ("a {\nfractal:\n title=\"a\"\nlayer:\ngradient:\n}\n", Some("an Ultra Fractal parameter file")),
            ("Zorro { ; (c)\n  reset=1827 type=mandel\n}\n", Some("a Fractint parameter file")),
            ("GIMP Gradient\nName: a\n1\n", Some("a GIMP gradient")),
            (" 48  48  48\n\n 68 252   0 green\n", Some("a Fractint palette")),
            ("formula = \"tricorn\"\n", None),
            ("[view]\nre = \"0\"\n", None),
            ("1 2\n3 4 5\n", None),
            ("", None),
        ] {
            let told = recognize(text);
            assert_eq!(told.is_some(), what.is_some(), "{text:?}: {told:?}");
            assert!(
                what.is_none_or(|what| told.is_some_and(|told| told.starts_with(&format!("is {what}, ")))),
                "{text:?}"
            );
        }
    }
}
