/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Descriptors and files: closing, bounded reading, whole writing, atomic replacement, look-ups that stay
 * below a directory. "at" functions take a directory descriptor (AT_FDCWD allowed). All results are
 * O_CLOEXEC.
 */

#include <dirent.h>
#include <sys/stat.h>

#include "basic/macros.h"

/* Closes and keeps errno; negative values are ignored. Returns -EBADF. */
int close_fd(int fd);

static inline void close_fdp(int *fd) {
        close_fd(*fd);
}
#define _cleanup_close_ _cleanup_(close_fdp)

/* For _cleanup_closedir_. */
static inline void closedirp(DIR **d) {
        if (*d)
                (void) closedir(*d); /* was only read */
}
#define _cleanup_closedir_ _cleanup_(closedirp)

/* open() that returns the descriptor or a negative errno, EINTR retried, O_CLOEXEC added. */
int open_at(int dir_fd, const char *path, int flags, mode_t mode);

/**
 * open_in_root() - open a path that someone else wrote
 *
 * Symlinks and ".." are resolved as if @root_fd were "/"; magic links are refused.
 *
 * Return: descriptor, or negative errno of openat2(2).
 */
int open_in_root(int root_fd, const char *path, int flags, mode_t mode);

/* Like open_in_root(), but any symlink or ".." that would leave @dir_fd fails (-EXDEV). */
int open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

/* Opens the inode behind an O_PATH descriptor for use. */
int fd_reopen(int fd, int flags);

/* A duplicate with O_CLOEXEC, at 3 or above. */
int fd_dup(int fd);

/* Sets or clears O_NONBLOCK. 0 or negative errno. */
int fd_set_nonblock(int fd, bool nonblock);

/* Number of bytes read, less than @size only at the end of the file; negative errno. */
ssize_t read_full(int fd, void *data, size_t size);

/* 0 after everything was written; negative errno. */
int write_full(int fd, const void *data, size_t size);

/**
 * read_file_at() - read a small file whole
 * @max_bytes:  -E2BIG for larger files
 * @ret:        NUL-terminated behind @ret_size, owned by the caller
 * @ret_size:   may be NULL
 */
int read_file_at(int dir_fd, const char *path, size_t max_bytes, char **ret, size_t *ret_size);

/* The same from an open descriptor, from its present position. */
int read_file_fd(int fd, size_t max_bytes, char **ret, size_t *ret_size);

#define WRITE_SYNC (1U << 0)      /* fsync() the file and its directory before and after the rename */
#define WRITE_APPEND_NL (1U << 1) /* end with a newline */

/* Writes a temporary name beside @path and renames it. 0 or negative errno; nothing is left behind on
 * failure. */
int write_file_atomic_at(
                int dir_fd,
                const char *path,
                const void *data,
                size_t size,
                mode_t mode,
                unsigned flags);

/* Writes into an existing file (sysctl, cgroup). One write() call. */
int write_string_at(int dir_fd, const char *path, const char *s);

/* Makes all missing directories of @path. 0 also when it exists; -ENOTDIR when it is something else. */
int mkdir_p_at(int dir_fd, const char *path, mode_t mode);

/* Makes the directories above the last component. */
int mkdir_parents_at(int dir_fd, const char *path, mode_t mode);

/* Removes a file or a whole tree without following symlinks or crossing mounts. 0 also when it is absent. */
int rm_rf_at(int dir_fd, const char *path);

/* Target of a symlink, owned by the caller. */
int readlink_at(int dir_fd, const char *path, char **ret);
