//! Keys and values, in TOML, in JSON and on the command line.

use super::*;

#[test]
fn scenes_survive_every_form() {
    for scene in [full(), Scene::default()] {
        assert_eq!(Scene::from_toml(&scene.to_toml()).unwrap(), scene);
        assert_eq!(Scene::from_json(&scene.to_json()).unwrap(), scene);
        assert_eq!(Scene::from_bytes(scene.to_toml().as_bytes()).unwrap(), scene);
        assert_eq!(Scene::from_bytes(scene.to_json().as_bytes()).unwrap(), scene);
    }
    assert!(full().to_toml().contains("re = \"-0.743643887037151000000000000000000000001\""));
}

#[test]
fn pictures_are_scenes() {
    let folder = Folder::new();
    for format in ["png", "exr"] {
        // The name of the file says nothing: content decides.
        let path = folder.file("some.toml", &picture(&plain(), format));
        assert_eq!(Scene::load(&path).unwrap(), plain(), "{format}");
    }
}

#[test]
fn every_key_can_be_set_and_no_other() {
    let mut table = toml::Table::try_from(full()).unwrap();
    let zoom = toml::Table::try_from(Scene::from_toml("[view]\nzoom = \"7e3\"").unwrap()).unwrap();
    table["view"].as_table_mut().unwrap().insert("zoom".into(), zoom["view"]["zoom"].clone());
    let mut names = BTreeSet::new();
    let mut scene = Scene::default();
    for (name, value) in &table {
        for (name, value) in match value.as_table() {
            Some(table) => table.iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect(),
            None => vec![(name.clone(), value)],
        } {
            // As a file has it, and bare.
            for value in [value.to_string(), value.as_str().map_or(value.to_string(), String::from)] {
                scene.set(&format!("{name}={value}")).unwrap();
            }
            names.insert(name);
        }
    }
    assert_eq!(names, KEYS.iter().map(|key| key.name.to_string()).collect());
    scene.set("view.width=5.1e-5").unwrap();
    assert_eq!(scene, full());
}

#[test]
fn values_are_typed_as_people_do() {
    let mut scene = Scene::default();
    for assignment in ["size=640x480", "max=5000", "re = -0.5", "julia=-0.8, 0.156", "quality=draft"] {
        scene.set(assignment).unwrap();
    }
    assert_eq!(scene.image.size, (640, 480));
    assert_eq!(scene.iteration.max, MaxIterations::Count(5000));
    assert_eq!(scene.view.re.as_ref().unwrap().as_str(), "-0.5");
    assert_eq!(scene.julia.as_ref().unwrap()[1].as_str(), "0.156");
    assert_eq!(scene.iteration.quality, Quality::Draft);
    scene.set("zoom=1e3").unwrap();
    scene.set("width=0.1").unwrap();
    assert_eq!((&scene.view.zoom, scene.view().extent), (&None, Extent::Width("0.1".parse().unwrap())));
    for assignment in ["julia=none", "max=auto", "name=", "size=[640,480]"] {
        scene.set(assignment).unwrap();
    }
    assert_eq!((&scene.julia, scene.iteration.max), (&None, MaxIterations::Auto));
    for (typed, size) in [
        ("4K", (3840, 2160)),
        ("8k", (7680, 4320)),
        ("1080p", (1920, 1080)),
        ("2560", (2560, 1440)),
        ("300x200", (300, 200)),
        ("1500", (1500, 1000)),
        ("1", (1, 1)),
    ] {
        scene.set(&format!("size={typed}")).unwrap();
        assert_eq!(scene.image.size, size, "{typed}");
    }
}

