/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Compares what protobuf-c made of proto/cri.proto with proto/cri-v1.table, in both directions.
 */

#include <fcntl.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/str.h"
#include "basic/test.h"
#include "proto/cri.pb-c.h"

#define TABLE_MAX (1 * MIB)
#define TEXT_MAX (1 * MIB)
#define PACKAGE "runtime.v1."

/* The compiled descriptors, written as lines of the table, in a set. */
typedef struct Facts {
        Hashmap *lines; /* k: line, v: the line, owned */
        Hashmap *seen;  /* k: full name of a message or enum */
} Facts;

static void facts_add(Facts *f, char *line) {
        ASSERT_TRUE(line);
        ASSERT_EQ(hashmap_put(f->lines, line, line), 0);
}

static char *line_new(const char *format, ...) _printf_(1, 2);
static char *line_new(const char *format, ...) {
        char *line;
        va_list ap;

        va_start(ap, format);
        ASSERT_TRUE(vasprintf(&line, format, ap) >= 0);
        va_end(ap);
        return line;
}

static const char *short_name(const char *full) {
        const char *name = startswith(full, PACKAGE);

        ASSERT_TRUE(name);
        return name;
}

static const char *scalar_name(ProtobufCType type) {
        static const char *const names[] = {
                [PROTOBUF_C_TYPE_INT32] = "int32",   [PROTOBUF_C_TYPE_INT64] = "int64",
                [PROTOBUF_C_TYPE_UINT32] = "uint32", [PROTOBUF_C_TYPE_UINT64] = "uint64",
                [PROTOBUF_C_TYPE_FLOAT] = "float",   [PROTOBUF_C_TYPE_DOUBLE] = "double",
                [PROTOBUF_C_TYPE_BOOL] = "bool",     [PROTOBUF_C_TYPE_STRING] = "string",
                [PROTOBUF_C_TYPE_BYTES] = "bytes",
        };

        ASSERT_TRUE(type < ELEMENTSOF(names) && names[type]);
        return names[type];
}

static void collect_message(Facts *f, const ProtobufCMessageDescriptor *m);

static void collect_enum(Facts *f, const ProtobufCEnumDescriptor *e) {
        if (hashmap_put(f->seen, e->name, (void *) e) == -EEXIST)
                return;
        for (unsigned i = 0; i < e->n_values; i++)
                facts_add(f,
                          line_new("value %s %s %d",
                                   short_name(e->name),
                                   e->values[i].name,
                                   e->values[i].value));
}

static const char *field_type(Facts *f, const ProtobufCFieldDescriptor *field) {
        if (field->type == PROTOBUF_C_TYPE_ENUM) {
                collect_enum(f, field->descriptor);
                return short_name(((const ProtobufCEnumDescriptor *) field->descriptor)->name);
        }
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
                collect_message(f, field->descriptor);
                return short_name(((const ProtobufCMessageDescriptor *) field->descriptor)->name);
        }
        return scalar_name(field->type);
}

/* protoc makes an entry message of every map; such a message is not a fact of its own. */
static char *map_type(Facts *f, const ProtobufCFieldDescriptor *field) {
        const ProtobufCMessageDescriptor *m = field->descriptor;

        if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label != PROTOBUF_C_LABEL_REPEATED ||
            !endswith(m->name, "Entry") || m->n_fields != 2 || !streq(m->fields[0].name, "key"))
                return NULL;
        return line_new("map<%s,%s>", field_type(f, &m->fields[0]), field_type(f, &m->fields[1]));
}

static void collect_message(Facts *f, const ProtobufCMessageDescriptor *m) {
        const char *name = short_name(m->name);

        if (hashmap_put(f->seen, m->name, (void *) m) == -EEXIST)
                return;
        facts_add(f, line_new("message %s", name));
        for (unsigned i = 0; i < m->n_fields; i++) {
                const ProtobufCFieldDescriptor *field = &m->fields[i];
                _cleanup_free_ char *map = map_type(f, field);

                facts_add(f,
                          line_new("field %s %s %u %s %s",
                                   name,
                                   field->name,
                                   field->id,
                                   field->label == PROTOBUF_C_LABEL_REPEATED ? "repeated" : "single",
                                   map ?: field_type(f, field)));
        }
}

static void collect_service(Facts *f, const ProtobufCServiceDescriptor *s) {
        for (unsigned i = 0; i < s->n_methods; i++) {
                const ProtobufCMethodDescriptor *m = &s->methods[i];

                /* protobuf-c forgets about "stream"; a name tells in this interface, and GetContainerEvents
                 * is one. */
                bool stream = startswith(m->name, "Stream") || streq(m->name, "GetContainerEvents");

                facts_add(f,
                          line_new("method %s %s %s %s%s",
                                   short_name(s->name),
                                   m->name,
                                   short_name(m->input->name),
                                   stream ? "stream:" : "",
                                   short_name(m->output->name)));
                collect_message(f, m->input);
                collect_message(f, m->output);
        }
}

static void test_facts(void) {
        _cleanup_free_ char *table = NULL;
        _cleanup_strv_ char **lines = NULL;
        Facts f = {};
        char *line;
        size_t n = 0;

        ASSERT_OK(hashmap_new(&f.lines));
        ASSERT_OK(hashmap_new(&f.seen));
        collect_service(&f, &runtime__v1__runtime_service__descriptor);
        collect_service(&f, &runtime__v1__image_service__descriptor);

        ASSERT_OK(read_file_at(AT_FDCWD, CRI_TABLE, TABLE_MAX, &table, NULL));
        ASSERT_OK(strv_split(table, "\n", &lines));
        STRV_FOREACH(l, lines) {
                char *redact = (char *) endswith(*l, " redact");

                if (**l == '#')
                        continue;
                if (redact)
                        *redact = '\0';
                line = hashmap_remove(f.lines, *l);
                if (!line)
                        test_fail(__FILE__, __LINE__, "in the table, but not in cri.proto: %s", *l);
                free(line);
                n++;
        }
        HASHMAP_FOREACH(line, f.lines)
                test_fail(__FILE__, __LINE__, "in cri.proto, but not in the table: %s", line);
        ASSERT_TRUE(n > 700);

        hashmap_free(f.lines);
        hashmap_free(f.seen);
}

TEST_MAIN(TEST(test_facts));
