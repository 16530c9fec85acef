//! Checks whether a picture will fit on the disk, before hours of computing.

use super::memory::size;
use super::picture::{Picture, is_device};
use fractal::colour::Depth;
use fractal::internal::is_stdout;
use fractal::{Error, Result};
use std::path::Path;

/// Bytes that a file at `place` may take, if the system reports it.
pub(super) fn free_space(place: &Path) -> Option<u64> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Checks that the disk has room for a picture's file, were it as small as its format can make it.
pub(super) fn check(picture: &Picture, depth: Depth) -> Result<()> {
    let Some(free) = free_for(picture) else { return Ok(()) };
    fits(&picture.output, picture.render.image_options(depth).least_file(picture.format), free)
}

/// How large a picture's file may become, and what the disk has left, if that is less.
pub(super) fn may_lack(picture: &Picture, depth: Depth) -> Option<(u64, u64)> {
    let most = picture.render.image_options(depth).file(picture.format);
    free_for(picture).filter(|&free| free < most).map(|free| (most, free))
}

/// What the disk has left for a picture that goes to a file. A shard's part is no picture.
fn free_for(picture: &Picture) -> Option<u64> {
    let Picture { output, shard, .. } = picture;
    let is_file = shard.is_none() && !is_stdout(output) && !is_device(output);
    free_space(output).filter(|_| is_file)
}

fn fits(output: &Path, bytes: u64, free: u64) -> Result<()> {
    if bytes <= free {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "`{}` needs at least {} of the disk, which has {} left; use a smaller picture, or write it elsewhere",
        output.display(),
        size(bytes),
        size(free)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_reported_with_what_there_is() {
        let output = Path::new("a.ppm");
        assert!(fits(output, 5_000_000, 5_000_000).is_ok());
        let text = fits(output, 5_000_001, 4_000_000).unwrap_err().to_string();
        assert!(text.starts_with("`a.ppm` needs at least 5.00 MB of the disk, which has 4.00 MB left; "), "{text}");
        assert!(free_space(output).is_some() && free_space(Path::new("/no/such/folder/a")).is_none());
    }
}
