//! Servers in processes of their own, so that they can be killed, and their descriptors and times count apart.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// This program as a server; it ends with the value.
pub(crate) struct Server {
    child: Mutex<Child>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it with these arguments, upon which it is to [`listen`].
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(arguments).arg("--child").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut address)?;
        let address = address.trim().parse().map_err(|_| io::Error::other("a server has no address"))?;
        Ok(Self { child: Mutex::new(child), address })
    }

    /// Ends it in the middle of whatever it does, and says so.
    pub(crate) fn kill(&self) {
        println!("a process is killed");
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

/// Listens on a port of this machine, and prints the address. A child ends with its standard input, that is with its parent.
pub(crate) fn listen(port: u16, is_child: bool) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("{}", listener.local_addr()?);
    if is_child {
        thread::spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
    }
    Ok(listener)
}
