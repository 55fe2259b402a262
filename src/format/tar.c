/* SPDX-License-Identifier: Apache-2.0 */
#include "format/tar.h"

#include "basic/number.h"
#include "basic/str.h"

#define XATTR_PREFIX "SCHILY.xattr."
/* Beyond this a size is a lie. */
#define CONTENT_MAX (INT64_C(1) << 50)
/* Headers about the next entry: that many in a row, and that many bytes in an archive. */
#define EXTENSIONS_MAX 8
#define EXTENSION_BYTES_MAX (UINT64_C(1) * GIB)
/* Bytes behind the end of the archive. */
#define TRAILER_MAX (64 * MIB)

/* Places of the fields in a header block. */
enum {
        NAME = 0,
        MODE = 100,
        UID = 108,
        GID = 116,
        SIZE = 124,
        MTIME = 136,
        CHECKSUM = 148,
        TYPE = 156,
        LINK = 157,
        MAGIC = 257,
        MAJOR = 329,
        MINOR = 337,
        PREFIX = 345,
};

void tar_init(Tar *t, TarRead read, TarRaw on_raw, void *userdata) {
        *t = (Tar){ .read = read, .on_raw = on_raw, .userdata = userdata };
}

static void entry_done(TarEntry *e) {
        free(e->path);
        free(e->link);
        for (size_t i = 0; i < e->n_xattrs; i++) {
                free(e->xattrs[i].name);
                free(e->xattrs[i].value);
        }
        free(e->xattrs);
        *e = (TarEntry){};
}

void tar_done(Tar *t) {
        entry_done(&t->entry);
}

static int bad(const Tar *t, Error *error, const char *what) {
        return error_set(
                        error,
                        -EBADMSG,
                        STATUS_UNKNOWN,
                        "tar, near byte %llu: %s",
                        (unsigned long long) t->offset,
                        what);
}

static int read_raw(Tar *t, void *data, size_t size, Error *error) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = t->read(t->userdata, (char *) data + done, size - done);

                if (n < 0)
                        return (int) n;
                if (n == 0)
                        return bad(t, error, "cut short");
                done += (size_t) n;
        }
        t->offset += size;
        return t->on_raw(t->userdata, data, size);
}

static size_t padding_of(uint64_t size) {
        return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

/* Octal digits, or, with the top bit set, a big-endian binary number (GNU). */
static int parse_number(const uint8_t *field, size_t size, int64_t *ret) {
        uint64_t n = 0;
        size_t i = 0;

        if (field[0] & 0x80) {
                bool negative = field[0] == 0xff;

                n = negative ? UINT64_MAX : field[0] & 0x7f;
                for (i = 1; i < size; i++) {
                        if (!negative && n >> 55)
                                return -ERANGE;
                        n = n << 8 | field[i];
                }
                *ret = (int64_t) n;
                return 0;
        }
        while (i < size && field[i] == ' ')
                i++;
        for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
                if (n >> 60)
                        return -ERANGE;
                n = n << 3 | (uint64_t) (field[i] - '0');
        }
        if (i < size && field[i] != ' ' && field[i] != '\0')
                return -EINVAL;
        *ret = (int64_t) n;
        return 0;
}

static bool checksum_is_right(const uint8_t *block) {
        int64_t given, sum = 0, signed_sum = 0;

        if (parse_number(block + CHECKSUM, 8, &given) < 0)
                return false;
        for (size_t i = 0; i < TAR_BLOCK; i++) {
                uint8_t byte = i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : block[i];

                sum += byte;
                signed_sum += (int8_t) byte;
        }
        return given == sum || given == signed_sum;
}

static char *field_text(const uint8_t *field, size_t size) {
        return strndup((const char *) field, size);
}

static int header_path(const uint8_t *block, char **ret) {
        _cleanup_free_ char *name = field_text(block + NAME, 100), *prefix = NULL;

        if (memcmp(block + MAGIC, "ustar", 6) == 0) { /* POSIX, not GNU's "ustar " */
                prefix = field_text(block + PREFIX, 155);
                if (!prefix)
                        return -ENOMEM;
        }
        *ret = isempty(prefix) ? TAKE_PTR(name) : str_join(prefix, "/", name, NULL);
        return *ret ? 0 : -ENOMEM;
}

