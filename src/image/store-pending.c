/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Notes about changes of more than one file. Layers have no image between two writes; where we die there,
 * the next start finds the layers by the note. They are files of our own, "crio/pending-…", one id a line.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/id.h"
#include "basic/str.h"
#include "image/store-internal.h"

#define PREFIX "pending-"
#define NOTE_MAX (64 * KIB)

int store_pending_new(Store *s, char *const *layers, StorePending *ret, Error *error) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT(NOTE_MAX);
        char random[STORE_RANDOM_SIZE + 1];
        int fd, r;

        STRV_FOREACH(id, layers)
                (void) buffer_addf(&text, "%s\n", *id); /* the size tells below */
        fd = store_make_lock(s, STORE_PENDING, PREFIX, random);
        r = fd < 0 ? fd : text.error;
        if (r >= 0)
                r = write_full(fd, text.data, text.size);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r >= 0)
                (void) snprintf(ret->name, sizeof(ret->name), PREFIX "%s", random); /* fits */
        else
                fd = close_fd(fd);
        ret->fd = fd;
        return r < 0 ? error_set(error, r, STATUS_INTERNAL, "write a note into the store: %s", STRERROR(r)) :
                       0;
}

void store_pending_drop(Store *s, StorePending *p) {
        _cleanup_free_ char *path = p->fd >= 0 ? str_join(STORE_PENDING "/", p->name, NULL) : NULL;

        if (path)
                (void) unlinkat(s->root_fd, path, 0); /* one that stays finds its layers in use */
        p->fd = close_fd(p->fd);
        (void) unlinkat(s->root_fd, STORE_PENDING, AT_REMOVEDIR); /* unless others are there */
}

static int read_note(int fd, char ***ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **ids = NULL;
        int r;

        r = read_file_fd(fd, NOTE_MAX, &text, NULL);
        if (r >= 0)
                r = strv_split(text, "\n", &ids);
        STRV_FOREACH(id, ids)
                if (r >= 0 && id_is_valid(*id)) /* a line that was cut names nothing */
                        r = strv_extend(ret, *id);
        return r;
}

int store_pending_read(Store *s, char ***ret_layers, char ***ret_names) {
        int dir_fd = open_at(s->root_fd, STORE_PENDING, O_RDONLY | O_DIRECTORY, 0), r = 0;
        DIR *d = dir_fd < 0 ? NULL : fdopendir(dir_fd);
        struct dirent *de;

        if (!d) {
                close_fd(dir_fd);
                return 0;
        }
        while (r >= 0 && (de = readdir(d))) {
                _cleanup_close_ int fd = -EBADF;

                if (!startswith(de->d_name, PREFIX) || store_take_stale_lock(dirfd(d), de->d_name, &fd) <= 0)
                        continue;
                r = read_note(fd, ret_layers);
                if (r >= 0)
                        r = strv_extend(ret_names, de->d_name);
        }
        (void) closedir(d);
        return r;
}

void store_pending_clear(Store *s, char *const *names) {
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *path = str_join(STORE_PENDING "/", *name, NULL);

                if (path)
                        (void) unlinkat(s->root_fd, path, 0); /* worked off again at the next start */
        }
        (void) unlinkat(s->root_fd, STORE_PENDING, AT_REMOVEDIR); /* unless others are there */
}
