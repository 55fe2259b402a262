/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/number.h"
#include "basic/path.h"
#include "basic/str.h"
#include "config/schema.h"
#include "format/toml.h"

#define CONFIG_FILE_MAX (4 * MIB)
#define RUNTIMES_MAX 64
#define DROP_IN_DEPTH_MAX 8
#define STOP_TIMEOUT_MIN_SEC 30
#define MESSAGE_SIZE_DEFAULT (80 * MIB)
/* Smaller values would end a log within its first record. */
#define LOG_SIZE_MIN 8192
#define RUNTIMES_TABLE "crio.runtime.runtimes"

static void *field_of(const Config *c, const ConfigKey *k) {
        return (char *) c + k->offset;
}

/* All but its name. */
static void runtime_reset(ConfigRuntime *r) {
        free(TAKE_PTR(r->runtime_path));
        free(TAKE_PTR(r->runtime_type));
        free(TAKE_PTR(r->runtime_root));
        strv_free(TAKE_PTR(r->allowed_annotations));
}

static void runtime_done(ConfigRuntime *r) {
        free(r->name);
        runtime_reset(r);
}

Config *config_free(Config *c) {
        if (!c)
                return NULL;

        for (const ConfigKey *k = config_keys; k->name; k++) {
                if (k->offset == CONFIG_NO_FIELD)
                        continue;
                if (k->type == CONFIG_STRING || k->type == CONFIG_DURATION)
                        free(*(char **) field_of(c, k));
                else if (k->type == CONFIG_STRINGS)
                        strv_free(*(char ***) field_of(c, k));
        }
        for (size_t i = 0; i < c->n_runtimes; i++)
                runtime_done(&c->runtimes[i]);
        free(c->runtimes);
        strv_free(c->without_effect);
        free(c);
        return NULL;
}

static int set_initial(Config *c, const ConfigKey *k) {
        void *field = field_of(c, k);

        switch (k->type) {
        case CONFIG_STRING:
        case CONFIG_DURATION:
                return str_replace(field, k->initial);
        case CONFIG_STRINGS:
                return strv_split(k->initial, " ", field);
        case CONFIG_BOOLEAN:
                return parse_bool(k->initial, field);
        case CONFIG_INTEGER:
                return parse_i64(k->initial, INT64_MIN, INT64_MAX, field);
        }
        return -EINVAL;
}

