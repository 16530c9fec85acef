//! Questions to the guide, and the table of rules that answers them.

use super::measured::{Figures, Measured};
use super::models::MODELS;
use crate::error::{Error, Result, perhaps, shorten};
use serde::Serialize;

/// A word of a question, with what it asks for and what answers it.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub help: &'static str,
    /// The model that it asks for; `None` where others decide.
    model: Option<&'static str>,
    /// Why that model.
    why: &'static str,
    /// The figure that decides.
    figure: Figure,
    /// What is not built yet, and what is there instead.
    missing: Option<&'static str>,
}

/// A figure of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Piece,
    Start,
    Memory,
    Metg90,
    Lines,
}

const NOTHING: Need = Need { word: "", help: "", model: None, why: "", figure: Figure::Metg90, missing: None };

/// All words, the most decisive first: the first of a question that names a model decides.
pub const NEEDS: &[Need] = &[
    Need {
        word: "machines",
        help: "on several machines",
        model: Some("shards"),
        why: "each machine computes its share of the picture by itself, and the parts are merged; nothing is sent in between",
        figure: Figure::Start,
        missing: Some(
            "workers on several machines that take pieces one by one; `fractal render --shard` divides beforehand (docs/shards.md)",
        ),
    },
    Need {
        word: "queue",
        help: "jobs that come from a queue",
        model: Some("channel"),
        why: "a bounded channel is a queue inside the program: who fills it waits when it is full",
        figure: Figure::Piece,
        missing: Some("a queue that outlives the program, and that several machines share"),
    },
    Need {
        word: "commands",
        help: "other programs, a test suite perhaps",
        model: Some("commands"),
        why: "a process for each command, so many at once, with a timeout that ends all that it started",
        figure: Figure::Start,
        missing: None,
    },
    Need {
        word: "crash",
        help: "a crash, a kill or a hang must not end everything",
        model: Some("processes"),
        why: "a worker that is lost costs only the piece that it was computing",
        ..NOTHING
    },
    Need {
        word: "portable",
        help: "the same, on any system",
        model: Some("pipes"),
        why: "workers are processes, and pipes are on every system",
        ..NOTHING
    },
    Need {
        word: "pause",
        help: "code deep in nested calls must be able to pause",
        model: Some("fibers"),
        why: "each has a stack of its own, so that whatever it calls can pause",
        figure: Figure::Memory,
        ..NOTHING
    },
    Need {
        word: "async",
        help: "inside an asynchronous runtime",
        model: Some("tokio"),
        why: "tasks await the answers of threads that compute, so that the runtime's own threads never do",
        ..NOTHING
    },
    Need {
        word: "rayon",
        help: "inside a program that uses Rayon",
        model: Some("rayon"),
        why: "two pools of threads would share the processors",
        ..NOTHING
    },
    Need {
        word: "submit",
        help: "tasks arrive one by one, each with a result that somebody awaits",
        model: Some("futures"),
        why: "each call gives a future, and who needs its result awaits it",
        ..NOTHING
    },
    Need {
        word: "collect",
        help: "one thread must receive all results",
        model: Some("channel"),
        why: "finished claims come back through one channel",
        ..NOTHING
    },
    Need {
        word: "steal",
        help: "to study work stealing",
        model: Some("deque"),
        why: "what Rayon does inside can be read on one screen",
        figure: Figure::Lines,
        ..NOTHING
    },
    Need {
        word: "turns",
        help: "several activities on one thread, without locks",
        model: Some("generators"),
        why: "each gives way where it says so, and nothing can come in between",
        figure: Figure::Piece,
        ..NOTHING
    },
    Need {
        word: "debug",
        help: "to debug or to profile",
        model: Some("serial"),
        why: "one thread computes the pieces in order: nothing else can be at fault",
        figure: Figure::Lines,
        ..NOTHING
    },
    Need { word: "compute", help: "pieces compute", ..NOTHING },
    Need { word: "wait", help: "pieces mostly wait, for a network say", ..NOTHING },
    Need { word: "local", help: "on this machine, which is assumed anyway", ..NOTHING },
];

/// From so many on, things that wait are tasks; fewer are threads. A thousand threads cost megabytes, ten thousand also much time.
const MANY: f64 = 1000.0;

/// A question: words, the length of a piece in seconds, and how many there are.
#[derive(Clone, Debug, Default)]
pub struct Question {
    needs: Vec<&'static Need>,
    length: Option<f64>,
    count: Option<f64>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The backend, or the name of what answers it otherwise: `shards`, or the lesson `commands`.
    pub model: &'static str,
    /// Why, in a sentence.
    pub because: String,
    /// The figure that decides.
    pub number: String,
    /// Where it comes from.
    pub source: String,
    /// What to run.
    pub run: String,
    /// What is not built yet.
    pub missing: Option<&'static str>,
}

