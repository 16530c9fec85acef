//! The page of `fractal bench --html` in a real browser, where one is installed: it draws everything, light and dark, and loads nothing.

mod support;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Scratch, left_out};

/// Chromium under one of its names, if it is there.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|program| program.is_file())
}

/// Runs the browser without a window and gives back what it writes.
fn browse(browser: &Path, scratch: &Scratch, arguments: &[&str]) -> String {
    let profile = scratch.join(format!("profile-{}", arguments.len()));
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .current_dir(&**scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("the browser did not end: {arguments:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = std::fs::remove_dir_all(profile);
    reader.join().unwrap().unwrap()
}

/// The colour at the top left, and how many different ones there are.
fn colours(path: &Path) -> ([u8; 3], usize) {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let size = info.color_type.samples();
    let different: std::collections::HashSet<[u8; 3]> =
        pixels[..info.buffer_size()].chunks_exact(size).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    ([pixels[0], pixels[1], pixels[2]], different.len())
}

#[test]
fn a_browser_draws_the_whole_page() {
    let Some(browser) = browser() else {
        return left_out::lacks("the page of `fractal bench` in a browser", "chromium");
    };
    let scratch = Scratch::new("bench-page");
    let run = |arguments: &[&str]| {
        let output = scratch.program(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let small = ["--size", "192x128", "--tile", "16", "--workers", "1,2"];
    let cores =
        ["bench", "--scene", "whole", "--scene", "costly-tail", "--runs", "3", "--json", "c.json", "--html", "c.html"];
    run(&[&cores[..], &small[..]].concat());
    run(&["bench", "overhead", "--quick", "--runs", "1", "--backend", "threads", "--workers", "2", "--json", "o.json"]);
    run(&["bench", "schedules", "whole", "--size", "96x64", "--tile", "16", "--runs", "1", "--json", "s.json"]);
    // As of a machine with a long name, where much was measured.
    let mut cores: serde_json::Value = serde_json::from_slice(&std::fs::read(scratch.join("c.json")).unwrap()).unwrap();
    cores["settings"]["pieces"] = "whole (170), valley (170), exterior (170), costly-tail (170)".repeat(3).into();
    cores["machine"]["processor"] = "a processor with a name as long as those that are sold ".repeat(2).into();
    let name = "the measurements of a machine that has a name.json";
    std::fs::write(scratch.join(name), cores.to_string()).unwrap();
    run(&["bench", "report", name, "c.json", "o.json", "s.json", "-o", "page.html"]);

    let address = |theme: &str| format!("file://{}#{theme}", scratch.join("page.html").display());
    let dom = browse(&browser, &scratch, &["--dump-dom", &address("light")]);
    assert!(dom.contains("data-ready=\"yes\""), "the script ended early");
    let dom = dom.split("<main").nth(1).unwrap().split("</main>").next().unwrap();
    for title in [
        "Side by side",
        "Cores",
        "Timelines",
        "Predictions for other schedules",
        "Overhead of backends",
        "Machine and settings",
    ] {
        assert!(dom.contains(title), "{title}");
    }
    // On a busy machine there are no predictions.
    assert!(dom.matches("<svg").count() >= 4, "{} drawings", dom.matches("<svg").count());
    assert!(dom.matches("<canvas").count() >= 3, "a timeline and two maps");
    assert!(dom.matches("<circle").count() >= 100, "{} points", dom.matches("<circle").count());
    assert!(!dom.contains("NaN") && !dom.contains("undefined"), "a figure is missing");

    // The files have a line of their own each, in the legend too.
    assert!(dom.contains("repeating-linear-gradient"), "legends have no dashes");

    // Nothing is wider than its place, on a phone and on a screen.
    for width in [390, 1280] {
        let frame = format!(
            "<iframe src='page.html#light' style='border:0;width:{width}px;height:900px'></iframe><script>onload = () => {{
                const page = document.querySelector('iframe').contentDocument, root = page.documentElement;
                const places = [root, ...page.querySelectorAll('.scroll, .card')];
                const wide = places.filter(place => place.scrollWidth > place.clientWidth + 1);
                document.body.dataset.wide = 'widths ' + root.clientWidth + ': ' + wide.map(place => place.textContent.slice(0, 40));
            }}</script>"
        );
        std::fs::write(scratch.join("frame.html"), frame).unwrap();
        let frame = format!("file://{}", scratch.join("frame.html").display());
        let dom = browse(&browser, &scratch, &["--allow-file-access-from-files", "--dump-dom", &frame]);
        assert!(dom.contains(&format!("data-wide=\"widths {width}: \"")), "{width}: {dom}");
    }

    for (theme, background) in [("light", [251, 250, 247]), ("dark", [20, 23, 27])] {
        let picture = format!("--screenshot={theme}.png");
        let arguments = [picture.as_str(), "--window-size=1220,3600", &address(theme)];
        browse(&browser, &scratch, &arguments);
        let (corner, different) = colours(&scratch.join(format!("{theme}.png")));
        assert_eq!(corner, background, "{theme}");
        assert!(different > 200, "{theme}: {different} colours");
    }
}