int config_new(Config **ret) {
        _cleanup_(config_freep) Config *c = new0(Config, 1);
        int r;

        if (!c)
                return -ENOMEM;
        for (const ConfigKey *k = config_keys; k->name; k++) {
                r = k->offset == CONFIG_NO_FIELD ? 0 : set_initial(c, k);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

static int expected(Error *error, const char *file, const TomlValue *v, const char *what) {
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "%s:%u:%u: %s: expected %s, found %s",
                        file,
                        v->line,
                        v->column,
                        v->key,
                        what,
                        toml_type_to_string(v->type));
}

static int read_strings(const char *file, const TomlValue *v, char ***ret, Error *error) {
        _cleanup_strv_ char **l = new0(char *, 1);
        int r;

        if (!l)
                return -ENOMEM;
        if (v->type != TOML_ARRAY)
                return expected(error, file, v, "an array of strings");
        for (size_t i = 0; i < v->n_items; i++) {
                if (v->items[i]->type != TOML_STRING)
                        return expected(error, file, v, "an array of strings");
                r = strv_extend(&l, v->items[i]->text);
                if (r < 0)
                        return r;
        }
        strv_free(*ret);
        *ret = TAKE_PTR(l);
        return 0;
}

static int read_string(const char *file, const TomlValue *v, char **ret, Error *error) {
        if (v->type != TOML_STRING || strlen(v->text) != v->size)
                return expected(error, file, v, "a string");
        return str_replace(ret, v->text);
}

/* An empty value of these means what was there before. */
static bool is_kept(const ConfigKey *k, const TomlValue *v) {
        return v->type == TOML_STRING && v->size == 0 && streq(k->table, "crio") &&
                        (streq(k->name, "root") || streq(k->name, "runroot") ||
                         streq(k->name, "storage_driver"));
}

/* Adds to the list, where each item stands once, at its last place. */
static int accumulate(const char *file, const TomlValue *v, char ***list, Error *error) {
        _cleanup_strv_ char **added = NULL, **all = new0(char *, 1);
        int r;

        r = all ? read_strings(file, v, &added, error) : -ENOMEM;
        STRV_FOREACH(s, *list)
                if (r >= 0 && !strv_contains(added, *s))
                        r = strv_extend(&all, *s);
        STRV_FOREACH(s, added)
                if (r >= 0 && !strv_contains((char *const *) s + 1, *s))
                        r = strv_extend(&all, *s);
        if (r < 0)
                return r;
        strv_free(*list);
        *list = TAKE_PTR(all);
        return 0;
}

static int read_key(Config *c, const char *file, const ConfigKey *k, const TomlValue *v, Error *error) {
        void *field = field_of(c, k);

        if (is_kept(k, v))
                return 0;
        switch (k->type) {
        case CONFIG_STRING:
        case CONFIG_DURATION:
                return read_string(file, v, field, error);
        case CONFIG_STRINGS:
                return streq(k->name, "storage_option") ? accumulate(file, v, field, error) :
                                                          read_strings(file, v, field, error);
        case CONFIG_BOOLEAN:
                if (v->type != TOML_BOOLEAN)
                        return expected(error, file, v, "true or false");
                *(bool *) field = v->boolean;
                return 0;
        case CONFIG_INTEGER:
                if (v->type != TOML_INTEGER)
                        return expected(error, file, v, "an integer");
                *(int64_t *) field = v->integer;
                return 0;
        }
        return -EINVAL;
}

/* Whether the value is what the key has anyway, for keys that have no field. */
static bool is_initial(const ConfigKey *k, const TomlValue *v) {
        _cleanup_strv_ char **l = NULL;
        bool b;
        int64_t n;

        switch (v->type) {
        case TOML_STRING:
                return streq(v->text, k->initial);
        case TOML_BOOLEAN:
                return parse_bool(k->initial, &b) >= 0 && b == v->boolean;
        case TOML_INTEGER:
                return parse_i64(k->initial, INT64_MIN, INT64_MAX, &n) >= 0 && n == v->integer;
        case TOML_ARRAY:
                if (strv_split(k->initial, " ", &l) < 0 || strv_length(l) != v->n_items)
                        return false;
                for (size_t i = 0; i < v->n_items; i++)
                        if (v->items[i]->type != TOML_STRING || !streq(l[i], v->items[i]->text))
                                return false;
                return true;
        default:
                return false;
        }
}

static ConfigRuntime *runtime_get(Config *c, const char *name) {
        ConfigRuntime *larger;

        for (size_t i = 0; i < c->n_runtimes; i++)
                if (streq(c->runtimes[i].name, name))
                        return &c->runtimes[i];

        larger = c->n_runtimes < RUNTIMES_MAX ?
                        reallocarray(c->runtimes, c->n_runtimes + 1, sizeof(*larger)) :
                        NULL;
        if (!larger)
                return NULL;
        c->runtimes = larger;
        larger[c->n_runtimes] = (ConfigRuntime){ .name = strdup(name) };
        return larger[c->n_runtimes].name ? &larger[c->n_runtimes++] : NULL;
}

/* A later file replaces the whole handler. */
static int read_runtime(Config *c, const char *file, const TomlValue *table, Error *error) {
        ConfigRuntime *runtime;
        int r = 0;

        if (table->type != TOML_TABLE)
                return expected(error, file, table, "a table");
        runtime = runtime_get(c, table->key);
        if (!runtime)
                return -ENOMEM;
        runtime_reset(runtime);

        for (size_t i = 0; i < table->n_items && r >= 0; i++) {
                const TomlValue *v = table->items[i];

                if (streq(v->key, "runtime_path"))
                        r = read_string(file, v, &runtime->runtime_path, error);
                else if (streq(v->key, "runtime_type"))
                        r = read_string(file, v, &runtime->runtime_type, error);
                else if (streq(v->key, "runtime_root"))
                        r = read_string(file, v, &runtime->runtime_root, error);
                else if (streq(v->key, "allowed_annotations"))
                        r = read_strings(file, v, &runtime->allowed_annotations, error);
                else
                        r = strv_extendf(&c->without_effect, RUNTIMES_TABLE ".%s.%s", table->key, v->key);
        }
        return r;
}

static int read_table(Config *c, const char *file, const char *path, const TomlValue *table, Error *error) {
        int r = 0;

        for (size_t i = 0; i < table->n_items && r >= 0; i++) {
                const TomlValue *v = table->items[i];
                const ConfigKey *k = config_find_key(path, v->key);
                _cleanup_free_ char *below = str_join(path, ".", v->key, NULL);

                if (!below)
                        return -ENOMEM;
                if (streq(below, RUNTIMES_TABLE) && v->type != TOML_TABLE)
                        r = expected(error, file, v, "a table");
                else if (streq(below, RUNTIMES_TABLE))
                        for (size_t n = 0; n < v->n_items && r >= 0; n++)
                                r = read_runtime(c, file, v->items[n], error);
                else if (k && k->offset != CONFIG_NO_FIELD)
                        r = read_key(c, file, k, v, error);
                else if (v->type == TOML_TABLE)
                        r = read_table(c, file, below, v, error);
                else if (!k || !is_initial(k, v))
                        r = strv_consume(&c->without_effect, TAKE_PTR(below));
        }
        return r;
}

static int load_file(Config *c, const char *path, bool required, bool drop_in, Error *error) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        _cleanup_free_ char *data = NULL;
        const TomlValue *table;
        size_t size;
        int r;

        r = read_file_at(AT_FDCWD, path, CONFIG_FILE_MAX, &data, &size);
        if (r == -ENOENT && !required)
                return 0;
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INVALID_ARGUMENT,
                                "read configuration %s: %s",
                                path,
                                STRERROR(r));
        r = toml_parse(path, data, size, &root, error);
        if (r < 0)
                return r;
        log_info("Updating config from %s file: %s", drop_in ? "drop-in" : "single", path);

        table = toml_find(root, "crio");
        if (!table)
                return 0;
        if (table->type != TOML_TABLE)
                return expected(error, path, table, "a table");
        return read_table(c, path, "crio", table, error);
}