static int header_numbers(Tar *t, const uint8_t *block, Error *error) {
        TarEntry *e = &t->entry;
        int64_t mode, uid, gid, size, mtime, major, minor;

        if (parse_number(block + MODE, 8, &mode) < 0 || parse_number(block + UID, 8, &uid) < 0 ||
            parse_number(block + GID, 8, &gid) < 0 || parse_number(block + SIZE, 12, &size) < 0 ||
            parse_number(block + MTIME, 12, &mtime) < 0 || parse_number(block + MAJOR, 8, &major) < 0 ||
            parse_number(block + MINOR, 8, &minor) < 0)
                return bad(t, error, "header has a number that is none");
        if (size < 0 || size > CONTENT_MAX || uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX ||
            major < 0 || major > UINT32_MAX || minor < 0 || minor > UINT32_MAX)
                return bad(t, error, "header has a number out of range");
        if (mtime > INT64_MAX / (int64_t) NSEC_PER_SEC || mtime < INT64_MIN / (int64_t) NSEC_PER_SEC)
                mtime = 0;
        e->mode = (uint32_t) mode & 07777;
        e->uid = (uint32_t) uid;
        e->gid = (uint32_t) gid;
        e->size = (uint64_t) size;
        e->mtime_nsec = mtime * (int64_t) NSEC_PER_SEC;
        e->major = (uint32_t) major;
        e->minor = (uint32_t) minor;
        return 0;
}

/* Records of a PAX header, applied over the header that follows. */
typedef struct Pax {
        char *path, *link;
        TarXattr *xattrs;
        size_t n_xattrs;
        int64_t mtime_nsec;
        uint64_t size, uid, gid;
        bool has_mtime, has_size, has_uid, has_gid;
} Pax;

static void pax_done(Pax *p) {
        TarEntry e = { .path = p->path, .link = p->link, .xattrs = p->xattrs, .n_xattrs = p->n_xattrs };

        entry_done(&e);
        *p = (Pax){};
}

static int pax_xattr(Pax *p, const char *name, const char *value, size_t size) {
        TarXattr *larger, x = { .name = strdup(name), .value = malloc(size + 1), .size = size };

        larger = p->n_xattrs < TAR_XATTRS_MAX ? reallocarray(p->xattrs, p->n_xattrs + 1, sizeof(*larger)) :
                                                NULL;
        if (!x.name || !x.value || !larger) {
                free(x.name);
                free(x.value);
                if (larger)
                        p->xattrs = larger;
                return larger || p->n_xattrs < TAR_XATTRS_MAX ? -ENOMEM : -E2BIG;
        }
        memcpy(x.value, value, size);
        p->xattrs = larger;
        p->xattrs[p->n_xattrs++] = x;
        return 0;
}

/* "1234567890.123456789" */
static int pax_time(Pax *p, const char *value) {
        _cleanup_free_ char *copy = strdup(value);
        char *dot = copy ? strchr(copy, '.') : NULL;
        int64_t seconds, nsec = 0, unit = (int64_t) NSEC_PER_SEC;

        if (!copy)
                return -ENOMEM;
        if (dot)
                *dot++ = '\0';
        if (parse_i64(copy,
                      INT64_MIN / (int64_t) NSEC_PER_SEC + 1,
                      INT64_MAX / (int64_t) NSEC_PER_SEC - 1,
                      &seconds) < 0)
                return -EINVAL;
        for (; dot && *dot >= '0' && *dot <= '9' && unit > 1; dot++) {
                unit /= 10;
                nsec += (*dot - '0') * unit;
        }
        p->mtime_nsec = seconds * (int64_t) NSEC_PER_SEC + (copy[0] == '-' ? -nsec : nsec);
        p->has_mtime = true;
        return 0;
}

/* A record without a value takes back what an earlier one said. */
static void pax_unset(Pax *p, const char *key) {
        if (streq(key, "path"))
                free(TAKE_PTR(p->path));
        else if (streq(key, "linkpath"))
                free(TAKE_PTR(p->link));
        p->has_size = p->has_size && !streq(key, "size");
        p->has_uid = p->has_uid && !streq(key, "uid");
        p->has_gid = p->has_gid && !streq(key, "gid");
        p->has_mtime = p->has_mtime && !streq(key, "mtime");
}

