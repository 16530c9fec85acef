//! The direct kernel: inner loops against the machine's peak, and whole scenes. Times are processor time of one thread.

use criterion::{Criterion, criterion_group, criterion_main};
use fractal::formula::FORMULAS;
use fractal::kernel::Isa;
use fractal::kernel::measure::{BENCHMARKS, InnerLoop, multiply_add_peak};
use fractal::sample::Channels;
use std::time::Duration;

/// The largest of several values.
fn best(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

/// Inner loops in iterations per second, and their share of what the operations of one iteration allow.
fn inner_loops(_: &mut Criterion) {
    for isa in Isa::available().into_iter().filter(|isa| !matches!(isa, Isa::Scalar | Isa::Sse42)) {
        let peak = best((0..15).map(|_| multiply_add_peak(isa, 400_000)));
        println!("{isa}: {:.2} G multiply-adds/s", peak / 1e9);
        for entry in FORMULAS {
            for power in entry.powers.clone() {
                let inner = InnerLoop::new(entry, power, isa).expect("the formula has this power");
                let rate = best((0..15).map(|_| inner.rate(20_000)));
                let share = 100.0 * rate * inner.operations / peak;
                println!("  {:14} {power}: {:6.2} G iterations/s, {share:5.1} % of the peak", entry.name, rate / 1e9);
            }
        }
    }
}

fn scenes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scene");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    let smooth = Channels { smooth: true, distance: false };
    for isa in Isa::available().into_iter().filter(|isa| !matches!(isa, Isa::Scalar | Isa::Sse42)) {
        for benchmark in BENCHMARKS {
            for (name, radius, channels) in [
                ("counts", 2.0, Channels::default()),
                ("counts256", 256.0, Channels::default()),
                ("smooth", 256.0, smooth),
            ] {
                let mut scene =
                    benchmark.prepare(isa, radius, channels, 64, 30).expect("the instruction set is available");
                group.bench_function(format!("{}/{isa}/{name}", benchmark.name), |bencher| {
                    bencher.iter_custom(|times| (0..times).map(|_| scene.run().expect("nothing stops it").time).sum());
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, inner_loops, scenes);
criterion_main!(benches);
