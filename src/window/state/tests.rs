//! How events change the state.

use super::*;
use crate::backend;
use crate::parallel::Schedule;
use crate::scene::MaxIterations;

fn state() -> State {
    let workforce = Workforce {
        backend: backend::find("threads").unwrap(),
        workers: 2,
        schedule: Schedule::AUTO,
        program: backend::Program::default(),
    };
    State::new(Scene::load("seahorses").unwrap(), (640, 400), workforce)
}

fn after(state: &mut State, seconds: f64, events: &[Event]) -> Effects {
    let mut effects = Effects::default();
    for event in events {
        state.handle(*event, Duration::from_secs_f64(seconds), &mut effects);
    }
    effects
}

#[test]
fn the_wheel_keeps_the_point_under_the_pointer() {
    let mut state = state();
    for (x, y) in [(0, 0), (639, 399), (311, 7)] {
        after(&mut state, 0.0, &[Event::Moved(x, y)]);
        let before = state.pointed();
        let spacing = state.scene().view().spacing(640, 400);
        let effects = after(&mut state, 0.0, &[Event::Wheel(5), Event::Wheel(-3)]);
        assert!(effects.view);
        let apart = |a: &Decimal, b: &Decimal| {
            use crate::number::ExactDecimal;
            (&ExactDecimal::from_decimal(a) - &ExactDecimal::from_decimal(b)).over(&ExactDecimal::new(1, 0)).abs()
                / spacing
        };
        for (a, b) in before.iter().zip(&state.pointed()) {
            assert!(apart(a, b) < 1e-9, "{a} {b}");
        }
    }
}

#[test]
fn a_drag_moves_by_the_pixels_that_the_pointer_did() {
    let mut state = state();
    let old = state.place.clone();
    let moves =
        [Event::Moved(100, 100), Event::Pressed(Button::Left, false), Event::Moved(90, 130), Event::Moved(81, 133)];
    after(&mut state, 0.0, &moves);
    assert_eq!(state.place.exact_shift(state.size, &old, state.size), Some((19, -33)));
    after(&mut state, 0.0, &[Event::Released(Button::Left), Event::Moved(0, 0)]);
    assert_eq!(state.place.exact_shift(state.size, &old, state.size), Some((19, -33)));
}

#[test]
fn a_double_click_centres_and_two_clicks_do_not() {
    let click = [Event::Pressed(Button::Left, false), Event::Released(Button::Left)];
    let mut state = state();
    let old = state.place.clone();
    after(&mut state, 1.0, &[Event::Moved(500, 50)]);
    after(&mut state, 1.0, &click);
    assert!(!after(&mut state, 2.0, &click).view);
    after(&mut state, 2.1, &[Event::Moved(520, 50)]);
    assert!(!after(&mut state, 2.2, &click).view, "too far away");
    assert!(after(&mut state, 2.4, &click).view);
    assert_eq!(state.place.exact_shift(state.size, &old, state.size), Some((520 - 320, 50 - 200)));
    assert!(!after(&mut state, 2.5, &click).view, "the third click is a first one");
}

#[test]
fn a_box_is_drawn_with_the_right_button_or_with_shift() {
    for (button, shift) in [(Button::Right, false), (Button::Left, true)] {
        let mut state = state();
        let old = state.place.clone();
        after(&mut state, 0.0, &[Event::Moved(100, 100), Event::Pressed(button, shift), Event::Moved(259, 199)]);
        assert_eq!(state.hold, Some(Hold::Box((100, 100))));
        assert_eq!(state.place, old);
        assert!(after(&mut state, 0.0, &[Event::Released(button)]).view);
        assert!((state.place.scale_from(&old) - 0.25).abs() < 1e-6);
        assert_eq!(state.hold, None);
    }
}

#[test]
fn a_place_that_was_opened_is_shown_as_it_is() {
    let state = state();
    let (scene, shown) = (Scene::load("seahorses").unwrap(), state.scene());
    assert_eq!(shown.view.width, scene.view.width);
    assert_eq!((shown.view.re, shown.view.im), (scene.view.re, scene.view.im));
}

#[test]
fn iterations_go_up_and_down_and_follow_the_view() {
    let mut state = state();
    let keys = |keys: &str| keys.chars().map(|c| Event::Key(super::super::Key::Char(c))).collect::<Vec<_>>();
    let auto = state.scene().max_iterations();
    after(&mut state, 0.0, &keys("i"));
    assert_eq!(state.scene().iteration.max, MaxIterations::Count(auto + auto / 2));
    after(&mut state, 0.0, &keys("IIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII"));
    assert!(state.scene().max_iterations() >= 2);
    after(&mut state, 0.0, &keys("iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"));
    assert!(state.scene().check().is_ok());
    after(&mut state, 0.0, &keys("a"));
    after(&mut state, 0.0, &[Event::Wheel(20)]);
    assert!(state.scene().max_iterations() > auto);
}

#[test]
fn colours_stay_in_their_range() {
    let mut state = state();
    let keys = [',', 'k', '.', 'K'].map(|c| Event::Key(super::super::Key::Char(c)));
    for key in keys {
        after(&mut state, 0.0, &vec![key; 300]);
        assert!(state.scene().check().is_ok(), "{:?}", state.colour());
    }
    assert!((0.0..1.0).contains(&state.colour().offset));
}

#[test]
fn schedules_are_those_of_the_backend() {
    let mut state = state();
    let press = |state: &mut State, c| after(state, 0.0, &[Event::Key(super::super::Key::Char(c))]);
    for key in "dbdbdbdDBDBdbddd".chars() {
        assert!(press(&mut state, key).again);
        let Workforce { backend, schedule, .. } = &state.workforce;
        assert!(backend.schedules.iter().any(|honoured| honoured.serves(*schedule)), "{} {schedule}", backend.name);
    }
    for (key, workers) in [('w', 3), ('W', 2), ('W', 1), ('W', 1)] {
        press(&mut state, key);
        assert_eq!(state.workforce.workers, workers);
    }
}

#[test]
fn a_title_belongs_to_what_it_describes() {
    let mut state = state();
    let titled = |state: &State| (state.scene().name.is_some(), state.scene().title.is_some());
    let key = |c| Event::Key(super::super::Key::Char(c));
    assert_eq!(titled(&state), (true, true));
    // Colours, samples, iterations and the window's size do not matter.
    after(&mut state, 0.0, &[key('p'), key('x'), key('i'), Event::Resized(333, 201)]);
    assert_eq!(titled(&state), (true, true));
    for (c, back) in [('+', true), ('f', true), ('J', true), ('r', true)] {
        after(&mut state, 1.0, &[key(c)]);
        assert_eq!(titled(&state), (false, false), "{c}");
        after(&mut state, 2.0, &[key('[')]);
        assert_eq!(titled(&state), (back, back), "{c}");
    }
}

#[test]
fn the_panel_says_where_the_window_is() {
    let mut state = state();
    let lines = state.summary();
    assert_eq!(lines[1..3], ["re -0.7467", "im 0.1097"]);
    assert!(lines[3].starts_with("width 0.0118, "), "{lines:?}");
    after(&mut state, 0.0, &[Event::Moved(13, 17), Event::Wheel(60)]);
    let lines = state.summary();
    // To a tenth of a pixel, which is not all that the scene says.
    assert!(lines[1..3].iter().all(|line| (10..20).contains(&line.len())), "{lines:?}");
}
