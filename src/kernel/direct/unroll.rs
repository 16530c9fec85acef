//! Loops over vectors in registers, spelled out.

/// Runs a body for each number below `$n`, at most 8, spelled out: an array of vectors that is indexed in a loop which the compiler
/// leaves as a loop lives in memory for good.
macro_rules! unroll {
    ($n:expr, $k:ident => $body:block) => {
        $crate::kernel::direct::unroll::unroll!($n, $k => $body, 0 1 2 3 4 5 6 7)
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
        $crate::kernel::direct::unroll::unroll!($n, $k => { array[$k] = $value; });
        array
    }};
}

pub(super) use {each, unroll};