#[test]
fn what_cannot_be_set_is_reported() {
    let huge = "7".repeat(200_000);
    let cases = [
        ("", "`` sets nothing: it must be `key=value`, for example `iteration.max=5000`"),
        ("max", "`max` sets nothing"),
        ("depth=5", "there is no key `depth` in a scene; the keys are version, name"),
        ("view=1", "there is no key `view`"),
        ("max=-1", "`iteration.max` cannot be `-1`: it must be a whole number from 1 to 9007199254740992, or auto"),
        ("max=0", "`iteration.max` is 0, but must be 1 to 9007199254740992, or \"auto\""),
        ("max=5e3", "cannot be `5e3`"),
        ("size=5x", "`image.size` cannot be `5x`: it must be width and height in pixels such as 1920x1080"),
        ("size=0x5", "`image.size` is 0x5, but both must be at least 1"),
        ("size=4294967296x5", "`image.size` cannot be `4294967296x5`"),
        ("size=4294967295x1", "their product at most"),
        ("samples=0", "`image.samples` is 0, but must be 1 to 16"),
        (
            "crop=1,2,3x-4",
            "`image.crop` cannot be `1,2,3x-4`: it must be column, row and size such as 100,50,640x360, or none",
        ),
        ("re=NaN", "`view.re`: `NaN` is not a decimal number such as -0.75 or 5.1e-5"),
        ("re=inf", "`view.re`: `inf` is not a decimal number"),
        ("re=1e100", "`view.re` is out of range: its absolute value must be below 1e100"),
        (&format!("im={huge}"), "`view.im`: a number of 200000 digits is too long: at most 100000 are allowed"),
        ("width=0", "`view.width` is out of range: it must be above 0"),
        ("width=-1", "`view.width` is out of range"),
        ("zoom=0.0", "`view.zoom` is out of range"),
        ("rotation=NaN", "`view.rotation` is NaN, but must be -1000000 to 1000000"),
        ("rotation=left", "`view.rotation` cannot be `left`: it must be degrees such as 45"),
        ("julia=1", "`julia` cannot be `1`: it must be two decimal numbers such as -0.8,0.156, or none"),
        ("julia=1,x", "`julia`: `x` is not a decimal number"),
        ("quality=best", "`iteration.quality` cannot be `best`: it must be draft, normal or exact"),
        ("escape_radius=1", "`iteration.escape_radius` is 1, but must be more than 1"),
        ("escape_radius=inf", "`iteration.escape_radius` is inf"),
        ("version=2", "`version` is 2, but only scenes of version 1 are supported"),
        ("power=9", "`power` is 9, but must be 2 for formula `mandelbrot`"),
        ("formula=newton", "unknown formula `newton`"),
        ("palette=mud", "palette"),
        ("title=a\nb", "`title` must be one line"),
    ];
    for (assignment, sentence) in cases {
        let mut scene = Scene::default();
        let error = scene.set(assignment).unwrap_err();
        assert!(matches!(error, Error::Usage(_)));
        let message = error.to_string();
        assert!(message.contains(sentence), "`{assignment}` gives {message}");
        assert!(message.len() < 700 && !message.contains('\n'), "{message}");
        assert_eq!(scene, Scene::default());
    }
}

/// Each text is refused with a message that has this in it.
fn each_is_told(cases: &[(&str, &str)], read: impl Fn(&str) -> fractal::Result<Scene>) {
    for (text, sentence) in cases {
        let message = fault(read(text));
        assert!(message.contains(sentence), "{text:.80} gives: {message}");
    }
}

