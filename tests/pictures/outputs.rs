//! How a file appears: complete or not at all, under its own name.

use super::*;

#[test]
fn a_file_appears_only_when_it_is_complete() {
    for format in OUTPUTS {
        let directory = Directory::new(&format!("complete-{}", format.name));
        let path = directory.path("picture");
        fs::write(&path, "what was there before").unwrap();
        let image = Image::new(40, 40, 16, Order::Rows, ALL);
        let options = || image.options(1, Depth::Eight, &ColourSettings::default());
        let sink = || ImageSink::new(format, Output::create(&path).unwrap(), options()).unwrap();

        // Never started; stopped before the end; finished too early; complete.
        drop(sink());
        let stopped = sink();
        stopped.start(&RunInfo { pieces: 9, workers: 1, backend: "test", unit: "iterations", piece: "tile" }).unwrap();
        stopped.done(&image.done(0, &image.piece(0), &[1])).unwrap();
        assert_eq!(directory.names().len(), 2);
        drop(stopped);
        assert!(image.deliver(&sink(), &[0, 1, 2, 5]).is_err());
        assert_eq!(directory.names(), ["picture"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "what was there before");
        image.deliver(&sink(), &image.in_order()).unwrap();
        assert_eq!(directory.names(), ["picture"]);
        assert!(fs::read(&path).unwrap() == image.file(format, options(), &image.in_order()), "{}", format.name);
    }
}

/// Large enough that writing fails before the end.
fn fail(path: &Path, format: &'static Format, before: impl FnOnce()) -> Error {
    let image = Image::new(600, 600, 20, Order::Rows, ALL);
    let options = image.options(1, Depth::Sixteen, &ColourSettings::default());
    let sink = ImageSink::new(format, Output::create(path).unwrap(), options).unwrap();
    before();
    image.deliver(&sink, &image.in_order()).unwrap_err()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_closed_pipe_end_the_run() {
    for format in OUTPUTS {
        let error = fail(Path::new("/dev/full"), format, || ());
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull), "{error}");
        assert!(error.to_string().contains("/dev/full"), "{error}");

        let (reader, writer) = std::io::pipe().unwrap();
        let path = descriptor(&writer);
        let error = fail(&path, format, || drop((reader, writer)));
        assert!(matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::BrokenPipe), "{error}");
    }
}

#[test]
fn unwritable_outputs_are_refused_before_anything_is_computed() {
    let directory = Directory::new("unwritable");
    let file = directory.path("file");
    fs::write(&file, "").unwrap();
    let cases = [
        directory.0.clone(),
        directory.path("missing/picture.png"),
        directory.path("missing/"),
        file.join("picture.png"),
        directory.path(&format!("{}.png", "long".repeat(64))),
    ];
    for path in &cases {
        let error = Output::create(path).unwrap_err();
        assert!(matches!(error, Error::Io { action: "create", .. }), "{}: {error:?}", path.display());
        assert!(error.to_string().contains(&path.display().to_string()));
    }
    assert!(matches!(Output::create(""), Err(Error::Usage(_))));
    assert_eq!(directory.names(), ["file"]);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_survive() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = Directory::new("links");
    let (file, link) = (directory.path("file.ppm"), directory.path("link.ppm"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file.ppm", &link).unwrap();
    let picture = Picture { width: 1, height: 1, pixels: vec![1, 2, 3] };
    picture.save(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"P6\n1 1\n255\n\x01\x02\x03");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    // A name that is as long as names may be leaves no room for an addition.
    let long = directory.path(&format!("{}.ppm", "ä".repeat(125)));
    picture.save(&long).unwrap();
    assert_eq!(directory.names().len(), 3);
}

#[test]
fn two_outputs_of_one_name_do_not_meet() {
    use std::io::Write;
    let directory = Directory::new("twice");
    let path = directory.path("same.ppm");
    let (mut one, mut two) = (Output::create(&path).unwrap(), Output::create(&path).unwrap());
    one.write_all(b"one").unwrap();
    two.write_all(b"two").unwrap();
    assert_eq!(directory.names().len(), 2);
    two.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    one.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    assert_eq!(directory.names(), ["same.ppm"]);
}

#[test]
fn formats_are_chosen_by_ending_or_by_name() {
    let chosen = |path: &str, name: Option<&str>| format_for(path, name).map(|format| format.name);
    assert_eq!(chosen("a.png", None).unwrap(), "png");
    assert_eq!(chosen("a.b/c.EXR", None).unwrap(), "exr");
    assert_eq!(chosen("-", None).unwrap(), "png");
    assert_eq!(chosen("a.png", Some("ppm")).unwrap(), "ppm");
    assert_eq!(chosen("a.png", Some("exr-tiles")).unwrap(), "exr-tiles");
    for (path, name) in [("a.bmp", None), ("png", None), ("", None), ("a.png", Some("bmp")), ("a.png", Some(""))] {
        let error = chosen(path, name).unwrap_err();
        assert!(matches!(error, Error::Usage(_)));
        let known = |format: &Format| if name.is_some() { format.name } else { format.extension };
        assert!(OUTPUTS.iter().all(|format| error.to_string().contains(known(format))), "{error}");
        assert_eq!(error.to_string().matches(".exr").count(), usize::from(name.is_none()), "{error}");
    }
}

#[test]
fn unknown_colours_are_refused_and_known_ones_listed() {
    let refuse = |change: &dyn Fn(&mut ColourSettings)| {
        let mut settings = ColourSettings::default();
        change(&mut settings);
        match Colourer::new(&settings) {
            Err(Error::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let message = refuse(&|s| s.palette = "no\nsuch".into());
    assert!(
        PALETTES.iter().all(|palette| message.contains(palette.name)) && message.contains("`no such`"),
        "{message}"
    );
    let message = refuse(&|s| s.colouring = "x".repeat(10_000_000));
    assert!(COLOURINGS.iter().all(|colouring| message.contains(colouring.name)) && message.len() < 300);
    assert!(refuse(&|s| s.interior = "blue".into()).contains("interior"));
    for bad in [f64::NAN, f64::INFINITY, -1e9] {
        assert!(refuse(&|s| s.density = bad).contains("density"));
        assert!(refuse(&|s| s.offset = bad).contains("offset"));
    }
    for palette in PALETTES {
        Colourer::new(&ColourSettings { palette: palette.name.into(), ..ColourSettings::default() }).unwrap();
    }
}
