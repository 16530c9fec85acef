//! Instruction sets: which ones this processor has and which one runs.

use crate::error::{Error, Result};
use fearless_simd::Level;
use std::fmt;
use std::str::FromStr;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// The plain loop over single samples: the reference that all others match bit for bit.
    Scalar,
    /// x86 with 128-bit vectors and no fused multiply-add, which is emulated: the same bits, but slower than the plain loop, which
    /// calls the same emulation and wastes no lanes (by a factor of 1.2 on an emulated Nehalem). Few formulas have code for it
    /// ([`crate::formula::Formula::NARROW`]).
    Sse42,
    /// x86 with 256-bit vectors and fused multiply-add.
    Avx2,
    /// x86 with 512-bit vectors, from Ice Lake and Zen 4 on.
    Avx512,
    /// Arm with 128-bit vectors.
    Neon,
}

impl Isa {
    /// All, from slowest to fastest for each architecture.
    pub const ALL: [Isa; 5] = [Isa::Sse42, Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Neon];

    /// Its name: `scalar`, `sse4.2`, `avx2`, `avx512`, `neon`.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Sse42 => "sse4.2",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let available = |level: Level| match self {
            Isa::Scalar => true,
            Isa::Sse42 => level.as_sse4_2().is_some(),
            Isa::Avx2 => level.as_avx2().is_some(),
            Isa::Avx512 => level.as_avx512().is_some(),
            Isa::Neon => false,
        };
        #[cfg(target_arch = "aarch64")]
        let available = |level: Level| match self {
            Isa::Scalar => true,
            Isa::Neon => level.as_neon().is_some(),
            _ => false,
        };
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
        let available = |_: Level| self == Isa::Scalar;
        available(Level::new())
    }

    /// Whether this processor has separate adders for this set's vectors, besides its multiply-add units. Intel processors have them
    /// for up to 256 bits only, AMD processors for all widths.
    pub fn has_adders(self) -> bool {
        match self {
            Isa::Scalar | Isa::Sse42 | Isa::Avx2 => true,
            Isa::Avx512 => made_by_amd(),
            Isa::Neon => false,
        }
    }

    /// The instruction sets that this processor has, from slowest to fastest.
    pub fn available() -> Vec<Isa> {
        Self::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The fastest one that this processor has.
    pub fn best() -> Isa {
        Self::available().last().copied().unwrap_or(Isa::Scalar)
    }

    /// The one named by the environment variable `FRACTAL_ISA`, or the best.
    ///
    /// # Errors
    /// [`Error::Usage`] when the name is unknown or this processor does not have it.
    pub fn from_env() -> Result<Isa> {
        match std::env::var_os("FRACTAL_ISA").filter(|name| !name.is_empty()) {
            None => Ok(Self::best()),
            Some(name) => name
                .to_string_lossy()
                .parse()
                .map_err(|error| Error::Usage(format!("environment variable FRACTAL_ISA: {error}"))),
        }
    }
}

/// Whether the processor identifies itself as AMD's.
fn made_by_amd() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        // Asked once: a virtual machine's host answers, which takes 8 µs.
        static ANSWER: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
            let vendor = core::arch::x86_64::__cpuid(0);
            [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
        });
        *ANSWER
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Isa {
    type Err = Error;

    /// Parses a name.
    ///
    /// # Errors
    /// [`Error::Usage`] when the name is unknown or this processor does not have it.
    fn from_str(name: &str) -> Result<Isa> {
        let known = Self::ALL.into_iter().find(|isa| isa.name() == name);
        if let Some(isa) = known.filter(|isa| isa.is_available()) {
            return Ok(isa);
        }
        let available: Vec<_> = Self::available().into_iter().map(Isa::name).collect();
        let what = if known.is_some() { "is not available on this processor" } else { "is unknown" };
        Err(Error::Usage(format!("instruction set `{name}` {what}; available are {}", available.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for isa in Isa::available() {
            assert_eq!(isa.to_string().parse::<Isa>().unwrap(), isa);
        }
    }

    #[test]
    fn other_names_are_refused_with_what_is_available() {
        let unavailable = Isa::ALL.into_iter().filter(|isa| !isa.is_available()).map(Isa::name);
        for name in ["", "AVX2", "sse9"].into_iter().chain(unavailable) {
            let Err(Error::Usage(text)) = name.parse::<Isa>() else { panic!("`{name}` was accepted") };
            assert!(text.contains("scalar") && text.contains(name), "{text}");
        }
    }
}
