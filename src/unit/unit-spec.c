/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit-spec.h"

#include <systemd/sd-bus.h>

/* How a field of UnitSpec goes into a message. */
typedef enum FieldType {
        FIELD_STRING,
        FIELD_STRINGS,
        FIELD_BOOLEAN,
        FIELD_DESCRIPTOR,
        FIELD_USEC,
        FIELD_COMMAND,
        FIELD_BYTES, /* a list of strings as aay */
} FieldType;

static const struct {
        const char *name;
        FieldType type;
        size_t offset;
} fields[] = {
        { "Description", FIELD_STRING, offsetof(UnitSpec, description) },
        { "After", FIELD_STRINGS, offsetof(UnitSpec, after) },
        { "CollectMode", FIELD_STRING, offsetof(UnitSpec, collect_mode) },
        { "DefaultDependencies", FIELD_BOOLEAN, offsetof(UnitSpec, default_dependencies) },
        { "Slice", FIELD_STRING, offsetof(UnitSpec, slice) },
        { "Wants", FIELD_STRINGS, offsetof(UnitSpec, wants) },
        { "Type", FIELD_STRING, offsetof(UnitSpec, type) },
        { "PIDFile", FIELD_STRING, offsetof(UnitSpec, pid_file) },
        { "ExecStart", FIELD_COMMAND, offsetof(UnitSpec, exec_start) },
        { "RemainAfterExit", FIELD_BOOLEAN, offsetof(UnitSpec, remain_after_exit) },
        { "StandardInputFileDescriptor", FIELD_DESCRIPTOR, offsetof(UnitSpec, stdin_fd) },
        { "StandardOutputFileDescriptor", FIELD_DESCRIPTOR, offsetof(UnitSpec, stdout_fd) },
        { "StandardErrorFileDescriptor", FIELD_DESCRIPTOR, offsetof(UnitSpec, stderr_fd) },
        { "LogExtraFields", FIELD_BYTES, offsetof(UnitSpec, log_extra_fields) },
        { "Environment", FIELD_STRINGS, offsetof(UnitSpec, environment) },
        { "KillMode", FIELD_STRING, offsetof(UnitSpec, kill_mode) },
        { "TimeoutStartUSec", FIELD_USEC, offsetof(UnitSpec, timeout_start_usec) },
        { "SyslogIdentifier", FIELD_STRING, offsetof(UnitSpec, syslog_identifier) },
};

static int append_strings(sd_bus_message *m, const char *name, const char *const *l) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) l);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_bytes(sd_bus_message *m, const char *name, const char *const *l) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aay");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "ay");
        for (; r >= 0 && *l; l++)
                r = sd_bus_message_append_array(m, 'y', *l, strlen(*l));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_command(sd_bus_message *m, const char *name, const char *const *argv) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sasb");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", argv[0]);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", false);
        for (unsigned i = 0; r >= 0 && i < 4; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_field(sd_bus_message *m, const char *name, FieldType type, const void *value) {
        const char *const *strings;
        uint64_t usec;
        int number;

        switch (type) {
        case FIELD_STRING:
                return *(const char *const *) value ?
                                sd_bus_message_append(m, "(sv)", name, "s", *(const char *const *) value) :
                                0;
        case FIELD_STRINGS:
                strings = *(const char *const *const *) value;
                return strings ? append_strings(m, name, strings) : 0;
        case FIELD_BYTES:
                strings = *(const char *const *const *) value;
                return strings ? append_bytes(m, name, strings) : 0;
        case FIELD_COMMAND:
                strings = *(const char *const *const *) value;
                return strings ? append_command(m, name, strings) : 0;
        case FIELD_BOOLEAN:
                number = *(const int *) value;
                return number >= 0 ? sd_bus_message_append(m, "(sv)", name, "b", number) : 0;
        case FIELD_DESCRIPTOR:
                number = *(const int *) value;
                return number >= 0 ? sd_bus_message_append(m, "(sv)", name, "h", number) : 0;
        case FIELD_USEC:
                usec = *(const uint64_t *) value;
                return usec > 0 ? sd_bus_message_append(m, "(sv)", name, "t", usec) : 0;
        }
        return -EINVAL;
}

static int append_data(sd_bus_message *m, const UnitExtra *e) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", e->name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', e->bytes.data, e->bytes.size);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* A filter: whether the list is what is allowed, and the list. */
static int append_filter(sd_bus_message *m, const UnitExtra *e) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", e->name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "(bas)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "bas");
        if (r >= 0)
                r = sd_bus_message_append(m, "b", (int) (e->type == 'F'));
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) e->strings);
        for (unsigned i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_pairs(sd_bus_message *m, const UnitExtra *e) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", e->name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(ss)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (const char *const *s = e->strings; *s && r >= 0; s += 2)
                r = sd_bus_message_append(m, "(ss)", s[0], s[1]);
        for (unsigned i = 0; i < 3 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_extra(sd_bus_message *m, const UnitExtra *e) {
        switch (e->type) {
        case 'P':
                return append_pairs(m, e);
        case 'F':
        case 'D':
                return append_filter(m, e);
        case 's':
                return sd_bus_message_append(m, "(sv)", e->name, "s", e->string);
        case 'b':
                return sd_bus_message_append(m, "(sv)", e->name, "b", (int) e->boolean);
        case 't':
                return sd_bus_message_append(m, "(sv)", e->name, "t", e->number);
        case 'u':
                return sd_bus_message_append(m, "(sv)", e->name, "u", (uint32_t) e->number);
        case 'i':
                return sd_bus_message_append(m, "(sv)", e->name, "i", (int32_t) e->number);
        case 'S':
                return append_strings(m, e->name, e->strings);
        case 'y':
                return append_data(m, e);
        default:
                return -EINVAL;
        }
}

int unit_spec_append(const UnitSpec *spec, sd_bus_message *m) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r < 0)
                return r;
        FOREACH_ELEMENT(f, fields) {
                r = append_field(m, f->name, f->type, (const char *) spec + f->offset);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < spec->n_extra; i++) {
                r = append_extra(m, &spec->extra[i]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int unit_extra_append(const UnitExtra *extra, size_t n, sd_bus_message *m) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(sv)");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_extra(m, &extra[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
