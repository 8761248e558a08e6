//! Paths as text, and back: what no path may be lost in, and no two paths may share.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path as text: bytes that are not UTF-8 as `\xNN`, and the backslash doubled.
pub(super) fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        for byte in chunk.invalid() {
            let _ = write!(text, r"\x{byte:02x}");
        }
    }
    text
}

/// The path that a text stands for, if [`path_text`] made it.
pub(super) fn text_path(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at_checked(at)?;
        bytes.extend_from_slice(plain.as_bytes());
        if let Some(after) = escape.strip_prefix(r"\\") {
            bytes.push(b'\\');
            rest = after;
        } else {
            let (digits, after) = escape.strip_prefix(r"\x")?.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_a_text_of_its_own_and_comes_back() {
        let paths: [&[u8]; 7] = [b"a/b", "ß".as_bytes(), b"\xff", b"\\xff", b"a\\", b"\\\xc3", b"\n \x1b"];
        let texts = paths.map(|path| path_text(&PathBuf::from(OsString::from_vec(path.to_vec()))));
        assert_eq!(texts[2], r"\xff");
        assert_eq!(texts[3], r"\\xff");
        for (path, text) in paths.iter().zip(&texts) {
            assert_eq!(text_path(text).unwrap().as_os_str().as_bytes(), *path);
        }
        for text in [r"\", r"\x", r"\xf", r"\xg0", r"a\b", "\\xß"] {
            assert_eq!(text_path(text), None, "{text}");
        }
    }
}
