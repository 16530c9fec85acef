//! Answers the talk's fourth level, machines that call each other over HTTP: rows from several processes, with retries, and no broker.

use super::support::http::{post, serve};
use super::support::servers::{Server, listen};
use super::support::{Gathered, notice, one_piece, positive, run_on};
use super::workshop::Workshop;
use fractal::backend::BACKENDS;
use fractal::{Error, Result};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What this lesson can be asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Processes that compute
    #[arg(long, default_value_t = 3, value_parser = positive)]
    processes: usize,
    /// Computes rows for others instead, until Ctrl-C; try `curl -d '80 60 256 7' ADDRESS/row`
    #[arg(long)]
    serve: bool,
    /// Ends with standard input
    #[arg(long, hide = true)]
    child: bool,
}

/// The procedure that is called: the body of the request is a width, a height, the most iterations and a row.
fn answer(path: &str, body: &[u8]) -> Result<Vec<u8>> {
    let numbers: Option<Vec<u32>> =
        str::from_utf8(body).ok().and_then(|text| text.split(' ').map(|n| n.parse().ok()).collect());
    match (path, numbers.as_deref()) {
        ("/row", Some(&[width @ 1..=10_000, height, most, row])) if row < height => {
            one_piece(&Workshop([width, height, most]), row as usize)
        }
        _ => Err(Error::Input("there is only /row, and what is sent there is WIDTH HEIGHT MOST ROW".into())),
    }
}

/// What the threads that call share: rows that nobody has, those that have come, and how often a call had to be made again.
struct Rows {
    wanted: VecDeque<u32>,
    come: Vec<Option<Vec<u8>>>,
    again: usize,
}

/// Calls one process for rows until all have come, or the process fails three times in a row; returns how many rows it gave.
fn call(address: SocketAddr, [width, height, most]: [u32; 3], rows: &Mutex<Rows>, came: impl Fn(usize)) -> usize {
    let (mut count, mut failures) = (0, 0);
    while failures < 3 && rows.lock().expect("nobody panics").come.contains(&None) {
        let row = rows.lock().expect("nobody panics").wanted.pop_front();
        let Some(row) = row else {
            // Others have the last ones, and may yet give them back.
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let answer = post(address, "/row", format!("{width} {height} {most} {row}").as_bytes());
        let mut rows = rows.lock().expect("nobody panics");
        if let Ok(bytes) = answer
            && bytes.len() == 3 * width as usize
        {
            rows.come[row as usize] = Some(bytes);
            (count, failures) = (count + 1, 0);
            came(count);
        } else {
            // The call has no effect but its answer, so making it twice does no harm: it is idempotent.
            rows.wanted.push_front(row);
            (rows.again, failures) = (rows.again + 1, failures + 1);
            drop(rows);
            thread::sleep(Duration::from_millis(5 << failures));
        }
    }
    count
}

/// Runs the lesson.
pub(crate) fn run(quick: bool, options: &Options) -> Result<()> {
    let failed = |error| Error::io("run", "the processes", error);
    if options.serve {
        return listen(0, options.child).and_then(|listener| serve(&listener, answer)).map_err(failed);
    }
    let size = if quick { [80, 60, 256] } else { [560, 320, 1000] };
    let servers = (0..options.processes).map(|_| Server::start(&["rpc", "--serve"]));
    let servers = servers.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let rows = Mutex::new(Rows { wanted: (0..size[1]).collect(), come: vec![None; size[1] as usize], again: 0 });
    thread::scope(|scope| {
        for (number, server) in (1..).zip(&servers) {
            let rows = &rows;
            let kill = move |count| _ = (number == 1 && count == 5 && options.processes > 1).then(|| server.kill());
            scope.spawn(move || println!("process {number} gave {:3} rows", call(server.address, size, rows, kill)));
        }
    });
    let Rows { come, again, .. } = rows.into_inner().expect("nobody panics");
    let rgb = come.into_iter().collect::<Option<Vec<_>>>().ok_or(Error::Input("all processes fail".into()))?.concat();
    println!("{again} calls failed and were made again.");
    let work = Arc::new(Workshop(size));
    let serial = Gathered::new(&*work);
    run_on(&BACKENDS[0], 1, work, serial.clone())?;
    let bytes = if rgb == serial.bytes() { "the" } else { "other" };
    println!("The picture has {bytes} bytes that `serial` computes.");
    notice(
        "a call over HTTP can fail in the middle, so it is made again, by whoever is there. That is safe because a row \
        is the same whoever computes it, and how often. Processes on other machines would need another address and \
        nothing else; a broker would add a queue that outlives the caller.",
    );
    Ok(())
}
