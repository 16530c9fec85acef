//! Results as text for a terminal: tables, and bars of Unicode blocks.

/// How a report is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Terminal,
    Markdown,
}

impl Style {
    /// A heading.
    pub(super) fn heading(self, text: &str) -> String {
        match self {
            Self::Terminal => format!("\n{text}\n"),
            Self::Markdown => format!("\n## {}\n", escaped(text)),
        }
    }

    /// Rows of cells under headings; the first `left` columns are aligned left, the others right.
    pub(super) fn table(self, headings: &[&str], left: usize, rows: &[Vec<String>]) -> String {
        if self == Self::Terminal {
            return table(headings, left, rows);
        }
        let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        let mut text = line(&mut headings.iter().map(|heading| escaped(heading)));
        text += &line(&mut (0..headings.len()).map(|column| if column < left { "---" } else { "---:" }.to_owned()));
        for row in rows {
            text += &line(&mut row.iter().map(|cell| escaped(cell.trim())));
        }
        text
    }
}

/// Text of which Markdown would make something else.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

/// A duration with three digits and its unit: `1.23 ms`.
pub(super) fn time(seconds: f64) -> String {
    let units = [("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)];
    let (unit, scale) = units.into_iter().find(|(_, scale)| seconds.abs() >= 0.9995 * scale).unwrap_or(units[3]);
    let value = seconds / scale;
    let digits = if value.abs() >= 99.95 {
        0
    } else if value.abs() >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// A number of things: `1 piece`, `2 pieces`.
pub(super) fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A fraction as a percentage.
pub(super) fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

/// A bar of `width` cells, filled by `part` of it to an eighth of a cell.
pub(super) fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (part.clamp(0.0, 1.0) * 8.0 * width as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    let cells = bar.chars().count();
    bar + &" ".repeat(width - cells)
}

/// Rows of cells under headings; the first `left` columns are aligned left, the others right.
pub(super) fn table(headings: &[&str], left: usize, rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from(" ");
        for (column, cell) in cells.take(widths.len()).enumerate() {
            let space = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) = if column < left { ("", space.as_str()) } else { (space.as_str(), "") };
            line += &format!(" {before}{cell}{after} ");
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut headings.iter().copied());
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "piece")), ["0 pieces", "1 piece", "2 pieces"]);
    }

    #[test]
    fn times_have_three_digits() {
        let texts = [0.0, 1.234e-9, 56.78e-9, 0.999_9e-6, 1.5e-3, 0.1234, 12.34, 1234.0].map(time);
        assert_eq!(texts, ["0.00 ns", "1.23 ns", "56.8 ns", "1.00 µs", "1.50 ms", "123 ms", "12.3 s", "1234 s"]);
    }

    #[test]
    fn bars_are_filled_by_eighths() {
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!(bar(1.0, 3), "███");
        assert_eq!(bar(2.0, 3), "███");
        assert_eq!(bar(0.3125, 2), "▋ ");
        assert_eq!(bar(f64::NAN, 2), "  ");
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "23".to_owned()]];
        assert_eq!(table(&["x", "value"], 1, &rows), "  x    value\n  a        1\n  bcd     23\n");
        let marked = "| x | value |\n| --- | ---: |\n| a | 1 |\n| bcd | 23 |\n";
        assert_eq!(Style::Markdown.table(&["x", "value"], 1, &rows), marked);
        let odd = [vec!["a|b<c".to_owned()]];
        assert!(Style::Markdown.table(&["x"], 1, &odd).ends_with("| a\\|b&lt;c |\n"));
    }
}
