use super::*;

/// Reads a response that comes in pieces of `step` bytes, and then the end of the connection.
fn read(text: &[u8], step: usize) -> Result<Response, Fault> {
    let mut reader = Reader::new(1000, 100, false);
    for piece in text.chunks(step) {
        reader.receive(piece)?;
    }
    reader.end()?;
    Ok(reader.into_response())
}

/// The same in pieces of all lengths.
fn read_all(text: &[u8]) -> Result<Response, Fault> {
    let whole = read(text, text.len().max(1));
    for step in 1..text.len() {
        assert_eq!(read(text, step), whole, "in pieces of {step} bytes");
    }
    whole
}

#[test]
fn bodies_end_where_they_say() {
    for (rest, body, is_whole) in [
        ("Content-Length: 3\r\n\r\nabcdef", "abc", true),
        ("Content-Length: 3, 3\r\ncontent-length: 3\r\n\r\nabc", "abc", true),
        ("Content-Length: 0\r\n\r\nabc", "", true),
        ("\r\nto the end", "to the end", true),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nTrailer: 1\r\n\r\n", "abcd", true),
        ("Transfer-Encoding: gzip, Chunked\nContent-Length: 99\n\nA\n0123456789\n0\n\n", "0123456789", true),
        ("Transfer-Encoding: gzip\r\n\r\nabc", "abc", true),
    ] {
        let response = read_all(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes()).unwrap();
        assert_eq!((&*response.body, response.is_whole), (body.as_bytes(), is_whole), "{rest}");
    }
    // What has no body, whatever it says.
    let response = read_all(b"HTTP/1.0 304 Not Modified\r\nContent-Length: 5\r\n\r\n").unwrap();
    assert_eq!((response.status, response.is_whole), (304, true));
    let mut reader = Reader::new(100, 100, true);
    reader.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").unwrap();
    assert!(reader.is_complete());
}

#[test]
fn what_comes_before_an_answer_is_passed_over() {
    let response =
        read_all(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nA: b\r\nA: c\r\n\r\n").unwrap();
    assert_eq!((response.status, response.header("a"), response.header("link")), (404, Some("b"), None));
}

#[test]
fn more_than_is_kept_is_not_read() {
    for rest in ["Content-Length: 10000000000\r\n\r\n", "\r\n", "Transfer-Encoding: chunked\r\n\r\nfffff\r\n"] {
        let mut reader = Reader::new(1000, 100, false);
        reader.receive(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes()).unwrap();
        reader.receive(&[b'x'; 100]).unwrap();
        assert!(!reader.is_complete(), "{rest}");
        reader.receive(&[b'x'; 100]).unwrap();
        assert!(reader.is_complete());
        let response = reader.into_response();
        assert_eq!((response.body.len(), response.is_whole), (100, false));
    }
}

#[test]
fn lies_and_nonsense_are_named() {
    let head = |rest: &str| read_all(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes()).unwrap_err().to_string();
    let length = "sent a Content-Length that is not one number";
    let chunks = "sent a body that is not in chunks as its headers say";
    for (rest, what) in [
        ("Content-Length: 5\r\n\r\nabc", "closed the connection after 3 of 5 bytes"),
        ("Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", length),
        ("Content-Length: +5\r\n\r\nabcde", length),
        ("Content-Length: 99999999999999999999\r\n\r\n", length),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nab", "closed the connection in the middle of the body, after 2 bytes"),
        ("Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n", chunks),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n", chunks),
        ("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", chunks),
        ("Transfer-Encoding: chunked\r\n\r\n\r\n", chunks),
        ("A: b", "closed the connection before it had answered"),
        ("A\r\n\r\n", "sent headers that cannot be read: invalid header name"),
    ] {
        assert_eq!(head(rest), what, "{rest}");
    }
    assert_eq!(head(&"A: b\r\n".repeat(200)), "sent headers without an end: more than 1000 bytes");
    assert!(head(&("a:b\n".repeat(130) + "\n")).ends_with("there are more than 128"));
    assert_eq!(head(&"y".repeat(2000)), "sent headers without an end: more than 1000 bytes");
    let trailers = "Transfer-Encoding: chunked\r\n\r\n0\r\n".to_owned() + &"A: b\r\n".repeat(200);
    assert_eq!(head(&trailers), "sent headers without an end: more than 1000 bytes");
    for text in
        ["SSH-2.0-OpenSSH\r\n", "\r\nHTTP/1.1 200 OK", "\0\0", "HTTP/2 200\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n"]
    {
        assert_eq!(
            read_all(text.as_bytes()).unwrap_err().to_string(),
            "answered with something else than HTTP/1",
            "{text:?}"
        );
    }
    assert_eq!(read(b"", 1), Err(Fault::NoHead));
}

proptest::proptest! {
    /// Whatever comes, in whatever pieces, is read the same, and within the limits.
    #[test]
    fn pieces_change_nothing(
        start in "(HTTP/1\\.[01] [0-9]{3} (x|)\r?\n)?",
        lines in proptest::collection::vec("(Content-Length: [0-9]{1,3}|Transfer-Encoding: chunked|[a-z]{1,9}: ?[ -~]{0,9})\r?\n", 0..4),
        rest in proptest::collection::vec("(\r\n|[0-9a-f]{1,3}|[ -~]{1,20}|0\r\n\r\n)", 0..8),
        cuts in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let text = format!("{start}{}\r\n{}", lines.concat(), rest.concat());
        let whole = read(text.as_bytes(), text.len().max(1));
        let mut reader = Reader::new(1000, 100, false);
        let (mut left, mut outcome) = (text.as_bytes(), Ok(()));
        for cut in cuts.iter().cycle() {
            if left.is_empty() || outcome.is_err() {
                break;
            }
            let (piece, after) = left.split_at(left.len().min(*cut));
            outcome = reader.receive(piece);
            left = after;
        }
        let outcome = outcome.and_then(|()| reader.end()).map(|()| reader.into_response());
        proptest::prop_assert_eq!(&outcome, &whole);
        if let Ok(response) = outcome {
            proptest::prop_assert!(response.body.len() <= 100);
        }
    }
}
