//! File systems of our own, for as long as a test runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// A directory with a file system mounted on it. Dropped, panic or not, it is taken down, and a loop device with it:
/// `mount -o loop` has the kernel let go of the device with the last use.
pub(crate) struct Mounted {
    path: PathBuf,
}

impl Mounted {
    /// Why it cannot be had is the error: no root, no such file system, no loop device.
    fn with(path: &Path, args: &[&str]) -> Result<Self, String> {
        std::fs::create_dir_all(path).unwrap();
        tool("mount", &[args, &[path.to_str().unwrap()]].concat())?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// An empty file system in memory.
    pub(crate) fn tmpfs(path: &Path, size: &str) -> Result<Self, String> {
        Self::with(path, &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
    }

    /// The file system in an image.
    pub(crate) fn image(image: &Path, path: &Path, options: &str) -> Result<Self, String> {
        Self::with(path, &["-t", "ext4", "-o", &format!("loop,{options}"), image.to_str().unwrap()])
    }

    /// A directory once more, to be read only.
    pub(crate) fn read_only(dir: &Path, path: &Path) -> Result<Self, String> {
        let mounted = Self::with(path, &["--bind", dir.to_str().unwrap()])?;
        mounted.remount("bind,ro")?;
        Ok(mounted)
    }

    pub(crate) fn remount(&self, options: &str) -> Result<(), String> {
        tool("mount", &["-o", &format!("remount,{options}"), self.path.to_str().unwrap()]).map(drop)
    }

    /// Takes it down, and waits until nobody uses it.
    pub(crate) fn unmount(&self) -> Result<(), String> {
        let mut outcome = Ok(());
        for _ in 0..50 {
            outcome = tool("umount", &[self.path.to_str().unwrap()]).map(drop);
            if outcome.is_ok() {
                return outcome;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        outcome
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let path = self.path.display().to_string();
        let is_mounted = mounts.lines().any(|line| line.split(' ').nth(1) == Some(path.as_str()));
        if is_mounted && self.unmount().is_err() {
            // Out of the tree at least, or the directory that it stands in cannot be removed.
            let _ = tool("umount", &["--lazy", &path]);
        }
    }
}

/// Runs a tool of the system; why it did not do its work is the error.
pub(crate) fn tool(name: &str, args: &[&str]) -> Result<Output, String> {
    let output = Command::new(name).args(args).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(format!("{name} {}: {said}", args.join(" ")))
}
