//! The single table of what keys and mouse do: the window, its help, the README and `fractal view --keys` all follow it.

use super::toolkit::Key;

/// What the user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The table says what they do.
pub enum Action {
    ZoomIn,
    ZoomOut,
    Drag,
    DrawBox,
    Centre,
    PanLeft,
    PanRight,
    PanUp,
    PanDown,
    NearIn,
    NearOut,
    Back,
    Forward,
    Home,
    TurnLeft,
    TurnRight,
    Upright,
    MoreIterations,
    FewerIterations,
    AutoIterations,
    Samples,
    NextFormula,
    LastFormula,
    JuliaInset,
    OpenJulia,
    NextBackend,
    LastBackend,
    MoreWorkers,
    FewerWorkers,
    NextSchedule,
    LastSchedule,
    SmallerTiles,
    LargerTiles,
    Again,
    Outlines,
    Costs,
    Panel,
    NextPalette,
    LastPalette,
    NextColouring,
    LastColouring,
    Cycle,
    OffsetBack,
    OffsetOn,
    Denser,
    Sparser,
    Save,
    SaveAs,
    Print,
    Help,
    Quit,
}

/// What the mouse can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gesture {
    /// The wheel was turned away from the user.
    WheelUp,
    /// The wheel was turned towards the user.
    WheelDown,
    /// The pointer was moved with the left button held.
    Drag,
    /// The same with the right button, or with Shift.
    OtherDrag,
    /// The left button was pressed twice in quick succession.
    DoubleClick,
}

/// A key or a gesture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A key.
    Key(Key),
    /// A mouse gesture.
    Mouse(Gesture),
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct KeyBinding {
    /// What is done.
    pub action: Action,
    /// What triggers it.
    pub triggers: &'static [Trigger],
    /// What it does, in a few words.
    pub help: &'static str,
}

/// Lines of the table that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What they have in common.
    pub name: &'static str,
    /// The lines.
    pub bindings: &'static [KeyBinding],
}

const fn key(c: char) -> Trigger {
    Trigger::Key(Key::Char(c))
}

macro_rules! bind {
    ($($action:ident [$($trigger:expr),+] $help:literal,)+) => {
        &[$(KeyBinding { action: Action::$action, triggers: &[$($trigger),+], help: $help }),+]
    };
}

/// Everything that keys and mouse do.
pub const GROUPS: &[Group] = &[
    Group {
        name: "Explore",
        bindings: bind! {
            ZoomIn [Trigger::Mouse(Gesture::WheelUp)] "zoom in at the pointer",
            ZoomOut [Trigger::Mouse(Gesture::WheelDown)] "zoom out at the pointer",
            Drag [Trigger::Mouse(Gesture::Drag)] "move the picture",
            DrawBox [Trigger::Mouse(Gesture::OtherDrag)] "draw a box to zoom into",
            Centre [Trigger::Mouse(Gesture::DoubleClick)] "bring this point to the centre",
            NearIn [key('+'), key('=')] "zoom in at the centre",
            NearOut [key('-')] "zoom out at the centre",
            PanLeft [Trigger::Key(Key::Left)] "pan left",
            PanRight [Trigger::Key(Key::Right)] "pan right",
            PanUp [Trigger::Key(Key::Up)] "pan up",
            PanDown [Trigger::Key(Key::Down)] "pan down",
            Back [Trigger::Key(Key::Backspace), key('[')] "back to the previous place",
            Forward [key(']')] "forward again",
            Home [Trigger::Key(Key::Home), key('0')] "the formula's home view",
            TurnLeft [key('r')] "turn left by 15 degrees",
            TurnRight [key('R')] "turn right by 15 degrees",
            Upright [key('u')] "turn upright again",
        },
    },
    Group {
        name: "Compute",
        bindings: bind! {
            MoreIterations [key('i')] "50 % more iterations",
            FewerIterations [key('I')] "a third fewer iterations",
            AutoIterations [key('a')] "choose the iterations automatically",
            Samples [key('x')] "1×1, 2×2, 3×3 or 4×4 samples per pixel",
            NextFormula [key('f')] "next formula",
            LastFormula [key('F')] "previous formula",
            JuliaInset [key('j')] "show the Julia set at the pointer",
            OpenJulia [key('J')] "open that Julia set, or leave it",
        },
    },
    Group {
        name: "See the parallelism",
        bindings: bind! {
            NextBackend [key('b')] "next backend",
            LastBackend [key('B')] "previous backend",
            MoreWorkers [key('w')] "one more worker",
            FewerWorkers [key('W')] "one fewer worker",
            NextSchedule [key('d')] "next schedule for handing out tiles",
            LastSchedule [key('D')] "previous schedule",
            SmallerTiles [key('t')] "smaller tiles",
            LargerTiles [key('T')] "larger tiles",
            Again [key('n')] "compute the picture again",
            Outlines [key('o')] "outline tiles in their workers' colours",
            Costs [key('m')] "map of how long each tile took",
            Panel [Trigger::Key(Key::Tab)] "panel of workers and speeds",
        },
    },
    Group {
        name: "Colour",
        bindings: bind! {
            NextPalette [key('p')] "next palette",
            LastPalette [key('P')] "previous palette",
            NextColouring [key('c')] "next colouring",
            LastColouring [key('C')] "previous colouring",
            Cycle [key(' ')] "cycle the colours, or stop them",
            OffsetOn [key('.')] "shift the colours forward",
            OffsetBack [key(',')] "shift the colours back",
            Denser [key('k')] "denser colours",
            Sparser [key('K')] "sparser colours",
        },
    },
    Group {
        name: "Keep",
        bindings: bind! {
            Save [key('s')] "save the picture with its scene",
            SaveAs [key('S')] "save it at any size and samples",
            Print [key('l')] "print the scene as a command line",
            Help [key('h'), key('H'), key('?'), Trigger::Key(Key::F1)] "show or hide this help",
            Quit [key('q'), key('Q'), Trigger::Key(Key::Escape)] "quit",
        },
    },
];

