/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime.h"

#include <fcntl.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pod.h"
#include "event/child.h"
#include "format/json-field.h"

#define RUNTIME_LOG_MAX (1 * MIB)
#define RUNTIME_STDERR_MAX (4 * KIB)
#define RUNTIME_TIMEOUT_USEC (2 * USEC_PER_MINUTE)

struct RuntimeCall {
        Container *container;
        const char *verb; /* static */
        Child *child;
        RuntimeDone on_done;
        void *userdata;
};

static int format_command(const Container *c, const char *log, const char *verb, char ***ret) {
        const ConfigRuntime *runtime = c->pod->runtime;
        _cleanup_strv_ char **argv = NULL;
        int r;

        r = strv_extend(&argv, runtime->runtime_path);
        if (r >= 0 && !isempty(runtime->runtime_root))
                r = strv_extendf(&argv, "--root=%s", runtime->runtime_root);
        if (r >= 0)
                r = strv_extend(&argv, "--systemd-cgroup");
        if (r >= 0 && log)
                r = strv_extendf(&argv, "--log=%s", log);
        if (r >= 0)
                r = strv_extend(&argv, "--log-format=json");
        if (r >= 0)
                r = strv_extend(&argv, verb);
        if (r >= 0)
                *ret = TAKE_PTR(argv);
        return r;
}

int runtime_format_command(const Container *c, const char *verb, char ***ret) {
        _cleanup_free_ char *log = container_get_directory(c, "runtime.log");

        return log ? format_command(c, log, verb, ret) : -ENOMEM;
}

int runtime_format_exec(const Container *c, char ***ret) {
        return format_command(c, NULL, "exec", ret);
}

/* Message of one line of the log, if it is an error. */
static char *line_get_error(const char *line, size_t size) {
        _cleanup_json_ json_t *json = json_loadb(line, size, 0, NULL);
        const char *level = json_string_value(json_object_get(json, "level"));
        const char *message = json_string_value(json_object_get(json, "msg"));

        return level && message && (streq(level, "error") || streq(level, "fatal")) ? strdup(message) : NULL;
}

char *runtime_log_get_error(const char *log) {
        char *found = NULL;

        for (const char *line = log; *line;) {
                size_t size = strcspn(line, "\n");
                char *message = line_get_error(line, size);

                if (message)
                        FREE_AND_REPLACE(found, message);
                line += size + (line[size] == '\n');
        }
        return found;
}

char *runtime_take_error(const Container *c) {
        _cleanup_free_ char *path = container_get_directory(c, "runtime.log"), *text = NULL;

        if (!path || read_file_at(AT_FDCWD, path, RUNTIME_LOG_MAX, &text, NULL) < 0)
                return NULL;
        (void) unlink(path); /* a new call writes a new one */
        return runtime_log_get_error(text);
}

static void runtime_on_exit(Child *child, const ChildResult *result, void *userdata) {
        _cleanup_error_ Error error = ERROR_INIT;
        RuntimeCall *call = userdata;
        int r = result->r;

        if (r >= 0 && result->exit_code != 0) {
                _cleanup_free_ char *message = runtime_take_error(call->container);

                r = -EIO;
                if (message)
                        error_set(&error, r, STATUS_INTERNAL, "OCI runtime %s: %s", call->verb, message);
        }
        if (r < 0 && !error_is_set(&error)) {
                ChildResult copy = *result;

                (void) child_result_check(&copy, "OCI runtime", &error);
                error_prefix(&error, r, "%s", call->verb);
        }
        call->on_done(r, &error, call->userdata); /* frees the call */
}

int runtime_call(
                Container *c,
                const char *verb,
                char *const *arguments,
                RuntimeDone on_done,
                void *userdata,
                RuntimeCall **ret,
                Error *error) {
        _cleanup_strv_ char **argv = NULL;
        RuntimeCall *call;
        int r;

        r = runtime_format_command(c, verb, &argv);
        if (r >= 0)
                r = strv_extend_strv(&argv, arguments);
        if (r < 0)
                return r;

        call = new0(RuntimeCall, 1);
        if (!call)
                return -ENOMEM;
        *call = (RuntimeCall){ .container = c, .verb = verb, .on_done = on_done, .userdata = userdata };

        r = child_start(c->manager->event,
                        &(ChildSpec){
                                        .argv = (const char *const *) argv,
                                        .stderr_max_bytes = RUNTIME_STDERR_MAX,
                                        .timeout_usec = RUNTIME_TIMEOUT_USEC,
                        },
                        runtime_on_exit,
                        call,
                        &call->child,
                        error);
        if (r < 0) {
                free(call);
                return r;
        }
        *ret = call;
        return 0;
}

RuntimeCall *runtime_call_free(RuntimeCall *call) {
        if (!call)
                return NULL;

        child_free(call->child);
        free(call);
        return NULL;
}