int config_set(Config *c, const ConfigKey *k, const char *value, Error *error) {
        int r = 0;

        if (k->offset == CONFIG_NO_FIELD)
                return strv_extendf(&c->without_effect, "%s.%s", k->table, k->name);
        switch (k->type) {
        case CONFIG_STRING:
        case CONFIG_DURATION:
                r = str_replace(field_of(c, k), value);
                break;
        case CONFIG_STRINGS: {
                _cleanup_strv_ char **l = NULL;

                r = strv_split(value, ",", &l);
                if (r >= 0) {
                        char ***field = field_of(c, k);

                        strv_free(*field);
                        *field = TAKE_PTR(l);
                }
                break;
        }
        case CONFIG_BOOLEAN:
                r = parse_bool(value, field_of(c, k));
                break;
        case CONFIG_INTEGER:
                r = parse_i64(value, INT64_MIN, INT64_MAX, field_of(c, k));
                break;
        }
        return r < 0 ? error_set(error,
                                 r,
                                 STATUS_INVALID_ARGUMENT,
                                 "%s: \"%s\" is not a %s",
                                 k->name,
                                 value,
                                 k->type == CONFIG_BOOLEAN ? "boolean" : "number") :
                       0;
}

static int list_names(const char *dir, char ***ret, Error *error) {
        _cleanup_strv_ char **l = new0(char *, 1);
        struct dirent *de;
        DIR *d;
        int r = 0;

        if (!l)
                return -ENOMEM;
        d = opendir(dir);
        if (!d && errno != ENOENT)
                return error_set(error, -errno, STATUS_INVALID_ARGUMENT, "read configuration %s: %m", dir);
        while (d && r >= 0 && (de = readdir(d)))
                if (!streq(de->d_name, ".") && !streq(de->d_name, ".."))
                        r = strv_extend(&l, de->d_name);
        if (d)
                (void) closedir(d);
        if (r < 0)
                return r;
        strv_sort(l);
        *ret = TAKE_PTR(l);
        return 0;
}

static int load_directory(Config *c, const char *dir, unsigned depth, Error *error);

static int load_drop_in(Config *c, const char *dir, const char *name, unsigned depth, Error *error) {
        _cleanup_free_ char *path = path_join(dir, name);
        struct stat st;

        if (!path)
                return -ENOMEM;
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (S_ISDIR(st.st_mode))
                return load_directory(c, path, depth + 1, error);
        if (!S_ISREG(st.st_mode) && (!S_ISLNK(st.st_mode) || stat(path, &st) < 0 || !S_ISREG(st.st_mode)))
                return 0;
        return load_file(c, path, true, true, error);
}

/* As upstream walks it: by name, whatever the ending, into directories as they come. */
static int load_directory(Config *c, const char *dir, unsigned depth, Error *error) {
        _cleanup_strv_ char **names = NULL;
        int r;

        if (depth > DROP_IN_DEPTH_MAX)
                return error_set(
                                error,
                                -ELOOP,
                                STATUS_INVALID_ARGUMENT,
                                "read configuration %s: more than %d directories in each other",
                                dir,
                                DROP_IN_DEPTH_MAX);
        r = list_names(dir, &names, error);
        STRV_FOREACH(name, names)
                if (r >= 0)
                        r = load_drop_in(c, dir, *name, depth, error);
        return r;
}

int config_load(Config *c, const char *path, bool required, const char *drop_dir, Error *error) {
        int r = 0;

        if (!isempty(path))
                r = load_file(c, path, required, false, error);
        if (r >= 0 && !isempty(drop_dir))
                r = load_directory(c, drop_dir, 0, error);
        return r;
}