#[test]
fn wrong_toml_is_reported_with_its_place() {
    let huge = format!("[view]\nre = \"{}\"", "7".repeat(200_000));
    let deep = format!("julia = {}", "[".repeat(10_000));
    let cases = [
        (
            "version = 1\nformla = \"celtic\"",
            "line 2, column 1: unknown key `formla`, expected one of `version`, `name`",
        ),
        ("[view]\nre = \"0\"\nzom = \"1\"", "line 3, column 1: unknown key `zom`, expected one of `re`, `im`, `width`"),
        ("[camera]\n", "line 1, column 2: unknown key `camera`"),
        ("power = \"five\"", "line 1, column 9: invalid type: string \"five\", expected a whole number"),
        ("[image]\nsize = [5]", "expected a list of two numbers"),
        ("[image]\nsize = [0, 5]", "`image.size` is 0x5, but both must be at least 1"),
        ("[image]\nsize = [4294967296, 5]", "line 2, column 9: invalid value: integer `4294967296`"),
        ("[image]\nsize = \"5x5\"", "line 2, column 8: invalid type: string \"5x5\", expected a list of two numbers"),
        ("[image]\nsamples = 1.5", "expected a whole number"),
        (
            "[iteration]\nmax = \"many\"",
            "line 2, column 7: invalid value: string \"many\", expected a whole number from 1",
        ),
        ("[iteration]\nmax = -5", "expected a whole number from 1 to 9007199254740992, or \"auto\""),
        ("[iteration]\nmax = 99999999999999999999", "expected a whole number from 1 to 9007199254740992, or \"auto\""),
        ("[iteration]\nquality = \"best\"", "unknown name `best`, expected one of `draft`, `normal`, `exact`"),
        ("[iteration]\nescape_radius = nan", "`iteration.escape_radius` is NaN"),
        ("julia = [\"1\"]", "expected a list of two numbers"),
        ("julia = [\"1\", \"2\", \"3\"]", "line 1, column 9: invalid length 3, expected a list of two numbers"),
        ("julia = \"1,2\"", "expected a list of two numbers"),
        ("[view]\nre = \"0,5\"", "line 2, column 6: `0,5` is not a decimal number such as -0.75 or 5.1e-5"),
        ("[view]\nre = nan", "`NaN` is not a decimal number"),
        ("[view]\nre = inf", "`inf` is not a decimal number"),
        ("[view]\nre = true", "expected a decimal number in quotes"),
        ("[view]\nre = [\"1\"]", "expected a decimal number in quotes"),
        ("[view]\nre = 0.12345678901234567", "more digits than a plain number keeps; write it in quotes"),
        ("[view]\nre = -0.75000000000000000001", "`view.re`: -0.75000000000000000001 has more digits"),
        ("julia = [0.25, 1.0000000000000000000]", "`julia`: 1.0000000000000000000 has more digits"),
        ("[view]\nwidth = \"1\"\nzoom = \"1\"", "`view.width` and `view.zoom` are both given"),
        ("[view]\nwidth = \"-3\"", "`view.width` is out of range: it must be above 0 and below 1e100"),
        ("name = \"a\\nb\"", "`name` must be one line of at most 1000 bytes"),
        ("version = 1\nversion = 1", "line 2, column 1: duplicate key"),
        ("version = ", "line 1, column 11: "),
        ("formula", "line 1, column 8: "),
        ("\"", "line 1, column "),
        (&huge, "line 2, column 6: a number of 200000 digits is too long"),
        (&deep, "line 1, column "),
    ];
    each_is_told(&cases, Scene::from_toml);
}

#[test]
fn wrong_json_is_reported_with_its_place() {
    let deep = format!("{{\"view\":{}", "{\"re\":".repeat(10_000));
    let cases = [
        ("", "line 1, column 0: "),
        ("{", "line 1, column 1: EOF"),
        ("[1]", "line 1, column "),
        ("{}}", "line 1, column 3: trailing characters"),
        ("{\n \"formla\": 1}", "line 2, column 9: unknown key `formla`, expected one of `version`"),
        ("{\"version\":1,\"version\":1}", "duplicate key `version`"),
        ("{\"image\":{\"size\":[0,1]}}", "`image.size` is 0x1"),
        ("{\"image\":{\"size\":4}}", "expected a list of two numbers"),
        ("{\"view\":{\"re\":1e999}}", "line 1, column "),
        ("{\"view\":{\"re\":-0.75000000000000000001}}", "`view.re`: -0.75000000000000000001 has more digits"),
        ("{\"view\":{\"re\":null, \"width\":\"x\"}}", "`x` is not a decimal number"),
        (&deep, "line 1, column "),
    ];
    each_is_told(&cases, Scene::from_json);
}

