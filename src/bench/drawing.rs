//! Runs side by side as one SVG picture: a map of who computed which piece, and below it who computed when, on one axis for all; and the
//! page around a drawing.
//!
//! SVG, since a picture for a page of text should be sharp at every size, and is a few kilobytes: all pieces of a worker are one path.

use super::timeline::Panel;
use crate::colour::distinct;
use std::fmt::Write as _;

/// How many panels stand in a row at most.
const ROW: usize = 4;
/// The width of a panel and the space between two, in units of the picture.
const WIDTH: f64 = 240.0;
const GAP: f64 = 20.0;
/// The height of the title, of a worker's row, and of the line below all.
const TITLE: f64 = 40.0;
const FOOT: f64 = 22.0;
/// The lightness of workers' colours, which is that of a map of owners.
const LIGHTNESS: f64 = 0.74;

/// Draws `panels`. Time goes from the left to the right, equally fast in all of them.
pub fn svg(panels: &[Panel]) -> String {
    let longest = panels.iter().map(|panel| panel.line.wall).fold(f64::MIN_POSITIVE, f64::max);
    let columns = panels.len().clamp(1, ROW);
    // With more than four, rows of equal length look better than a last row of one.
    let columns = panels.len().div_ceil(panels.len().div_ceil(columns).max(1)).max(1);
    let mut body = String::new();
    let mut top = GAP;
    for row in panels.chunks(columns) {
        let height = row.iter().map(map_height).fold(0.0, f64::max);
        let workers = row.iter().map(|panel| panel.line.workers).max().unwrap_or(1);
        let step = if workers > 8 { 8.0 } else { 16.0 };
        for (column, panel) in row.iter().enumerate() {
            let left = GAP + column as f64 * (WIDTH + GAP);
            _ = writeln!(body, "<g transform=\"translate({left} {top})\">");
            one(panel, (height, step, longest), &mut body);
            body += "</g>\n";
        }
        top += TITLE + height + 10.0 + workers as f64 * step + FOOT + GAP;
    }
    let width = GAP + columns as f64 * (WIDTH + GAP);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {top}\" width=\"{width}\" height=\"{top}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn map_size(panel: &Panel) -> [f64; 2] {
    let far = |axis: usize| panel.tiles.iter().map(|tile| tile[axis] + tile[axis + 2]).max().unwrap_or(1);
    [far(0), far(1)].map(|pixels| f64::from(pixels.max(1)))
}

fn map_height(panel: &Panel) -> f64 {
    let [width, height] = map_size(panel);
    (WIDTH * height / width).round()
}

