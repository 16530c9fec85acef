//! Not a test, but by its name the last program that `cargo test` runs: it repeats what the others left out on this machine.

#[path = "support/left_out.rs"]
#[expect(dead_code, reason = "nothing is left out here")]
mod left_out;

fn main() {
    if let Ok(said) = std::fs::read_to_string(left_out::list()) {
        eprintln!("\nNot everything was tested on this machine:\n{said}");
        let _ = std::fs::remove_file(left_out::list());
    }
}