impl std::str::FromStr for Question {
    type Err = Error;

    /// Words, a length such as `10us` and a number such as `10000`, separated by commas.
    fn from_str(text: &str) -> Result<Self> {
        let mut question = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let twice =
                |what: &str| Error::Usage(format!("the question `{}` has {what} twice; allowed is one", shorten(text)));
            if let Some(need) = NEEDS.iter().find(|need| need.word == word) {
                question.needs.push(need);
            } else if let Some(length) = seconds(word) {
                if question.length.replace(length).is_some() {
                    return Err(twice("the length of a piece"));
                }
            } else if let Some(count) = count(word) {
                if question.count.replace(count).is_some() {
                    return Err(twice("a number of pieces"));
                }
            } else {
                return Err(unknown(word));
            }
        }
        if question.has("compute") && question.has("wait") {
            return Err(Error::Usage(
                "pieces either `compute` or `wait`; ask for what they do most of the time, or for each by itself"
                    .into(),
            ));
        }
        if question.needs.is_empty() && question.length.is_none() && question.count.is_none() {
            return Err(Error::Usage(format!("the question is empty; {}", allowed())));
        }
        Ok(question)
    }
}

fn allowed() -> String {
    let words: Vec<_> = NEEDS.iter().map(|need| need.word).collect();
    format!(
        "allowed are the words {}, a length such as 10us or 2ms, and a number such as 10000, with commas between",
        words.join(", ")
    )
}

fn unknown(word: &str) -> Error {
    let perhaps = perhaps(word, NEEDS.iter().map(|need| need.word));
    Error::Usage(format!("`{}`{perhaps} is no part of a question; {}", shorten(word), allowed()))
}

/// A length of time with its unit.
fn seconds(text: &str) -> Option<f64> {
    let units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("min", 60.0), ("s", 1.0), ("h", 3600.0)];
    let (number, scale) = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    let seconds = number.trim().parse::<f64>().ok()? * scale;
    (seconds > 0.0 && seconds <= 1e9).then_some(seconds)
}

/// How many there are; a million is `1000000`, `1e6` or `1M`.
fn count(text: &str) -> Option<f64> {
    let (number, scale) = match (text.strip_suffix('k'), text.strip_suffix('M')) {
        (Some(number), _) => (number, 1e3),
        (_, Some(number)) => (number, 1e6),
        _ => (text, 1.0),
    };
    let count = number.parse::<f64>().ok()? * scale;
    ((1.0..=1e15).contains(&count) && count.fract() == 0.0).then_some(count)
}

impl Question {
    fn has(&self, word: &str) -> bool {
        self.needs.iter().any(|need| need.word == word)
    }
}

/// Answers a question by the rules and the figures.
pub fn ask(question: &Question, measured: &Measured) -> Answer {
    let missing = question.needs.iter().find_map(|need| need.missing);
    let decided = NEEDS.iter().filter(|need| question.has(need.word)).find(|need| need.model.is_some());
    let mut answer = match decided {
        Some(need) => by_need(need, measured),
        None if question.has("wait") => waiting(question.count, measured),
        None => Answer {
            model: "threads",
            because: "threads share memory, wait for the next run, and honour every schedule".into(),
            ..figure("threads", Figure::Metg90, measured)
        },
    };
    if measured.backends.contains_key(answer.model) && !question.has("wait") {
        by_length(question, &mut answer, measured);
    }
    Answer { missing: missing.or(answer.missing), ..answer }
}

fn by_need(need: &Need, measured: &Measured) -> Answer {
    let model = need.model.unwrap_or("threads");
    // What is no backend starts a process for each of its pieces, as `pipes` does.
    let measured_as = if MODELS.iter().any(|conduct| conduct.name == model) { model } else { "pipes" };
    let run = match model {
        "shards" => "fractal render jewel --shard 1/2 -o one.part".into(),
        "commands" => "cargo run --release --example lessons -- commands".into(),
        _ => format!("fractal render jewel --backend {model}"),
    };
    Answer { model, because: need.why.into(), run, ..figure(measured_as, need.figure, measured) }
}

