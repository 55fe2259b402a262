/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/systemd-message.h"

#include <stdio.h>

#include "basic/str.h"
#include "unit/systemd.h"

int systemd_error_read(Error *error, const char *name, const sd_bus_error *e) {
        static const struct {
                const char *name;
                int r;
        } known[] = {
                { "org.freedesktop.systemd1.UnitExists", -EEXIST },
                { "org.freedesktop.systemd1.NoSuchUnit", -ENOENT },
                { SD_BUS_ERROR_NO_REPLY, -ETIMEDOUT },
        };
        int r = -EIO;

        FOREACH_ELEMENT(k, known)
                if (streq(k->name, e->name))
                        r = k->r;
        return error_set(error, r, STATUS_INTERNAL, "systemd, unit %s: %s", name, e->message ?: e->name);
}

static int read_property(sd_bus_message *m, UnitState *state, const char *name) {
        static const struct {
                const char *name;
                char type;
                size_t offset, size;
        } properties[] = {
                { "ActiveState",
                  's',
                  offsetof(UnitState, active_state),
                  sizeof((UnitState){}.active_state) },
                { "SubState", 's', offsetof(UnitState, sub_state), sizeof((UnitState){}.sub_state) },
                { "Result", 's', offsetof(UnitState, result), sizeof((UnitState){}.result) },
                { "MainPID", 'u', offsetof(UnitState, main_pid), 0 },
                { "ExecMainCode", 'i', offsetof(UnitState, exec_main_code), 0 },
                { "ExecMainStatus", 'i', offsetof(UnitState, exec_main_status), 0 },
                { "ExecMainStartTimestamp", 't', offsetof(UnitState, exec_main_start_usec), 0 },
                { "ExecMainExitTimestamp", 't', offsetof(UnitState, exec_main_exit_usec), 0 },
        };

        FOREACH_ELEMENT(p, properties) {
                void *to = (char *) state + p->offset;
                const char *text;
                int r;

                if (!streq(p->name, name))
                        continue;
                if (p->type != 's')
                        return sd_bus_message_read(m, "v", (char[]){ p->type, '\0' }, to);
                r = sd_bus_message_read(m, "v", "s", &text);
                if (r >= 0)
                        (void) snprintf(to, p->size, "%s", text); /* states are short words */
                return r;
        }
        return sd_bus_message_skip(m, "v");
}

int unit_state_read(sd_bus_message *m, UnitState *state) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_property(m, state, name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}
