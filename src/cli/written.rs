//! The last line of a command that writes a picture: what was written, its size and how long it took.

use super::bar::Display;
use super::memory::size;
use super::note;
use super::picture::Picture;
use super::plan::Plan;
use super::stats::Mark;
use fractal::sample::PixelSize;
use std::fs;

/// Reports a complete picture, or a shard's part of one. There is no such line with JSON output, or for pipes and devices.
pub(super) fn report(plan: &Plan, picture: &Picture, mark: &Mark) {
    let Picture { output, render, shard, .. } = picture;
    let Some(file) = fs::metadata(output).ok().filter(fs::Metadata::is_file) else { return };
    if !is_reported(plan) {
        return;
    }
    let PixelSize { width, height } = render.scene().image.drawn();
    let what = shard.map_or(String::new(), |shard| format!("shard {shard} of "));
    let (bytes, seconds) = (size(file.len()), mark.seconds());
    let output = output.display();
    note(format!("wrote `{output}`: {what}{width} × {height} pixels, {bytes}, in {seconds:.2} s"));
}

/// Whether people read what is written, and nothing else does.
pub(super) fn is_reported(plan: &Plan) -> bool {
    !plan.quiet && !plan.stats && plan.display != Display::Json
}
