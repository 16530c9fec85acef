//! Charts of what waiting costs: a bar for each model, and curves where several numbers of connections were measured.

use super::super::drawing::page;
use super::{Cost, Costs};
use std::fmt::Write;

/// What a chart shows of a cost: heading, unit, scale and value.
type Figure = (&'static str, &'static str, f64, fn(&Cost) -> f64);

const FIGURES: [Figure; 4] = [
    ("From the first question to the last answer", "s", 1.0, |cost| cost.wall),
    ("Processor time of the client", "s", 1.0, |cost| cost.processor),
    ("Resident memory for each connection", "KB", 1e-3, |cost| cost.resident),
    ("From question to answer, 99 %", "s", 1.0, |cost| cost.p99),
];

/// One for each model, well apart for all kinds of sight.
const COLOURS: [&str; 12] = [
    "#6b7280", "#1d4ed8", "#0891b2", "#b45309", "#7c3aed", "#be123c", "#15803d", "#ca8a04", "#db2777", "#3b3b3b",
    "#60a5fa", "#86efac",
];

/// The width and height of a chart, and the space for its legend.
const CHART: [f64; 2] = [360.0, 260.0];
const LEGEND: f64 = 150.0;
/// Where the frame begins and ends within a chart.
const FRAME: [[f64; 2]; 2] = [[56.0, 344.0], [34.0, 220.0]];

/// The models in the order of their first cost.
fn models(costs: &Costs) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for cost in &costs.costs {
        if !names.contains(&cost.model.as_str()) {
            names.push(&cost.model);
        }
    }
    names
}

/// The costs as charts side by side: a picture in SVG.
pub fn svg(costs: &Costs) -> String {
    let names = models(costs);
    let (width, height) = (2.0 * CHART[0] + LEGEND, 2.0 * CHART[1]);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"10\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (number, figure) in FIGURES.iter().enumerate() {
        let (left, top) = (CHART[0] * (number % 2) as f64, CHART[1] * (number / 2) as f64);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "<g transform=\"translate({left} {top})\">");
        chart(costs, &names, figure, &mut text);
        text += "</g>\n";
    }
    for (number, name) in names.iter().enumerate() {
        let (x, y) = (2.0 * CHART[0] + 8.0, 40.0 + 18.0 * number as f64);
        let colour = COLOURS[number % COLOURS.len()];
        let _ = writeln!(text, "<rect x=\"{x}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>", y - 9.0);
        let _ = writeln!(text, "<text x=\"{}\" y=\"{y}\">{name}</text>", x + 16.0);
    }
    text + "</svg>\n"
}

/// A chart with both axes logarithmic.
fn chart(costs: &Costs, names: &[&str], &(heading, unit, scale, value): &Figure, text: &mut String) {
    let point = |cost: &Cost| [(cost.connections as f64).log10(), (value(cost) * scale).max(1e-6).log10()];
    let points: Vec<_> = costs.costs.iter().filter(|cost| value(cost) > 0.0).map(point).collect();
    let range = |axis: usize| {
        let values = points.iter().map(|point| point[axis]);
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high { (0.0, 1.0) } else { (low.floor(), high.ceil().max(low.floor() + 1.0)) }
    };
    let (x_range, y_range) = (range(0), range(1));
    let ([left, right], [top, bottom]) = (FRAME[0], FRAME[1]);
    let x = |log: f64| left + (log - x_range.0) / (x_range.1 - x_range.0) * (right - left);
    let y = |log: f64| bottom - (log - y_range.0) / (y_range.1 - y_range.0) * (bottom - top);
    let _ = writeln!(text, "<text x=\"{left}\" y=\"18\" font-weight=\"bold\">{heading}</text>");
    let plain =
        |power: i32| if (0..=6).contains(&power) { 10_i64.pow(power as u32).to_string() } else { format!("1e{power}") };
    for power in x_range.0 as i32..=x_range.1 as i32 {
        let at = x(power.into());
        let _ = writeln!(text, "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#ddd\"/>");
        let below = bottom + 14.0;
        let _ = writeln!(text, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", plain(power));
    }
    for power in y_range.0 as i32..=y_range.1 as i32 {
        let at = y(power.into());
        let _ = writeln!(text, "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/>");
        let (beside, level) = (left - 4.0, at + 3.0);
        let _ =
            writeln!(text, "<text x=\"{beside}\" y=\"{level:.1}\" text-anchor=\"end\">{} {unit}</text>", plain(power));
    }
    let middle = 0.5 * (left + right);
    let _ = writeln!(text, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">connections</text>", bottom + 30.0);
    for (number, name) in names.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let own = costs.costs.iter().filter(|cost| cost.model == *name && value(cost) > 0.0);
        let points: Vec<_> = own.map(|cost| (cost, point(cost))).map(|(cost, [a, b])| (cost, x(a), y(b))).collect();
        let line: Vec<_> = points.iter().map(|(_, x, y)| format!("{x:.1},{y:.1}")).collect();
        let line = line.join(" ");
        let _ = writeln!(text, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        for (cost, x, y) in points {
            let shown = format!("{name}, {} connections: {:.3} {unit}", cost.connections, value(cost) * scale);
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{shown}</title></circle>"
            );
        }
    }
}

/// The costs as a page that needs nothing else: the charts, and a table below them.
pub fn html(costs: &Costs, table: &str) -> String {
    page("What waiting costs", &svg(costs), table)
}
