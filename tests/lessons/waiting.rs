//! The lessons on waiting: `hub`, `reactor`, `chat` and `rpc`.

use super::support::is_long;
use super::{contains, lesson, output};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

pub(super) fn hub() {
    let said = output(&["hub", "--quick"]);
    contains(
        &said,
        &["sleep(0) after each number: a1 b1 a2 b2 a3 b3\n", "no sleep:                   a1 a2 a3 b1 b2 b3\n"],
    );
    contains(&said, &["20 of 20 clients got an answer"]);
}

pub(super) fn reactor() {
    let said = output(&["reactor"]);
    // All three are under way before the first comes.
    contains(&said, &["/         is asked for\n", "/nowhere  is asked for\n", "/hang-up  is asked for\n"]);
    for line in [
        "23 bytes: <title>Fractals</title>\n",
        "/nowhere  no page: status 404\n",
        "/hang-up  no page: the server hung up\n",
    ] {
        contains(&said, &["/hang-up  is asked for\n", line]);
    }
}

pub(super) fn chat() {
    let disconnects = if is_long() { "1000" } else { "100" };
    let said = output(&["chat", "--disconnects", disconnects]);
    for model in ["threads", "tokio", "fibers", "reactor"] {
        let line = said.lines().find(|line| line.starts_with(model)).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        // 200 clients say two lines each to 199 others.
        assert_eq!([words[1], words[4]], ["79600", "0"], "every line, once and in order: {line}");
        contains(line, &["was dropped", "disturb nobody"]);
    }
    // What a server sends to whoever is there, by the program's own way to serve.
    let mut server = lesson(&["chat", "--serve", "threads"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let connect = || BufReader::new(TcpStream::connect(address.trim()).unwrap());
    let line = |client: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        line
    };
    // Each has a thread of its own, so they are let in one after the other only if the second comes after the greeting of the first.
    let mut anna = connect();
    assert_eq!(line(&mut anna), "1 here\n");
    let mut bert = connect();
    assert_eq!(line(&mut bert), "2 here\n");
    // A line comes in two parts, and the next with its end.
    for part in ["Anna: go", "od morning\nAnna: ", "again\n"] {
        anna.get_mut().write_all(part.as_bytes()).unwrap();
    }
    assert_eq!([line(&mut bert), line(&mut bert)], ["Anna: good morning\n", "Anna: again\n"]);
    // A line without end is no line, and who sends it is not kept.
    anna.get_mut().write_all(&[b'x'; 5000]).unwrap();
    assert_eq!(anna.read_line(&mut String::new()).unwrap_or(0), 0);
    server.kill().unwrap();
    server.wait().unwrap();
}

pub(super) fn rpc() {
    let said = output(&["rpc", "--quick"]);
    contains(&said, &[" calls failed and were made again.\n", "The picture has the bytes that `serial` computes.\n"]);
    let given = said.lines().filter_map(|line| line.strip_suffix(" rows")?.rsplit(' ').next()?.parse::<u32>().ok());
    let given: Vec<_> = given.collect();
    assert_eq!((given.len(), given.iter().sum::<u32>()), (3, 60), "every row was given once: {said}");
    if said.contains("a process is killed\n") {
        assert!(given.contains(&5), "and who was killed gave no more: {said}");
    }
    // One process is enough, and is not killed.
    contains(&output(&["rpc", "--quick", "--processes", "1"]), &["process 1 gave  60 rows\n0 calls failed"]);
}