static int pax_record(Pax *p, const char *key, const char *value, size_t size) {
        const char *xattr = startswith(key, XATTR_PREFIX);
        bool text = strlen(value) == size;
        int r = 0;

        if (xattr)
                return pax_xattr(p, xattr, value, size); /* empty ones are attributes, too */
        if (size == 0) {
                pax_unset(p, key);
                return 0;
        }
        if (!text)
                return streq(key, "path") || streq(key, "linkpath") ? -EINVAL : 0;
        if (streq(key, "path"))
                r = str_replace(&p->path, value);
        else if (streq(key, "linkpath"))
                r = str_replace(&p->link, value);
        else if (streq(key, "size")) {
                r = parse_u64(value, CONTENT_MAX, &p->size);
                p->has_size = true;
        } else if (streq(key, "uid")) {
                r = parse_u64(value, UINT32_MAX - 1, &p->uid);
                p->has_uid = true;
        } else if (streq(key, "gid")) {
                r = parse_u64(value, UINT32_MAX - 1, &p->gid);
                p->has_gid = true;
        } else if (streq(key, "mtime"))
                r = pax_time(p, value);
        else if (startswith(key, "GNU.sparse."))
                r = -EOPNOTSUPP;
        return r;
}

/* "LENGTH KEY=VALUE\n", LENGTH counts all of it. */
static int pax_parse(Pax *p, char *data, size_t size) {
        while (size > 0) {
                char *space = memchr(data, ' ', MIN(size, (size_t) DECIMAL_MAX)), *equals;
                uint64_t length;
                int r;

                if (!space)
                        return -EINVAL;
                *space = '\0';
                r = parse_u64(data, size, &length);
                if (r < 0 || length < (size_t) (space - data) + 4 || data[length - 1] != '\n')
                        return -EINVAL;
                data[length - 1] = '\0';
                equals = memchr(space + 1, '=', (size_t) (data + length - 1 - (space + 1)));
                if (!equals || equals == space + 1)
                        return -EINVAL;
                *equals = '\0';
                r = pax_record(p, space + 1, equals + 1, (size_t) (data + length - 1 - (equals + 1)));
                if (r < 0)
                        return r;
                data += length;
                size -= length;
        }
        return 0;
}

/* Content of a header that is about the next one (PAX, GNU long names). */
static int read_extension(Tar *t, char **ret, Error *error) {
        _cleanup_free_ char *data = NULL;
        uint64_t size = t->entry.size;
        int r;

        if (size > TAR_PAX_MAX)
                return bad(t, error, "extended header is larger than 1 MiB");
        t->extension_bytes += size;
        if (t->extension_bytes > EXTENSION_BYTES_MAX)
                return bad(t, error, "extended headers of more than 1 GiB");
        data = malloc(size + padding_of(size) + 1);
        if (!data)
                return -ENOMEM;
        r = read_raw(t, data, size + padding_of(size), error);
        if (r < 0)
                return r;
        data[size] = '\0';
        *ret = TAKE_PTR(data);
        return 0;
}

static int apply_pax(Tar *t, Pax *p, Error *error) {
        TarEntry *e = &t->entry;

        if (p->path)
                FREE_AND_REPLACE(e->path, p->path);
        if (p->link)
                FREE_AND_REPLACE(e->link, p->link);
        if (p->has_size)
                e->size = p->size;
        if (p->has_uid)
                e->uid = (uint32_t) p->uid;
        if (p->has_gid)
                e->gid = (uint32_t) p->gid;
        if (p->has_mtime)
                e->mtime_nsec = p->mtime_nsec;
        e->xattrs = TAKE_PTR(p->xattrs);
        e->n_xattrs = p->n_xattrs;
        p->n_xattrs = 0;
        if (strlen(e->path) > TAR_PATH_MAX || strlen(e->link) > TAR_PATH_MAX)
                return bad(t, error, "path is longer than 4096 bytes");
        return 0;
}

static int header_parse(Tar *t, const uint8_t *block, char *ret_type, Error *error) {
        TarEntry *e = &t->entry;
        int r;

        if (!checksum_is_right(block))
                return bad(t, error, "header checksum is wrong");
        entry_done(e);
        r = header_numbers(t, block, error);
        if (r >= 0)
                r = header_path(block, &e->path);
        if (r < 0)
                return r;
        e->link = field_text(block + LINK, 100);
        *ret_type = (char) block[TYPE];
        return e->link ? 0 : -ENOMEM;
}

