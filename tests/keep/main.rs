//! No finished tile is lost, and nothing else is left behind: checkpoints, whatever happens to the program or to the file.

mod continuing;
mod damage;
mod identity;
mod interrupted;
mod killing;
mod leftovers;
mod memory;
#[path = "../support/random.rs"]
mod random;
mod resuming;
mod sharing;
#[cfg(target_os = "linux")]
mod storm;
#[path = "../support/mod.rs"]
mod support;

use fractal::parallel::{FinishedClaim, Sink};
use fractal::sample::{Channels, Order};
use fractal::{Error, Render, RenderOptions, Result, Scene};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::Scratch;

const ALL: Channels = Channels::ALL;

fn scene() -> Scene {
    Scene::from_toml("[view]\nre = \"-0.7\"\n[image]\nsize = [203, 150]\n[iteration]\nmax = 500\n").unwrap()
}

fn render(scene: &Scene) -> Render {
    Render::with(scene, RenderOptions { tile: 8, channels: ALL, order: Order::Hilbert, ..RenderOptions::default() })
        .unwrap()
}

/// Ends a run after so many claims.
struct Fuse(AtomicUsize);

impl Fuse {
    fn new(claims: usize) -> Self {
        Self(AtomicUsize::new(claims))
    }
}

impl Sink for Fuse {
    fn done(&self, _: &FinishedClaim<'_>) -> Result<()> {
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Stopped),
        }
    }
}

/// Counts pieces.
#[derive(Default)]
struct Count {
    computed: AtomicUsize,
    kept: AtomicUsize,
}

impl Sink for Count {
    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.computed.fetch_add(done.range.len(), Ordering::Relaxed);
        Ok(())
    }
    fn kept(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.kept.fetch_add(done.range.len(), Ordering::Relaxed);
        Ok(())
    }
}

/// Where the heads of all records in a file of finished pieces begin. One that is being written may end in a part of a head.
fn heads(file: &[u8]) -> Vec<usize> {
    let (mut heads, mut at) = (Vec::new(), 8);
    while let Some(head) = file.get(at..at + 48) {
        heads.push(at);
        at += 48 + u64::from_le_bytes(head[32..40].try_into().unwrap()) as usize;
    }
    heads
}

/// Makes the checksum of a head right again.
fn seal(file: &mut [u8], head: usize) {
    let crc = crc32fast::hash(&file[head + 8..head + 48]);
    file[head + 4..head + 8].copy_from_slice(&crc.to_le_bytes());
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Runs a command; its exit status and what it wrote to standard error.
fn told(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

fn files(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(&**scratch).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A shell command in `scratch` with the program in its path.
fn shell(scratch: &Scratch, command: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_fractal")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", command]).current_dir(&**scratch);
    shell.env("PATH", format!("{}:{path}", folder.display())).env("SCENE", "scene.toml");
    shell
}