/// Things that wait: what matters is how many there are.
fn waiting(count: Option<f64>, measured: &Measured) -> Answer {
    let each = measured.of("threads").memory.unwrap_or(0.0);
    let many = count.unwrap_or(MANY + 1.0);
    let number = format!("{many} threads would take {}", bytes(each * many));
    let known = figure("threads", Figure::Memory, measured);
    if many <= MANY {
        let because = format!("up to {MANY} things that wait can have a thread each, which is the simplest program");
        let run = "fractal bench waiting --connections 1000 --model thread-each".into();
        return Answer { model: "threads", because, number, run, ..known };
    }
    let because = format!(
        "more than {MANY} things that wait should share a few threads: a task costs its state, a thread its stack"
    );
    let run = "fractal bench waiting --connections 10000 --model tokio".into();
    Answer { model: "tokio", because, number, run, ..known }
}

/// What the length of a piece and their number say about the model that was chosen.
fn by_length(question: &Question, answer: &mut Answer, measured: &Measured) {
    let model = answer.model;
    let Figures { start, metg50, metg90, .. } = measured.of(model);
    let Some(length) = question.length else { return };
    if let Some(count) = question.count
        && length * count < start * (1.0 - 1e-9)
        && model == "threads"
    {
        let because =
            format!("all {count} pieces take {} together, less than starting threads does", time(length * count));
        let run = "fractal render jewel --backend serial".into();
        *answer = Answer { model: "serial", because, run, ..figure("threads", Figure::Start, measured) };
        return;
    }
    // What is typed in microseconds is rounded when it becomes seconds.
    let reaches = |least: f64| length >= least * (1.0 - 1e-9);
    let because = match (metg50, metg90) {
        (_, Some(most)) if reaches(most) => {
            format!("{}; pieces of {} are long enough to keep it 90 % efficient", answer.because, time(length))
        }
        (Some(half), _) if reaches(half) => format!(
            "{}; pieces of {} keep it between 50 and 90 % efficient, one at a time: several in a claim are better",
            answer.because,
            time(length)
        ),
        _ => format!(
            "{}; pieces of {} are too short to be taken one at a time: make larger ones, or let `--schedule auto` group them",
            answer.because,
            time(length)
        ),
    };
    let figure = figure(model, Figure::Metg90, measured);
    *answer = Answer { because, number: figure.number, source: figure.source, ..answer.clone() };
}

/// An answer of which only the figure of `model` is known.
fn figure(model: &'static str, figure: Figure, measured: &Measured) -> Answer {
    let Figures { piece, start, metg90, memory, .. } = measured.of(model);
    let known = |length: Option<f64>| length.map_or("none that was measured".into(), time);
    let number = match figure {
        Figure::Piece => format!("an empty piece costs {} with {model}", time(piece)),
        Figure::Start => format!("starting {} of {model} takes {}", workers(model, measured), time(start)),
        Figure::Memory => format!("each further worker of {model} takes {}", bytes(memory.unwrap_or(0.0))),
        Figure::Metg90 => format!("the shortest pieces that keep {model} 90 % efficient: {}", known(metg90)),
        Figure::Lines => {
            let lines = MODELS.iter().find(|conduct| conduct.name == model).map_or(0, |conduct| conduct.lines);
            return Answer {
                number: format!("{lines} lines of code in src/backend/{model}.rs"),
                source: "counted when the program was compiled".into(),
                ..empty(model)
            };
        }
    };
    let busy = if measured.busy { ", while other programs used the processors" } else { "" };
    let source = format!("{}, on {}{busy}", measured.command(), measured.machine);
    Answer { number, source, ..empty(model) }
}

fn empty(model: &'static str) -> Answer {
    let run = format!("fractal render jewel --backend {model}");
    Answer { model, because: String::new(), number: String::new(), source: String::new(), run, missing: None }
}

fn workers(model: &str, measured: &Measured) -> String {
    let count = if measured.of(model).memory.is_some() { measured.workers } else { 1 };
    if count == 1 { "1 worker".into() } else { format!("{count} workers") }
}

/// A duration with two digits and its unit.
pub(super) fn time(seconds: f64) -> String {
    let units = [("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)];
    let (unit, scale) = units.into_iter().find(|(_, scale)| seconds >= 0.995 * scale).unwrap_or(units[3]);
    two_digits(seconds / scale, unit)
}

/// An amount of memory with two digits and its unit.
pub(super) fn bytes(bytes: f64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("bytes", 1.0)];
    let (unit, scale) = units.into_iter().find(|(_, scale)| bytes >= 0.995 * scale).unwrap_or(units[3]);
    two_digits(bytes / scale, unit)
}

fn two_digits(value: f64, unit: &str) -> String {
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests;
