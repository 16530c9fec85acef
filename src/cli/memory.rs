//! Checks whether a render will fit into memory, before it begins.
//!
//! Little grows with the picture: complete rows leave at once, or wait on disk. Too much can be huge tiles, of which each worker has one
//! in flight, tables with an entry for each tile, and formats that cannot be written to a pipe in pieces.

use super::picture::{Picture, is_device};
use fractal::colour::Depth;
use fractal::internal::{size_of_recipe, system};
use fractal::sample::Order;
use fractal::scene::Image;
use fractal::sink::Description;
use fractal::{Error, Render, Result};
use std::path::Path;

/// The program itself with its threads, and everything too small to count.
const BASE: u64 = 24 << 20;

/// A worker process, with the memory that it shares with this one, as tests/limits.rs measures it.
const PROCESS: u64 = 6 << 20;

/// A thread's stack, which counts against limits but takes hardly any memory: the standard library's size, and its extras.
const STACK: u64 = (2 << 20) + (64 << 10);

/// The address space that glibc reserves for a thread's heap, and the most such heaps per processor. Once these reservations have used
/// up a limit, every allocation fails.
const HEAP: u64 = if cfg!(target_env = "gnu") { 64 << 20 } else { 0 };
const HEAPS: u64 = 8;

/// What a reference orbit takes at least, unless the maximum allows less.
const SURE: u64 = 16 << 20;

/// Threads other than the workers': for signals, progress, the encoder, and starting processes.
const THREADS: u64 = 4;

/// Bytes, their purpose, and how to need fewer.
type Part<'a> = (u64, &'a str, &'a str);

/// Checks that the table for an order of tiles fits, before it is made.
pub(super) fn check_order(name: &str, image: &Image, tile: u32, order: Order) -> Result<()> {
    if order == Order::Rows {
        return Ok(());
    }
    let across = |pixels: u32| u64::from(pixels.div_ceil(tile));
    // A list is built, then copied.
    let drawn = image.drawn();
    let bytes = 16 * across(drawn.width) * across(drawn.height);
    enough(name, &[(bytes, "the order of its tiles", "use larger tiles or --order rows")])
}

/// The same for the picture of a file of finished tiles. Faults in its recipe are reported later, when the picture is made.
pub(super) fn check_recipe(description: &Description, path: &Path) -> Result<()> {
    let Ok((image, tile, order)) = size_of_recipe(&description.recipe()) else { return Ok(()) };
    check_order(&path.display().to_string(), &image, tile.max(1), order)
}

/// What the samples of a picture share, as far as it is known before.
pub(super) fn shared(render: &Render) -> u64 {
    let bytes = render.work().prepared_len();
    if render.kernel().reference().is_some() { growing(bytes) } else { bytes }
}

/// What is sure of a reference orbit of at most so many bytes. How long it will be is not known before: where it does not end early, it is
/// refused while it grows.
pub(super) fn growing(most: u64) -> u64 {
    most.min(SURE)
}

/// Checks that what all samples of a scene share fits.
pub(super) fn check_shared(name: &str, bytes: u64) -> Result<()> {
    enough(name, &[(bytes, "the data that all its samples share", "use fewer iterations")])
}

/// Checks that a window's picture fits.
#[cfg(feature = "window")]
pub(super) fn check_window(name: &str, bytes: u64) -> Result<()> {
    enough(name, &[(bytes, "the window's picture", "use a smaller window or fewer samples")])
}

/// Checks that a picture fits, with this many workers.
pub(super) fn check(picture: &Picture, workers: usize, processes: bool, depth: Depth, keeps: bool) -> Result<()> {
    let Picture { name, render, output, format, owners, shard, continued, .. } = picture;
    let tiling = render.tiling();
    let tile = tiling.tile(0);
    let options = render.image_options(depth);
    // Each worker has a claim in flight, its pixels, and its records if they are kept.
    let claim = (render.channels().bytes(tile.area()) as u64).max(512 << 10);
    let pixels = options.bytes(format, tile.width, tile.height);
    let in_hand = workers as u64 * (claim * if keeps { 2 } else { 1 } + pixels);
    let threads = THREADS + if processes { 0 } else { workers as u64 };
    let others = if processes { workers as u64 * (PROCESS + claim) } else { 0 };
    let image = if shard.is_some() { 0 } else { options.memory(format) };
    let tiles = tiling.len() as u64;
    let tables = tiles * (if owners.is_some() { 12 } else { 0 } + if keeps { 64 } else { 0 });
    let rows = if shard.is_some() { 0 } else { options.tables(format) };
    // A bit for each sample, and its tile's position.
    let known = if continued.is_some() { tiling.size().area() / 8 + 40 * tiles } else { 0 };
    let whole = if format.needs_seeking() && !is_file(output) { 2 * options.file(format) } else { 0 };
    enough_with(
        name,
        &[
            (in_hand, "the tiles in flight", "use smaller tiles"),
            (others, "worker processes", "ask for fewer workers or another backend"),
            (image, "rows of its tiles", "use smaller tiles"),
            (rows, "a table of its rows", "use larger tiles, fewer rows or another format"),
            (whole, "the whole file, since this format cannot be written to a pipe in pieces", "write it to a file"),
            (tables, "a table of its tiles", "use larger tiles"),
            (shared(render), "the data that all its tiles share", "use fewer iterations"),
            (known, "the map of escaped samples", "use a smaller picture"),
            (
                8 * (u64::from(tiling.size().width) + u64::from(tiling.size().height)),
                "its coordinates",
                "use a smaller picture",
            ),
        ],
        threads,
    )
}

fn is_file(output: &Path) -> bool {
    !fractal::internal::is_stdout(output) && !is_device(output)
}

/// Checks that all parts together fit into the available memory.
fn enough(name: &str, parts: &[Part<'_>]) -> Result<()> {
    fits(name, parts, system::available())
}

/// The same with this many threads.
fn enough_with(name: &str, parts: &[Part<'_>], threads: u64) -> Result<()> {
    enough(name, parts)?;
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let stacks = threads.saturating_mul(STACK);
    let reserved = stacks.saturating_add(HEAP * threads.min(HEAPS * processors));
    for (bytes, available) in [(stacks, system::data()), (reserved, system::address_space())] {
        let part = (bytes, "what its threads reserve", "ask for fewer workers");
        fits(name, &[parts, &[part]].concat(), available)?;
    }
    Ok(())
}

fn fits(name: &str, parts: &[Part<'_>], available: Option<u64>) -> Result<()> {
    let needed = parts.iter().fold(BASE, |sum, part| sum.saturating_add(part.0));
    let Some(available) = available.filter(|&available| available < needed) else { return Ok(()) };
    let Some((bytes, what, remedy)) = parts.iter().max_by_key(|part| part.0) else { return Ok(()) };
    Err(Error::Unsupported(format!(
        "`{name}` needs about {} of memory, {} of it for {what}, but {} are available; {remedy}",
        size(needed),
        size(*bytes),
        size(available)
    )))
}

pub(super) fn size(bytes: u64) -> String {
    format!("{}B", super::bar::scaled(bytes as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_reported_with_its_largest_part() {
        let parts = [(1 << 60, "dreams", "sleep less"), (5, "crumbs", "eat more")];
        let text = enough("a", &parts).unwrap_err().to_string();
        assert!(text.starts_with("`a` needs about 1.15 EB of memory, 1.15 EB of it for dreams, but "), "{text}");
        assert!(text.ends_with(" are available; sleep less"), "{text}");
        assert!(enough("a", &parts[1..]).is_ok());
    }
}
