/* SPDX-License-Identifier: Apache-2.0 */
#include "image/store-file.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "format/json-field.h"

#define JSON_FILE_MAX (256 * MIB)

void store_file_done(StoreFile *f) {
        store_file_unlock(f);
        json_decref(f->records);
        json_decref(f->volatile_records);
        f->records = f->volatile_records = NULL;
}

void store_time_now(char ret[static 40]) {
        int64_t now = now_realtime_nsec();
        time_t seconds = (time_t) (now / (int64_t) NSEC_PER_SEC);
        struct tm tm;
        size_t n;

        assert(gmtime_r(&seconds, &tm));
        n = strftime(ret, 40, "%Y-%m-%dT%H:%M:%S", &tm);
        (void) snprintf(ret + n, 40 - n, ".%09uZ", (unsigned) (now % (int64_t) NSEC_PER_SEC)); /* fits */
}

static int load_array(int root_fd, const char *path, json_t **ret, Error *error) {
        _cleanup_free_ char *text = NULL;
        json_t *array = NULL;
        size_t size;
        int r;

        r = read_file_at(root_fd, path, JSON_FILE_MAX, &text, &size);
        if (r == -ENOENT || (r >= 0 && size == 0))
                array = json_array();
        else if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "store: read %s: %s", path, STRERROR(r));
        else {
                r = json_parse(path, text, size, &array, error);
                if (r < 0)
                        return error_prefix(error, r, "store");
        }
        if (!array)
                return -ENOMEM;
        if (json_is_null(array)) { /* as Go writes an empty list */
                json_decref(array);
                array = json_array();
        }
        if (!json_is_array(array)) {
                json_decref(array);
                return error_set(error, -EBADMSG, STATUS_INTERNAL, "store: %s: expected an array", path);
        }
        json_decref(*ret);
        *ret = array;
        return 0;
}

static void read_stamp(int fd, uint8_t *stamp) {
        memset(stamp, 0, STORE_STAMP_SIZE);
        if (pread(fd, stamp, STORE_STAMP_SIZE, 0) < 0)
                memset(stamp, 0, STORE_STAMP_SIZE); /* as one that was never written: read again next time */
}

static int reload(StoreFile *f, Error *error) {
        uint8_t stamp[STORE_STAMP_SIZE];
        int r;

        read_stamp(f->lock_fd, stamp);
        if (f->loaded && memcmp(stamp, f->stamp, sizeof(stamp)) == 0)
                return 0;
        r = load_array(f->root_fd, f->path, &f->records, error);
        if (r >= 0 && f->volatile_path)
                r = load_array(f->root_fd, f->volatile_path, &f->volatile_records, error);
        if (r < 0)
                return r;
        memcpy(f->stamp, stamp, sizeof(stamp));
        f->loaded = true;
        f->generation++;
        return 0;
}

int store_file_lock(StoreFile *f, bool exclusive, bool wait, Error *error) {
        struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
        _cleanup_close_ int fd = -EBADF;
        int r;

        assert(f->lock_fd < 0);

        fd = open_at(f->root_fd, f->lock_path, O_RDWR | O_CREAT, 0644);
        if (fd < 0)
                return error_set(
                                error,
                                fd,
                                STATUS_INTERNAL,
                                "store: open %s: %s",
                                f->lock_path,
                                STRERROR(fd));
        while ((r = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock)) < 0 && errno == EINTR)
                ;
        if (r < 0 && (errno == EAGAIN || errno == EACCES))
                return -EAGAIN;
        if (r < 0)
                return error_set(error, -errno, STATUS_INTERNAL, "store: lock %s: %m", f->lock_path);

        f->lock_fd = TAKE_FD(fd);
        r = reload(f, error);
        if (r < 0)
                store_file_unlock(f);
        return r;
}

void store_file_unlock(StoreFile *f) {
        f->lock_fd = close_fd(f->lock_fd);
}

bool store_file_is_stale(const StoreFile *f) {
        _cleanup_close_ int fd = open_at(f->root_fd, f->lock_path, O_RDONLY, 0);
        uint8_t stamp[STORE_STAMP_SIZE];

        if (fd < 0)
                return !f->loaded;
        read_stamp(fd, stamp);
        return !f->loaded || memcmp(stamp, f->stamp, sizeof(stamp)) != 0;
}

/* Before the JSON: a crash in between costs others a needless reload, the other order would cost them our
 * change. */
static int write_stamp(StoreFile *f) {
        static uint64_t counter;
        uint64_t now = htole64((uint64_t) now_realtime_nsec()), count = htole64(++counter);
        uint32_t pid = htole32((uint32_t) getpid());

        memcpy(f->stamp, &now, sizeof(now));
        memcpy(f->stamp + 8, &count, sizeof(count));
        memcpy(f->stamp + 16, &pid, sizeof(pid));
        if (getrandom(f->stamp + 20, STORE_STAMP_SIZE - 20, GRND_NONBLOCK) < 0)
                return -errno;
        return pwrite(f->lock_fd, f->stamp, STORE_STAMP_SIZE, 0) == STORE_STAMP_SIZE ? 0 : -EIO;
}

static int save_array(int root_fd, const char *path, json_t *array, unsigned flags) {
        _cleanup_free_ char *text = json_dumps(array, JSON_COMPACT);

        if (!text)
                return -ENOMEM;
        return write_file_atomic_at(root_fd, path, text, strlen(text), 0600, flags);
}

int store_file_save(StoreFile *f, bool volatile_only, Error *error) {
        int r;

        assert(f->lock_fd >= 0);

        r = write_stamp(f);
        if (r >= 0 && !volatile_only)
                r = save_array(f->root_fd, f->path, f->records, WRITE_SYNC);
        if (r >= 0 && f->volatile_path)
                r = save_array(f->root_fd, f->volatile_path, f->volatile_records, 0);
        if (!volatile_only)
                f->generation++;
        if (r < 0)
                f->loaded = false; /* what is on disk counts */
        return r < 0 ? error_set(error, r, STATUS_INTERNAL, "store: write %s: %s", f->path, STRERROR(r)) : 0;
}

static json_t *find_in(json_t *array, const char *id, size_t *ret_index) {
        json_t *record;
        size_t i;

        json_array_foreach(array, i, record) {
                const char *s = json_string_value(json_object_get(record, "id"));

                if (s && streq(s, id)) {
                        *ret_index = i;
                        return record;
                }
        }
        return NULL;
}

json_t *store_file_find(const StoreFile *f, const char *id) {
        size_t i;

        return find_in(f->records, id, &i) ?: find_in(f->volatile_records, id, &i);
}

bool store_file_remove(StoreFile *f, const char *id) {
        size_t i;

        if (find_in(f->records, id, &i))
                return json_array_remove(f->records, i) >= 0;
        return find_in(f->volatile_records, id, &i) && json_array_remove(f->volatile_records, i) >= 0;
}
