//! Who can read the file of the key ring. Its mode alone does not say.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The mode of a file, if it lets every user of this machine read or write the file.
///
/// It does not if others cannot enter one of the folders above, as in `local/`. It does not in a container either, where
/// the file is mounted alone and read-only: only the container's own user is there, and what guards the file is the
/// folder that the machine has it in.
pub(super) fn exposing_mode(file: &Path) -> Option<u32> {
    let file = file.canonicalize().ok()?;
    let own = mode(&file)?;
    let is_exposed = lets_others(own, file.ancestors().skip(1).filter_map(mode)) && !is_mounted_alone(&file, &mounts());
    is_exposed.then_some(own)
}

fn mode(path: &Path) -> Option<u32> {
    path.metadata().ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

/// Whether the modes of a file and of the folders above it let others read or write it.
fn lets_others(file: u32, mut folders: impl Iterator<Item = u32>) -> bool {
    file & 0o006 != 0 && folders.all(|folder| folder & 0o001 != 0)
}

/// The mounts that this process sees; none on systems other than Linux.
fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// Whether a file is a read-only mount itself (a secret of Docker), or lies in a read-only one in memory (of Kubernetes).
fn is_mounted_alone(file: &Path, mounts: &str) -> bool {
    let holds_it = |mount: &Mount| file.starts_with(mount.point);
    let nearest = mounts.lines().filter_map(Mount::parse).filter(holds_it).max_by_key(|mount| mount.point.len());
    nearest.is_some_and(|mount| mount.is_read_only && (Path::new(mount.point) == file || mount.is_in_memory))
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    point: &'a str,
    is_read_only: bool,
    is_in_memory: bool,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // Any number of optional fields stand before the dash.
        let (own, of_file_system) = line.split_once(" - ")?;
        let mut own = own.split(' ').skip(4);
        let point = own.next()?;
        let is_read_only = own.next()?.split(',').any(|option| option == "ro");
        Some(Self { point, is_read_only, is_in_memory: of_file_system.starts_with("tmpfs ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Docker shows them in a container of docker-compose.yml, and Kubernetes in a pod.
    const MOUNTS: &str = "\
        576 471 0:50 / / ro,relatime - overlay overlay rw,lowerdir=/l\n\
        577 576 0:53 / /proc rw,nosuid - proc proc rw\n\
        601 576 254:0 /home/ada/local/key-ring /run/secrets/key-ring ro,relatime master:1 - ext4 /dev/vda rw\n\
        602 576 254:0 /home/ada/data /data rw,relatime - ext4 /dev/vda rw\n\
        603 576 0:60 / /run/secrets/meta-integration ro,relatime - tmpfs tmpfs rw,size=1024k\n\
        604 576 254:1 / /store ro,relatime - ext4 /dev/vdb ro\n";

    #[test]
    fn a_secret_that_a_container_is_given_is_not_exposed() {
        for file in ["/run/secrets/key-ring", "/run/secrets/meta-integration/..data/key-ring"] {
            assert!(is_mounted_alone(Path::new(file), MOUNTS), "{file}");
        }
        for file in ["/data/key-ring", "/store/key-ring", "/key-ring", "/run/secrets/key-rings"] {
            assert!(!is_mounted_alone(Path::new(file), MOUNTS), "{file}");
        }
    }

    #[test]
    fn a_file_is_exposed_if_its_mode_and_every_folder_let_others_in() {
        for (file, folders, expected) in [
            (0o644, [0o755, 0o755], true),
            (0o602, [0o711, 0o755], true),
            (0o644, [0o700, 0o755], false),
            (0o644, [0o755, 0o750], false),
            (0o640, [0o755, 0o755], false),
            (0o600, [0o755, 0o755], false),
        ] {
            assert_eq!(lets_others(file, folders.into_iter()), expected, "{file:o} below {folders:?}");
        }
    }
}