#[test]
fn plain_numbers_are_taken_where_nothing_is_lost() {
    let scene = Scene::from_toml("julia = [-0.8, 1]\n[view]\nre = -0.75\nim = 0\nwidth = 5.1e-5").unwrap();
    let json = "{\"julia\":[-0.8,1],\"view\":{\"re\":-0.75,\"im\":0,\"width\":5.1e-5}}";
    assert_eq!(Scene::from_json(json).unwrap(), scene);
    let same = |decimal: &Option<Decimal>, text: &str| {
        assert_eq!(decimal.as_ref().unwrap().to_f64(), text.parse::<f64>().unwrap());
    };
    same(&scene.view.re, "-0.75");
    same(&scene.view.im, "0");
    same(&scene.view.width, "5.1e-5");
    assert_eq!(scene.julia.unwrap()[0].as_str(), "-0.8");
}

#[test]
fn the_fault_that_comes_first_in_a_file_is_reported() {
    for (text, place, what) in [
        ("zzz = 1\naaa = 2\n", "line 1, column 1", "`zzz`"),
        ("aaa = 1\nzzz = 2\n", "line 1, column 1", "`aaa`"),
        ("zzz = 1\npower = \"two\"\n", "line 1, column 1", "`zzz`"),
        ("power = \"two\"\naaa = 1\n", "line 1, column 9", "\"two\""),
        ("zzz = 1\n[view]\naaa = 2\n", "line 1, column 1", "`zzz`"),
        ("[view]\nzzz = 1\naaa = 2\n", "line 2, column 1", "`zzz`"),
        ("[view]\naaa = 2\n[foo]\nb = 1\n", "line 2, column 1", "`aaa`"),
        ("[image]\nzzz = 1\n[colour]\naaa = 2\n", "line 2, column 1", "`zzz`"),
        ("[view]\nre = true\n[image]\nsamples = true\n", "line 2, column 6", "true"),
        ("[image]\nsamples = true\n[view]\nre = true\n", "line 2, column 11", "true"),
        ("view.zzz = 1\nformula = 2\nview.aaa = 3\n", "line 1, column 6", "`zzz`"),
        ("[zzz]\n[view]\naaa = 1\n", "line 1, column 2", "`zzz`"),
        ("view = 1\naaa = 1\n", "line 1, column 8", "integer"),
    ] {
        let error = Scene::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(what), "{text:?}: {error}");
    }
    for (text, what) in
        [("{\"zzz\": 1,\n\"aaa\": 2}", "`zzz`"), ("{\"view\": {\"zzz\": 1,\n\"aaa\": 2}, \"aaa\": 1}", "`zzz`")]
    {
        let error = Scene::from_json(text).unwrap_err().to_string();
        assert!(error.contains("line 1, ") && error.contains(what), "{text:?}: {error}");
    }
}

#[test]
fn numbers_are_quoted_as_short_as_they_can_be_read() {
    for text in ["1e300", "-1e300", "1e-300", "1e17", "1234567.5", "inf", "nan"] {
        for key in
            ["view.rotation", "iteration.escape_radius", "colour.density", "colour.offset", "iteration.max", "version"]
        {
            let file = format!("{key} = {text}\n");
            // Some of them are allowed.
            let outcomes = [Scene::from_toml(&file).err(), Scene::default().set(&format!("{key}={text}")).err()];
            for error in outcomes.into_iter().flatten().map(|error| error.to_string()) {
                assert!(error.len() < 200 && !error.contains("00000000"), "{file}: {error}");
            }
        }
    }
    let error = Scene::from_toml("view.rotation = 1e300").unwrap_err().to_string();
    assert!(error.contains("`view.rotation` is 1e300, but must be"), "{error}");
    let error = Scene::from_toml("version = 1e300").unwrap_err().to_string();
    assert!(error.contains("floating point `1e300`, expected a whole number"), "{error}");
    let error = Scene::from_toml("iteration.escape_radius = 1.0").unwrap_err().to_string();
    assert!(error.contains("`iteration.escape_radius` is 1, but must be"), "{error}");
}
