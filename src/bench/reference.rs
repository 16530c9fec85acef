//! The same costs with other runtimes, measured alongside ours: GNU's OpenMP where there is a C compiler that supports it, and PyMP where
//! Python has it.

use super::overhead::{Grain, Grains, Reference, pieces};
use crate::error::{Error, Result};
use crate::parallel::Stop;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const PYMP: &str = include_str!("reference/pymp_costs.py");

const PROGRAM: &str = include_str!("reference/openmp.c");

/// The longest pieces that are measured, in seconds; with longer ones, all runtimes are equally good.
const LONGEST: f64 = 2e-3;

/// A directory for the program, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // If even this fails, there is nobody left to report it to.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// OpenMP's program, compiled.
pub struct OpenMp {
    folder: Folder,
    workers: usize,
}

impl OpenMp {
    /// Compiles it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is no compiler with OpenMP.
    pub fn compile(workers: usize) -> Result<Self> {
        let missing = |why: String| Error::Unsupported(format!("OpenMP cannot be measured for comparison: {why}"));
        let folder = std::env::temp_dir().join(format!("fractal-openmp-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|source| Error::io("create", &folder, source))?;
        let folder = Folder(folder);
        let source = folder.0.join("openmp.c");
        std::fs::write(&source, PROGRAM).map_err(|error| Error::io("write", &source, error))?;
        let compiler = std::env::var("CC").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "cc".into());
        let compiled = Command::new(&compiler)
            .args(["-std=gnu11", "-O2", "-fopenmp", "-w", "-o"])
            .args([&folder.0.join("openmp"), &source])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| missing(format!("`{compiler}` does not run: {error}")))?;
        if !compiled.status.success() {
            return Err(missing(format!("`{compiler} -fopenmp` fails")));
        }
        Ok(Self { folder, workers })
    }

    fn run(&self, runs: usize, what: Option<String>, stop: &Stop) -> Result<String> {
        let mut command = Command::new(self.folder.0.join("openmp"));
        command.args([self.workers.to_string(), runs.to_string()]).args(what);
        // Threads that spin while another one needs their processor measure the system's time slices.
        let free = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) >= self.workers;
        command.env("OMP_WAIT_POLICY", if free { "active" } else { "passive" });
        run(&mut command, stop)
    }

    /// Measures its constructs.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it was stopped; errors of the program.
    pub fn constructs(&self, runs: usize, stop: &Stop) -> Result<Vec<Reference>> {
        let output = self.run(runs, None, stop)?;
        let lines = lines(&output);
        let constructs = ["parallel", "for", "barrier", "single", "critical", "atomic", "ordered", "reduction"];
        let loops = ["static,1", "dynamic,1", "guided,1"];
        let named = |name: &&str| {
            let what = if loops.contains(name) {
                format!("an iteration of schedule({name})")
            } else {
                format!("construct {name}")
            };
            Some(Reference {
                name: format!("libgomp, {what}"),
                workers: self.workers,
                times: lines.get(*name)?.clone(),
            })
        };
        Ok(constructs.iter().chain(&loops).filter_map(named).collect())
    }

    /// Measures pieces of a length, where a round of [`super::work::Spin`] takes `round`; `None` for pieces so long that all runtimes are
    /// equally good.
    ///
    /// # Errors
    /// [`Error::Stopped`] when it was stopped; errors of the program.
    pub fn grain(
        &self,
        (length, round): (f64, f64),
        runs: usize,
        time: Duration,
        stop: &Stop,
    ) -> Result<Option<Grain>> {
        if length > LONGEST {
            return Ok(None);
        }
        let (rounds, pieces) = (((length / round).round() as u64).max(1), pieces(length, self.workers, time));
        let name = format!("{rounds}:{pieces}");
        let output = self.run(runs, Some(name.clone()), stop)?;
        let times = lines(&output).remove(name.as_str());
        Ok(times.map(|times| Grain { seconds: rounds as f64 * round, pieces, times, efficiency: 0.0 }))
    }

    /// The curve that its pieces make, without points yet.
    pub fn grains(&self) -> Grains {
        Grains::new("libgomp", "dynamic,1", self.workers)
    }
}

