use super::*;

/// The recorded figures, but for some that were not recorded on a quiet machine.
fn figures() -> Measured {
    let mut measured = Measured::recorded();
    for figures in measured.backends.values_mut() {
        (figures.metg50, figures.metg90, figures.start) = (Some(1e-6), Some(1e-5), 1e-4);
    }
    measured
}

fn answer(question: &str) -> Answer {
    ask(&question.parse().unwrap(), &figures())
}

#[test]
fn questions_have_their_answers() {
    for (question, model, says) in [
        ("compute,10us,local", "threads", "90 % efficient"),
        ("compute,1ms", "threads", "pieces of 1.0 ms are long enough"),
        ("compute,1ns", "threads", "too short to be taken one at a time"),
        ("compute,1ns,10", "serial", "all 10 pieces take 10 ns together"),
        ("compute,1s,10", "threads", "long enough"),
        ("10ms,crash", "processes", "a worker that is lost costs only the piece"),
        ("compute,1ns,crash", "processes", "too short"),
        ("crash,portable", "processes", "a worker that is lost"),
        ("portable", "pipes", "on every system"),
        ("wait,100", "threads", "can have a thread each"),
        ("wait,1000", "threads", "can have a thread each"),
        ("wait,10000", "tokio", "should share a few threads"),
        ("wait", "tokio", "should share a few threads"),
        ("compute,async", "tokio", "tasks await the answers"),
        ("compute,rayon,1ms", "rayon", "two pools"),
        ("submit", "futures", "a future"),
        ("collect,compute", "channel", "one channel"),
        ("pause,wait", "fibers", "a stack of its own"),
        ("steal", "deque", "on one screen"),
        ("turns", "generators", "nothing can come in between"),
        ("debug", "serial", "nothing else can be at fault"),
        ("commands,100", "commands", "a process for each command"),
        ("compute,1s,machines", "shards", "each machine computes its share"),
        ("queue,1M", "channel", "waits when it is full"),
        ("queue,machines,1e6", "shards", "the parts are merged"),
    ] {
        let answer = answer(question);
        assert_eq!(answer.model, model, "{question}: {answer:?}");
        assert!(answer.because.contains(says), "{question}: {answer:?}");
        assert!(answer.number.chars().any(|c| c.is_ascii_digit()), "{question} has no number: {answer:?}");
        assert!(!answer.source.is_empty() && !answer.run.is_empty(), "{question}: {answer:?}");
        let recorded = ask(&question.parse().unwrap(), &Measured::recorded());
        assert_eq!(recorded.model, model, "{question}, by the recorded figures");
    }
}

#[test]
fn the_figures_decide() {
    assert!(answer("10us").because.contains("90 % efficient") && answer("10us").number.ends_with(": 10 µs"));
    assert!(answer("2us").because.contains("between 50 and 90 %"));
    assert!(answer("0.9us").because.contains("too short"));
    assert_eq!([answer("1us,99").model, answer("1us,100").model], ["serial", "threads"]);
}

#[test]
fn what_is_not_built_is_said() {
    for question in ["machines", "queue"] {
        assert!(answer(question).missing.is_some(), "{question}");
    }
    assert!(answer("compute,1ms").missing.is_none() && answer("commands").missing.is_none());
    assert!(answer("wait,100").missing.is_none() && answer("wait,10000").missing.is_none());
}

#[test]
fn what_is_no_question_is_a_sentence() {
    for (question, says) in [
        (
            "compute,10 parsecs",
            "`10 parsecs` is no part of a question; allowed are the words machines, queue, commands",
        ),
        ("thread", "`thread`"),
        ("computes", "(perhaps you mean `compute`)"),
        ("", "the question is empty; allowed are"),
        (" , ", "the question is empty"),
        ("1us,2us", "has the length of a piece twice; allowed is one"),
        ("3,4", "has a number of pieces twice"),
        ("compute,wait", "either `compute` or `wait`"),
        ("-1us", "`-1us` is no part"),
        ("0", "`0` is no part"),
        ("1.5", "`1.5` is no part"),
        ("NaN", "`NaN` is no part"),
        ("infs", "`infs`"),
    ] {
        let error = question.parse::<Question>().unwrap_err();
        assert!(matches!(error, Error::Usage(_)) && error.to_string().contains(says), "{question}: {error}");
    }
}

#[test]
fn lengths_and_numbers_are_read() {
    let close = |text: &str, expected: f64| (seconds(text).unwrap() / expected - 1.0).abs() < 1e-12;
    assert!(close("10us", 1e-5) && close("2.5ms", 2.5e-3) && close("1µs", 1e-6) && close("3s", 3.0));
    assert!(close("2min", 120.0) && close("1h", 3600.0) && close("7ns", 7e-9));
    assert_eq!([count("1000"), count("10k"), count("1M"), count("1e6")], [Some(1e3), Some(1e4), Some(1e6), Some(1e6)]);
    assert_eq!([time(1.234e-6), time(2e-3), time(56e-9), time(12.0)], ["1.2 µs", "2.0 ms", "56 ns", "12 s"]);
    assert_eq!([bytes(12_345.0), bytes(6e6), bytes(0.0)], ["12 KB", "6.0 MB", "0.0 bytes"]);
}