fn one(panel: &Panel, (height, step, longest): (f64, f64, f64), body: &mut String) {
    let line = &panel.line;
    let counted = |number: usize, thing: &str| format!("{number} {thing}{}", if number == 1 { "" } else { "s" });
    let grown = if panel.growth > 1.0 { format!(", {:.1} × the work", panel.growth) } else { String::new() };
    _ = writeln!(body, "<text y=\"12\" font-size=\"15\" font-weight=\"bold\">{}</text>", line.schedule);
    let who = counted(line.workers, "worker");
    _ = writeln!(body, "<text y=\"30\" fill=\"#555\">{who}, {}{grown}</text>", panel.pieces());
    let colours: Vec<String> = (0..line.workers)
        .map(|worker| distinct(worker, LIGHTNESS))
        .map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"))
        .collect();
    let mut paths = vec![String::new(); line.workers];
    let mut add = |owner: usize, area| paths.get_mut(owner).into_iter().for_each(|path| rectangle(path, area));
    let scale = WIDTH / map_size(panel)[0];
    // Where tiles are too small for a line between them, neighbours of one owner are one rectangle.
    let mut run: Option<(usize, [f64; 4])> = None;
    for (tile, owner) in panel.tiles.iter().zip(panel.owners()) {
        let [x, y, w, h] = tile.map(|value| f64::from(value) * scale);
        let line = if w.min(h) > 4.0 { 0.6 } else { 0.0 };
        let area = [x, TITLE + y, w - line, h - line];
        match &mut run {
            Some((who, before)) if *who == owner && joins(before, &area) => before[2] += area[2],
            _ => run.replace((owner, area)).into_iter().for_each(|(who, before)| add(who, before)),
        }
    }
    run.into_iter().for_each(|(who, before)| add(who, before));
    let rows = TITLE + height + 10.0;
    for worker in 0..line.workers {
        let y = rows + worker as f64 * step;
        _ = writeln!(body, "<rect y=\"{y}\" width=\"{WIDTH}\" height=\"{}\" fill=\"#f0eee9\"/>", step - 2.0);
    }
    let mut run: Option<(usize, [f64; 4])> = None;
    for &(worker, _, _, began, ended) in &line.claims {
        let x = |micro: f64| micro * 1e-6 / longest * WIDTH;
        let (from, to) = (x(began), x(ended));
        // There is a line between neighbouring claims where there is room; the others are one bar.
        let space = if to - from > 2.0 { 0.5 } else { 0.0 };
        let area = [from, rows + worker as f64 * step, to - from - space, step - 2.0];
        match &mut run {
            Some((who, before)) if *who == worker && joins(before, &area) => before[2] = to - before[0],
            _ => run.replace((worker, area)).into_iter().for_each(|(who, before)| add(who, before)),
        }
    }
    run.into_iter().for_each(|(who, before)| add(who, before));
    for (path, colour) in paths.iter().zip(&colours).filter(|(path, _)| !path.is_empty()) {
        _ = writeln!(body, "<path fill=\"{colour}\" d=\"{path}\"/>");
    }
    let end = line.wall / longest * WIDTH;
    let below = rows + line.workers as f64 * step;
    _ = writeln!(body, "<path stroke=\"#333\" d=\"M{end:.1} {:.1}V{:.1}\"/>", rows - 3.0, below + 1.0);
    let (busy, claims) = (100.0 * panel.busy(), counted(line.claims.len(), "claim"));
    let text = format!("{:.1} ms, busy {busy:.0} %, {claims}", 1e3 * line.wall);
    _ = writeln!(body, "<text y=\"{}\" >{text}</text>", below + 15.0);
}

/// Whether a rectangle continues the one before it in its row, without a gap that could be seen.
fn joins(before: &[f64; 4], next: &[f64; 4]) -> bool {
    let gap = next[0] - before[0] - before[2];
    before[1] == next[1] && before[3] == next[3] && (-1e-6..0.2).contains(&gap)
}

/// Adds a rectangle x, y, width, height to a path, to a tenth of a unit.
fn rectangle(path: &mut String, [x, y, w, h]: [f64; 4]) {
    _ = write!(path, "M{x:.1} {y:.1}h{w:.1}v{h:.1}h-{w:.1}z");
}

/// A page with a drawing, at most as wide as the window, and a table in text below it.
pub(super) fn page(title: &str, drawing: &str, table: &str) -> String {
    let table = table.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <style>svg {{ max-width: 100%; height: auto }} pre {{ overflow-x: auto }}</style>\n<body>\n\
         <h1>{title}</h1>\n{drawing}<pre>{table}</pre>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Timeline;
    use super::*;

    #[test]
    fn every_worker_has_a_path_and_the_axis_is_shared() {
        let panel = |schedule: &str, wall: f64| Panel {
            scene: "a".into(),
            tile: "8".into(),
            growth: 1.0,
            is_picture: true,
            tiles: vec![[0, 0, 8, 8], [8, 0, 8, 8]],
            line: Timeline {
                backend: "threads".into(),
                schedule: schedule.into(),
                workers: 2,
                wall,
                claims: vec![(0, 0, 1, 0.0, 1e6 * wall), (1, 1, 1, 0.0, 5e5 * wall)],
            },
            times: vec![wall],
        };
        let text = svg(&[panel("static", 0.01), panel("dynamic", 0.02)]);
        assert_eq!(text.matches("<path fill=").count(), 4, "two workers in two panels: {text}");
        // The longer run fills its panel, the other half of it.
        assert!(text.contains("M120.0 ") && text.contains("M240.0 "), "{text}");
        assert!(text.contains("10.0 ms, busy 75 %, 2 claims"), "{text}");
        assert!(text.starts_with("<svg xmlns") && text.ends_with("</svg>\n"));
        assert!(svg(&[]).contains("</svg>"));
    }
}