impl std::fmt::Debug for OpenMp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenMp").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// Runs the same with PyMP: a parallel region, and an iteration of its shared loop.
///
/// # Errors
/// [`Error::Unsupported`] when Python or PyMP is missing, [`Error::Stopped`] when it was stopped.
pub fn pymp((workers, runs): (usize, usize), stop: &Stop) -> Result<Vec<Reference>> {
    let mut command = Command::new("python3");
    command.args(["-c", PYMP]).args([workers.to_string(), runs.to_string()]).stderr(Stdio::null());
    let output = match run(&mut command, stop) {
        Err(Error::Stopped) => return Err(Error::Stopped),
        Err(_) => {
            return Err(Error::Unsupported(
                "PyMP cannot be measured for comparison: `python3 -c 'import pymp'` fails".into(),
            ));
        }
        Ok(output) => output,
    };
    let reference = |(name, times): (&str, Vec<f64>)| Reference {
        name: format!("PyMP, {}", name.replace('-', " ")),
        workers,
        times,
    };
    Ok(lines(&output).into_iter().map(reference).collect())
}

/// The names and numbers of lines such as `barrier 1e-6 2e-6`.
fn lines(output: &str) -> BTreeMap<&str, Vec<f64>> {
    fn line(line: &str) -> Option<(&str, Vec<f64>)> {
        let (name, rest) = line.split_once(' ')?;
        Some((name, rest.split(' ').filter_map(|number| number.parse().ok()).collect()))
    }
    output.lines().filter_map(line).collect()
}

/// The output of a program, which is ended when `stop` is set.
fn run(command: &mut Command, stop: &Stop) -> Result<String> {
    let program = PathBuf::from(command.get_program());
    let failed = |source| Error::io("run", &program, source);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut pipe = child.stdout.take().expect("it was asked for");
    let read = move || std::io::read_to_string(&mut pipe);
    let reader = std::thread::Builder::new().name("reader".into()).spawn(read).map_err(|source| {
        // It may have ended meanwhile.
        let _ = child.kill();
        let _ = child.wait();
        failed(source)
    })?;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            if !status.success() {
                return Err(Error::Unsupported(format!("`{}` ended with {status}", program.display())));
            }
            return reader.join().map_err(|_| Error::Stopped)?.map_err(failed);
        }
        if stop.is_set() {
            // It may have ended meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::Stopped);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::left_out::left_out;

    #[test]
    fn lines_are_names_and_numbers() {
        let found = lines("barrier 1e-6 0.5\nno-number x\nempty\n10:200 3\n");
        assert_eq!(found["barrier"], [1e-6, 0.5]);
        assert_eq!((found["10:200"].as_slice(), found["no-number"].len(), found.len()), (&[3.0][..], 0, 3));
    }

    #[test]
    fn openmp_is_measured_where_there_is_a_compiler() {
        let time = Duration::from_millis(1);
        match OpenMp::compile(2) {
            Ok(openmp) => {
                let references = openmp.constructs(2, &Stop::new()).unwrap();
                assert_eq!(references.len(), 11);
                assert!(references.iter().all(|one| one.times.len() == 2 && one.times.iter().all(|&time| time > 0.0)));
                let grain = |length| openmp.grain((length, 1e-9), 2, time, &Stop::new()).unwrap();
                assert!(grain(0.1).is_none(), "the longest pieces are left out");
                assert_eq!(grain(1e-5).unwrap().times.len(), 2);
            }
            Err(Error::Unsupported(why)) => left_out("measuring OpenMP", &why),
            Err(error) => panic!("{error}"),
        }
        let stop = Stop::new();
        stop.set();
        let began = std::time::Instant::now();
        let outcome = run(Command::new("sleep").arg("600"), &stop);
        assert!(matches!(outcome, Err(Error::Stopped)) && began.elapsed() < Duration::from_secs(300));
    }
}
