//! Power loss on a real ext4: the file system is shut down under the process that writes, without flushing its journal,
//! mounted again, and must hold what was promised.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use super::mounts::{Mounted, tool};
use super::story::{self, Retold, Said};
use super::support::{Dice, assert_sound, count, debian, exhaustive, skipped, snaplog};

/// `ioctl(fd, EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH)`: from here on nothing reaches the device, neither what is
/// dirty in memory nor the journal's open transaction.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// How an ext4 may be mounted. The first is its default; the others keep much more in memory, and hold no data back for
/// the sake of programs that forget to sync before a rename.
const OPTIONS: [&str; 3] =
    ["defaults", "noauto_da_alloc,commit=300", "noauto_da_alloc,commit=300,data=writeback"];

/// An ext4 in a file, and the directory that it is mounted on.
struct Disk {
    dir: tempfile::TempDir,
    mounted: Option<Mounted>,
}

impl Disk {
    fn new() -> Result<Self, String> {
        tool("python3", &["-c", "import fcntl"])?;
        let dir = tempfile::tempdir().unwrap();
        let disk = Self { dir, mounted: None };
        let image = std::fs::File::create(disk.image()).unwrap();
        image.set_len(96 << 20).unwrap();
        tool("mkfs.ext4", &["-q", "-F", disk.image().to_str().unwrap()])?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("ext4.image")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("disk/log")
    }

    /// Outside of the disk.
    fn said(&self) -> PathBuf {
        self.dir.path().join("said")
    }

    fn mount(&mut self, options: &str) -> Result<(), String> {
        self.mounted = Some(Mounted::image(&self.image(), &self.dir.path().join("disk"), options)?);
        Ok(())
    }

    /// The power goes.
    fn shut_down(&self) -> Result<(), String> {
        tool("python3", &["-c", SHUT_DOWN, self.dir.path().join("disk").to_str().unwrap()]).map(drop)
    }

    /// And comes back.
    fn mount_again(&mut self, options: &str) {
        self.mounted.take().unwrap().unmount().unwrap();
        self.mount(options).unwrap();
    }
}

/// A fresh disk with nothing on it that could be lost; `None` where there can be none.
fn disk(test: &str, options: &str) -> Option<Disk> {
    let ready = Disk::new().and_then(|mut disk| disk.mount(options).map(|()| disk));
    // A device that cannot be shut down is found before anything rests on it.
    let shut = ready.and_then(|disk| disk.shut_down().map(|()| disk));
    match shut {
        Ok(mut disk) => {
            disk.mount_again(options);
            Some(disk)
        }
        Err(reason) => {
            skipped(test, &reason);
            None
        }
    }
}

/// Waits until a process has said something more, and then for as long as the dice say.
fn let_it_write(child: &mut Child, said: &mut Said, path: &Path, dice: &mut Dice) {
    let before = said.lines;
    while said.lines < before + 5 {
        if child.try_wait().unwrap().is_some() {
            let mut complaint = String::new();
            child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
            panic!("the process ended before the power was cut: {complaint}");
        }
        std::thread::sleep(Duration::from_millis(1));
        said.read(path);
    }
    dice.pause(Duration::from_millis(600));
}

/// Ends the process, which may notice late that it has no disk any more.
fn end(mut child: Child) -> String {
    for _ in 0..30 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_was_acknowledged_is_there_after_a_loss_of_power() {
    let mut dice = Dice::new();
    let cuts = count("SNAPLOG_POWER_CUTS", if exhaustive() { 200 } else { 6 });
    let (mut lost, mut promised) = (0, 0);
    for options in OPTIONS {
        let Some(mut disk) = disk("power loss", options) else { return };
        story::init(&disk.log());
        let (mut said, mut retold) = (Said::default(), Retold::new());
        for _ in 0..cuts.div_ceil(3) {
            let mut child = story::begin(&disk.log(), &disk.said(), dice.below(u64::MAX));
            let_it_write(&mut child, &mut said, &disk.said(), &mut dice);
            disk.shut_down().unwrap();
            let complaint = end(child);
            said.read(&disk.said());
            disk.mount_again(options);
            said.assert_kept(&disk.log(), &mut retold);
            assert!(!complaint.contains("panicked at src"), "{complaint}");
            lost += 1;
        }
        // It goes on, and ends in good order.
        snaplog::Log::open(disk.log()).unwrap().writer().unwrap().close().unwrap();
        said.assert_kept(&disk.log(), &mut retold);
        promised += said.lines;
    }
    println!("{lost} losses of power, {promised} promises kept");
}

/// The moment at which most is at stake: the command has just said that it is done, and nothing was written since.
#[test]
fn what_a_command_has_done_is_done_when_the_power_goes_right_after_it() {
    for options in OPTIONS {
        let Some(mut disk) = disk("power loss after a command", options) else { return };
        let text = debian();
        let input = disk.dir.path().join("events.ndjson");
        std::fs::write(&input, text.split_inclusive('\n').take(3000).collect::<String>()).unwrap();
        let path = disk.log();
        let mut cut_after = |args: &[&str]| {
            let mut command = snaplog(&path);
            let output = command.args(args).output().unwrap();
            disk.shut_down().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            disk.mount_again(options);
            let log = snaplog::Log::open(&path).unwrap_or_else(|error| panic!("after {args:?}: {error}"));
            assert_sound(&log)
        };
        cut_after(&["init"]);
        let reader = cut_after(&["ingest", "--no-compact", input.to_str().unwrap()]);
        assert_eq!(reader.last_seq().0, 3000, "{options}");
        let markers = reader.markers().len();
        let reader = cut_after(&["mark", "--label", "here"]);
        assert_eq!(reader.markers().len(), markers + 1);
        assert_eq!(reader.markers().last().unwrap().label.as_deref(), Some("here"));
        let reader = cut_after(&["pin", "here"]);
        assert!(reader.markers().last().unwrap().pinned, "{options}");
        let reader = cut_after(&["prune", "--yes"]);
        let dropped = reader.markers().iter().filter(|marker| marker.expired.is_some()).count();
        assert!(dropped > 0, "the drops did not last: {options}");
        let reader = cut_after(&["undelete", "--all"]);
        assert!(reader.markers().iter().all(|marker| marker.expired.is_none()), "{options}");
        let reader = cut_after(&["prune", "--yes", "--now"]);
        assert_eq!(reader.markers().len(), markers + 1 - dropped, "{options}");
        let reader = cut_after(&["compact", "--thorough", "--now"]);
        assert_eq!(reader.last_seq().0, 3000);
        assert_eq!(reader.markers().len(), markers + 1 - dropped, "{options}");
    }
}
