//! Unrolled loops over vectors in registers.

/// Unrolls a body for each number below `$n`, at most 8: where the compiler leaves a loop that indexes an array of vectors as a loop,
/// the array stays in memory.
macro_rules! unroll {
    ($n:expr, $k:ident => $body:block) => {
        $crate::kernel::unroll::unroll!($n, $k => $body, 0 1 2 3 4 5 6 7)
    };
    ($n:expr, $k:ident => $body:block, $($i:literal)+) => {
        $(if $n > $i {
            let $k: usize = $i;
            $body
        })+
    };
}

/// An array of `$n` values.
macro_rules! each {
    ($n:expr, $k:ident => $value:expr, $init:expr) => {{
        let mut array = [$init; $n];
        $crate::kernel::unroll::unroll!($n, $k => { array[$k] = $value; });
        array
    }};
}

pub(super) use {each, unroll};
