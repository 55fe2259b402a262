/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/wire-check.h"

#include "basic/buffer.h"
#include "basic/str.h"

#define PATH_TEXT_MAX 256
#define VARINT_BITS 64
#define TAG_TYPE_BITS 3

enum {
        WIRE_VARINT = 0,
        WIRE_64_BIT = 1,
        WIRE_DELIMITED = 2,
        WIRE_32_BIT = 5,
};

/* Where we are, from the innermost field outwards. */
typedef struct Place {
        const struct Place *parent;
        const char *field;
} Place;

typedef struct Reader {
        const uint8_t *data;
        size_t size;
} Reader;

static int read_varint(Reader *r, uint64_t *ret) {
        uint64_t value = 0;

        for (unsigned shift = 0; shift < VARINT_BITS && r->size > 0; shift += 7) {
                uint8_t byte = *r->data++;

                r->size--;
                value |= (uint64_t) (byte & 0x7f) << shift;
                if (byte < 0x80) {
                        *ret = value;
                        return 0;
                }
        }
        return -EBADMSG;
}

static int skip(Reader *r, uint64_t n) {
        if (n > r->size)
                return -EBADMSG;
        r->data += n;
        r->size -= n;
        return 0;
}

static void format_place(Buffer *b, const Place *p) {
        if (p->parent) {
                format_place(b, p->parent);
                (void) buffer_addc(b, '.'); /* a path that is too long is only cut */
        }
        (void) buffer_adds(b, p->field);
}

static int refuse(const Place *p, const char *why, Error *error) {
        _cleanup_buffer_ Buffer path = BUFFER_INIT(PATH_TEXT_MAX);

        format_place(&path, p);
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "%s %s, send plain text",
                        path.data ?: p->field,
                        why);
}

static int
check_message(const ProtobufCMessageDescriptor *descriptor, Reader r, const Place *parent, Error *error);

static int check_field(const ProtobufCFieldDescriptor *f, Reader value, const Place *parent, Error *error) {
        const Place here = { .parent = parent, .field = f->name };

        if (f->type == PROTOBUF_C_TYPE_MESSAGE)
                return check_message(f->descriptor, value, &here, error);
        if (f->type != PROTOBUF_C_TYPE_STRING || value.size == 0)
                return 0;
        if (memchr(value.data, 0, value.size))
                return refuse(&here, "has a NUL byte", error);
        if (!utf8_is_valid((const char *) value.data, value.size))
                return refuse(&here, "is not UTF-8", error);
        return 0;
}

static int
check_message(const ProtobufCMessageDescriptor *descriptor, Reader r, const Place *parent, Error *error) {
        while (r.size > 0) {
                const ProtobufCFieldDescriptor *f;
                uint64_t tag = 0, n = 0;
                int e;

                e = read_varint(&r, &tag);
                if (e < 0)
                        return e;
                switch (tag & ((1U << TAG_TYPE_BITS) - 1)) {
                case WIRE_VARINT:
                        e = read_varint(&r, &n);
                        break;
                case WIRE_64_BIT:
                        e = skip(&r, 8);
                        break;
                case WIRE_32_BIT:
                        e = skip(&r, 4);
                        break;
                case WIRE_DELIMITED: {
                        Reader value = { 0 };

                        e = read_varint(&r, &n);
                        value = (Reader){ .data = r.data, .size = n };
                        if (e >= 0)
                                e = skip(&r, n);
                        f = protobuf_c_message_descriptor_get_field(
                                        descriptor,
                                        (unsigned) (tag >> TAG_TYPE_BITS));
                        if (e >= 0 && f)
                                e = check_field(f, value, parent, error);
                        break;
                }
                default:
                        e = -EBADMSG;
                }
                if (e < 0)
                        return e;
        }
        return 0;
}

int wire_check(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t size, Error *error) {
        return check_message(descriptor, (Reader){ .data = data, .size = size }, NULL, error);
}