static bool is_zero(const uint8_t *block) {
        return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

/* The end is two blocks of zeros; one alone, with something behind it, is read differently by different
 * readers. Everything behind them belongs to the stream as well: some writers pad to 10 KiB. */
static int read_trailer(Tar *t, Error *error) {
        uint64_t size = 0;
        char data[4096];
        ssize_t n;
        int r;

        t->ended = true;
        while ((n = t->read(t->userdata, data, sizeof(data))) > 0) {
                for (size_t i = 0; i < (size_t) n && size + i < TAR_BLOCK; i++)
                        if (data[i] != 0)
                                return bad(t, error, "something behind a single block of zeros");
                size += (size_t) n;
                t->offset += (size_t) n;
                if (size > TRAILER_MAX)
                        return bad(t, error, "more than 64 MiB behind the end");
                r = t->on_raw(t->userdata, data, (size_t) n);
                if (r < 0)
                        return r;
        }
        return (int) n;
}

/* The type of an entry that is a file of some kind; old archives write a directory as a file whose name ends
 * in "/". */
static int set_type(Tar *t, char type, Error *error) {
        TarEntry *e = &t->entry;

        if (type == '\0')
                type = '0';
        if (type < '0' || type > '6')
                return bad(t, error, "entry of a type that is not supported");
        e->type = type == '0' && endswith(e->path, "/") ? TAR_DIRECTORY : (TarType) type;
        if (e->type != TAR_REGULAR)
                e->size = 0;
        return 0;
}

static int skip_content(Tar *t, Error *error) {
        char data[4096];
        ssize_t n;

        while ((n = tar_read(t, data, sizeof(data), error)) > 0)
                ;
        if (n < 0)
                return (int) n;
        if (t->padding > 0) {
                int r = read_raw(t, data, t->padding, error);

                t->padding = 0;
                return r;
        }
        return 0;
}

/* A header block. 0: the archive has ended without saying so, which is good enough between two entries. */
static int read_header(Tar *t, uint8_t *block, bool first, Error *error) {
        ssize_t n = t->read(t->userdata, block, TAR_BLOCK);
        int r;

        if (n < 0)
                return (int) n;
        if (n == 0 && first)
                return 0;
        r = t->on_raw(t->userdata, block, (size_t) n);
        t->offset += (size_t) n;
        if (r >= 0 && n < TAR_BLOCK)
                r = read_raw(t, block + n, (size_t) (TAR_BLOCK - n), error);
        return r < 0 ? r : 1;
}

int tar_next(Tar *t, Error *error) {
        _cleanup_(pax_done) Pax pax = {};
        uint8_t block[TAR_BLOCK];
        char type = TAR_REGULAR;
        int r;

        r = t->ended ? 0 : skip_content(t, error);
        if (r < 0 || t->ended)
                return r;

        for (unsigned n = 0;; n++) {
                _cleanup_free_ char *extension = NULL;

                if (n > EXTENSIONS_MAX)
                        return bad(t, error, "too many extended headers for one entry");
                r = read_header(t, block, n == 0, error);
                if (r <= 0) {
                        t->ended = r == 0;
                        return r;
                }
                if (is_zero(block)) {
                        r = read_trailer(t, error);
                        return MIN(r, 0);
                }
                r = header_parse(t, block, &type, error);
                if (r < 0)
                        return r;
                if (!strchr("xgLK", type) || type == '\0')
                        break;

                r = read_extension(t, &extension, error);
                if (r < 0)
                        return r;
                if (type == 'x')
                        r = pax_parse(&pax, extension, t->entry.size);
                else if (type == 'L')
                        FREE_AND_REPLACE(pax.path, extension);
                else if (type == 'K')
                        FREE_AND_REPLACE(pax.link, extension);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return bad(t,
                                   error,
                                   r == -EOPNOTSUPP ? "sparse files are not supported" : "bad PAX record");
        }

        r = apply_pax(t, &pax, error);
        if (r >= 0)
                r = set_type(t, type, error);
        if (r < 0)
                return r;
        t->left = t->entry.size;
        t->padding = padding_of(t->entry.size);
        return 1;
}

ssize_t tar_read(Tar *t, void *data, size_t size, Error *error) {
        ssize_t n;

        if (t->left == 0)
                return 0;
        n = t->read(t->userdata, data, MIN((uint64_t) size, t->left));
        if (n == 0)
                return bad(t, error, "content is cut short");
        if (n > 0) {
                t->left -= (uint64_t) n;
                t->offset += (uint64_t) n;
        }
        return n;
}