/// What a key or a gesture does.
pub fn action(trigger: Trigger) -> Option<Action> {
    let mut bindings = GROUPS.iter().flat_map(|group| group.bindings);
    bindings.find(|binding| binding.triggers.contains(&trigger)).map(|binding| binding.action)
}

impl Trigger {
    /// Its name, for display.
    pub fn name(self) -> String {
        let fixed = match self {
            Trigger::Key(Key::Char(' ')) => "Space",
            Trigger::Key(Key::Char(c)) => return c.to_string(),
            Trigger::Key(Key::PageUp) => "Page Up",
            Trigger::Key(Key::PageDown) => "Page Down",
            Trigger::Key(Key::Escape) => "Esc",
            Trigger::Key(key) => return format!("{key:?}"),
            Trigger::Mouse(Gesture::WheelUp) => "wheel up",
            Trigger::Mouse(Gesture::WheelDown) => "wheel down",
            Trigger::Mouse(Gesture::Drag) => "drag",
            Trigger::Mouse(Gesture::OtherDrag) => "right or Shift drag",
            Trigger::Mouse(Gesture::DoubleClick) => "double click",
        };
        fixed.into()
    }
}

impl KeyBinding {
    /// The names of its triggers: a letter in both cases counts once.
    pub fn names(&self) -> Vec<String> {
        let other_case = |c: char| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        let twin = |trigger: &Trigger| match trigger {
            Trigger::Key(Key::Char(c)) if c.is_ascii_lowercase() => {
                self.triggers.contains(&Trigger::Key(Key::Char(other_case(*c))))
            }
            _ => false,
        };
        self.triggers.iter().filter(|trigger| !twin(trigger)).map(|trigger| trigger.name()).collect()
    }
}

/// The table in Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| Keys | What they do |\n| --- | --- |\n");
    for group in GROUPS {
        text += &format!("| **{}** | |\n", group.name);
        for binding in group.bindings {
            let names: Vec<_> = binding.names().iter().map(|name| format!("`{name}`")).collect();
            text += &format!("| {} | {} |\n", names.join(" "), binding.help);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_does_two_things_and_no_action_stands_twice() {
        let bindings = || GROUPS.iter().flat_map(|group| group.bindings);
        let mut triggers = HashSet::new();
        let mut actions = HashSet::new();
        for binding in bindings() {
            assert!(actions.insert(binding.action), "{:?}", binding.action);
            assert!(!binding.help.is_empty());
            for trigger in binding.triggers {
                assert!(triggers.insert(*trigger), "{trigger:?}");
                assert_eq!(action(*trigger), Some(binding.action));
            }
        }
        assert_eq!(action(Trigger::Key(Key::Char('~'))), None);
    }

    #[test]
    fn the_names_are_those_on_keyboards() {
        let text = markdown();
        for line in ["| `h` |", "| `q` `Esc` | quit |", "| `+` `=` |", "| `Space` |", "| `right or Shift drag` |"] {
            let line = line.replace("`h` |", "`H` `?` `F1` |").replace("`q`", "`Q`");
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
}
