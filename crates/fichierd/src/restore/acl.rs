//! The form of an ACL, as the kernel has it in `system.posix_acl_access`.
//!
//! It is a version (2) of 32 bits, then entries: tag and rights of 16 bits, a user or group of 32
//! bits, all little-endian (`linux/posix_acl_xattr.h`). Anything else is passed on unchanged: the
//! kernel refuses it.

use fichier_state::Xattrs;

use super::owners::Owners;

const HEADER_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;

const TAG_USER: [u8; 2] = [0x02, 0];
const TAG_GROUP_OBJECT: [u8; 2] = [0x04, 0];
const TAG_GROUP: [u8; 2] = [0x08, 0];

/// The ACL with local owners in place of the recorded ones.
pub(super) fn local(value: &[u8], owners: &mut Owners) -> Vec<u8> {
    let mut value = value.to_vec();
    if let Some(entries) = value.get_mut(HEADER_BYTES..) {
        for entry in entries.chunks_exact_mut(ENTRY_BYTES) {
            let (head, id) = entry.split_at_mut(4);
            let Ok(number) = <[u8; 4]>::try_from(&*id) else { continue };
            let number = u32::from_le_bytes(number);
            let local = match [head[0], head[1]] {
                TAG_USER => owners.uid(number),
                TAG_GROUP => owners.gid(number),
                _ => continue,
            };
            id.copy_from_slice(&local.to_le_bytes());
        }
    }
    value
}

/// The mode for a file whose ACL is among the attributes that `failed`; `None` if it has it.
///
/// With an ACL, the group's bits of the mode are the widest rights that any entry grants. Without
/// the ACL they would all go to the group.
pub(super) fn without(mode: u32, wanted: &Xattrs, failed: &[&[u8]]) -> Option<u32> {
    const NAME: &[u8] = b"system.posix_acl_access";
    if !failed.contains(&NAME) {
        return None;
    }
    let (_, value) = wanted.iter().find(|(name, _)| name == NAME)?;
    let group = value
        .get(HEADER_BYTES..)
        .into_iter()
        .flat_map(|entries| entries.chunks_exact(ENTRY_BYTES))
        .find(|entry| entry.starts_with(&TAG_GROUP_OBJECT))
        .map_or(0, |entry| u32::from(entry[2]));
    Some(mode & !0o070 | mode & ((group & 0o7) << 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `u::rw-, u:nobody:rwx, g::r--, g:tty:rw-, m::rwx, o::---`.
    fn acl(user: u32, group: u32) -> Vec<u8> {
        let undefined = u32::MAX;
        let entries = [
            (0x01, 6, undefined),
            (0x02, 7, user),
            (0x04, 4, undefined),
            (0x08, 6, group),
            (0x10, 7, undefined),
            (0x20, 0, undefined),
        ];
        let mut value = vec![2, 0, 0, 0];
        for (tag, rights, id) in entries {
            value.extend_from_slice(&u16::to_le_bytes(tag));
            value.extend_from_slice(&u16::to_le_bytes(rights));
            value.extend_from_slice(&u32::to_le_bytes(id));
        }
        value
    }

    #[test]
    fn owners_in_it_become_local() {
        let names = |name: &str| [(4711, name.to_owned())];
        let mut owners = Owners::by_name(names("nobody"), names("tty"));
        let (user, group) = (owners.uid(4711), owners.gid(4711));
        assert_ne!(user, group);
        assert_eq!(local(&acl(4711, 4711), &mut owners), acl(user, group));
        let whole = acl(4711, 4711);
        for cut in 0..whole.len() {
            assert_eq!(local(&whole[..cut], &mut owners).len(), cut);
        }
    }

    #[test]
    fn without_it_the_group_has_its_own_rights() {
        let wanted = vec![(b"system.posix_acl_access".to_vec(), acl(1, 1))];
        assert_eq!(without(0o2670, &wanted, &[b"system.posix_acl_access"]), Some(0o2640));
        assert_eq!(without(0o670, &wanted, &[b"user.a"]), None);
        let broken = vec![(b"system.posix_acl_access".to_vec(), vec![2, 0])];
        assert_eq!(without(0o670, &broken, &[b"system.posix_acl_access"]), Some(0o600));
    }
}
