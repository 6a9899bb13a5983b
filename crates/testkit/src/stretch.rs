//! Stretches of code that count as one instruction, because no peer can see their middle or because
//! single steps would never leave them.

use std::fs;
use std::ops::Range;

/// The code that the kernel maps into every process: clocks, read under a sequence counter. One
/// that is stepped more slowly than the counter moves would start again for ever.
#[derive(Debug)]
pub(crate) struct Vdso(Range<u64>);

impl Vdso {
    /// Finds it in this process. Empty when there is none; a forked child has it at the same place.
    pub(crate) fn find() -> Self {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Self(maps.lines().find_map(vdso_line).unwrap_or_default())
    }

    pub(crate) fn contains(&self, ip: u64) -> bool {
        self.0.contains(&ip)
    }
}

fn vdso_line(line: &str) -> Option<Range<u64>> {
    let range = line.strip_suffix("[vdso]")?.split_ascii_whitespace().next()?;
    let (start, end) = range.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

/// Returns the length in bytes of the string instruction with a `rep` prefix that `code` begins
/// with, or `None` when it begins with another one. Each round of it is a single step to the
/// processor, and a `memcpy` may be one such instruction.
#[cfg(target_arch = "x86_64")]
pub(crate) fn repeated_string_len(code: [u8; 8]) -> Option<u64> {
    const REP: [u8; 2] = [0xf2, 0xf3];
    // Operand size, address size, segments.
    const OTHER: [u8; 8] = [0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
    let prefixes =
        code.iter().take_while(|byte| REP.contains(byte) || OTHER.contains(byte)).count();
    let repeated = code.iter().take(prefixes).any(|byte| REP.contains(byte));
    let rex = usize::from(matches!(code.get(prefixes), Some(0x40..=0x4f)));
    let opcode = prefixes + rex;
    let string = matches!(code.get(opcode), Some(0xa4..=0xa7 | 0xaa..=0xaf));
    if repeated && string { u64::try_from(opcode + 1).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vdso_holds_the_clock() {
        let line = "7fff1234a000-7fff1234c000 r-xp 00000000 00:00 0      [vdso]";
        assert_eq!(vdso_line(line), Some(0x7fff_1234_a000..0x7fff_1234_c000));
        assert_eq!(vdso_line("7fff12346000-7fff1234a000 r--p 00000000 00:00 0  [vvar]"), None);
        let vdso = Vdso::find();
        assert!(!vdso.0.is_empty(), "{vdso:?}");
        assert!(!vdso.contains(vdso.0.end) && vdso.contains(vdso.0.start));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn repeated_string_instructions_are_known_by_their_bytes() {
        let len = |bytes: &[u8]| {
            let mut code = [0x90; 8];
            code[..bytes.len()].copy_from_slice(bytes);
            repeated_string_len(code)
        };
        assert_eq!(len(&[0xf3, 0xa4]), Some(2), "rep movsb");
        assert_eq!(len(&[0xf3, 0x48, 0xab]), Some(3), "rep stosq");
        assert_eq!(len(&[0x66, 0xf3, 0xa5]), Some(3), "rep movsw");
        assert_eq!(len(&[0xf2, 0xae]), Some(2), "repne scasb");
        assert_eq!(len(&[0xa4]), None, "movsb");
        assert_eq!(len(&[0x48, 0xa5]), None, "movsq");
        assert_eq!(len(&[0xf3, 0x90]), None, "pause");
        assert_eq!(len(&[0xf3, 0x0f, 0x1e, 0xfa]), None, "endbr64");
        assert_eq!(len(&[0xf3, 0x6c]), None, "rep insb, which no user program may");
        assert_eq!(len(&[0xf3; 8]), None, "all prefixes");
    }
}
