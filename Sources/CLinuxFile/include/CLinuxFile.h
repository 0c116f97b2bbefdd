#ifndef C_LINUX_FILE_H
#define C_LINUX_FILE_H

/// Opens a file for reading below a directory, following no symbolic link and leaving the directory by no way.
///
/// Returns a descriptor, or -1 with errno set; ENOSYS where the kernel has no openat2.
int linux_open_beneath(int directory, const char *path);

#endif