static int find_in_path(const char *name, char **ret) {
        static const char *const dirs[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                            "/usr/bin",        "/sbin",          "/bin" };

        FOREACH_ELEMENT(dir, dirs) {
                _cleanup_free_ char *path = path_join(*dir, name);

                if (!path)
                        return -ENOMEM;
                if (access(path, X_OK) >= 0) {
                        *ret = TAKE_PTR(path);
                        return 0;
                }
        }
        return -ENOENT;
}

static int check_runtime(Config *c, ConfigRuntime *runtime, Error *error) {
        int r = 0;

        if (!runtime->runtime_type)
                r = str_replace(&runtime->runtime_type, "oci");
        if (r >= 0 && !runtime->runtime_root)
                r = str_replace(&runtime->runtime_root,
                                streq(runtime->name, "runc") ? "/run/runc" : "/run/crun");
        if (r < 0)
                return r;
        if (!streq(runtime->runtime_type, "oci"))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "runtime handler %s: runtime_type \"%s\" is not supported, only \"oci\" is",
                                runtime->name,
                                runtime->runtime_type);
        if (!isempty(runtime->runtime_path))
                return access(runtime->runtime_path, X_OK) >= 0 ? 0 :
                                                                  error_set(error,
                                                                            -errno,
                                                                            STATUS_INVALID_ARGUMENT,
                                                                            "runtime handler %s: %s: %m",
                                                                            runtime->name,
                                                                            runtime->runtime_path);

        free(TAKE_PTR(runtime->runtime_path));
        r = find_in_path(runtime->name, &runtime->runtime_path);
        if (r < 0)
                return error_set(
                                error,
                                r,
                                STATUS_INVALID_ARGUMENT,
                                "runtime handler %s: no such program in $PATH; install it or set runtime_path",
                                runtime->name);
        return 0;
}

static int check_runtimes(Config *c, Error *error) {
        size_t n = 0;
        int r;

        if (!runtime_get(c, c->default_runtime))
                return -ENOMEM;
        for (size_t i = 0; i < c->n_runtimes; i++) {
                _cleanup_error_ Error why = ERROR_INIT;
                ConfigRuntime runtime = c->runtimes[i];

                r = check_runtime(c, &runtime, &why);
                if (r < 0 && streq(runtime.name, c->default_runtime)) {
                        error_move(error, &why);
                        c->runtimes[i] = runtime;
                        return r;
                }
                if (r < 0) {
                        log_warning("%s, ignoring the handler", error_get_text(&why, r));
                        runtime_done(&runtime);
                } else
                        c->runtimes[n++] = runtime;
        }
        c->n_runtimes = n;
        return 0;
}

int config_check_values(Config *c, Error *error) {
        if (!streq(c->cgroup_manager, "systemd"))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "crio.runtime.cgroup_manager: \"%s\" is not supported; this crio leaves cgroups to systemd, "
                                "set it to \"systemd\" and the kubelet's cgroupDriver likewise",
                                c->cgroup_manager);
        if (!path_is_absolute(c->log_dir))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "crio.log_dir: %s is not absolute",
                                c->log_dir);
        if (!streq(c->storage_driver, "overlay") && !isempty(c->storage_driver))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "crio.storage_driver: \"%s\" is not supported, only \"overlay\" is",
                                c->storage_driver);
        if (c->log_size_max >= 0 && c->log_size_max < LOG_SIZE_MIN)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "crio.runtime.log_size_max: log size max should be negative or >= %d",
                                LOG_SIZE_MIN);
        if (log_level_from_string(c->log_level) < 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "crio.runtime.log_level: not a valid logrus Level: \"%s\"; use fatal, error, warn, info, debug or trace",
                                c->log_level);
        if (c->ctr_stop_timeout_sec < STOP_TIMEOUT_MIN_SEC || c->ctr_stop_timeout_sec > INT64_MAX)
                c->ctr_stop_timeout_sec = STOP_TIMEOUT_MIN_SEC;
        if (c->grpc_max_recv_msg_size == 0 || c->grpc_max_recv_msg_size > INT64_MAX)
                c->grpc_max_recv_msg_size = MESSAGE_SIZE_DEFAULT; /* what a negative number means */
        return 0;
}

int config_check(Config *c, Error *error) {
        int r = config_check_values(c, error);

        return r < 0 ? r : check_runtimes(c, error);
}

const ConfigRuntime *config_find_runtime(const Config *c, const char *name) {
        if (isempty(name))
                name = c->default_runtime;
        for (size_t i = 0; i < c->n_runtimes; i++)
                if (streq(c->runtimes[i].name, name))
                        return &c->runtimes[i];
        return NULL;
}
