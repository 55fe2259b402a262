/* SPDX-License-Identifier: Apache-2.0 */
#include "network/network-list.h"

#include <dirent.h>
#include <fcntl.h>

#include "basic/fd.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"
#include "network/network.h"

#define DEFAULT_CNI_VERSION "0.4.0"

static int read_config(const char *path, char **ret, size_t *ret_size, Error *error) {
        int r = read_file_at(AT_FDCWD, path, NETWORK_CONFIG_MAX, ret, ret_size);

        return r < 0 ? error_set(error, r, STATUS_INTERNAL, "read %s: %s", path, STRERROR(r)) : 0;
}

int network_list_read_json(const char *path, json_t **ret, Error *error) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = read_config(path, &text, &size, error);
        return r < 0 ? r : json_parse(path, text, size, ret, error);
}

static int check_list(const char *path, json_t *list, Error *error) {
        json_t *plugins = json_object_get(list, "plugins"), *plugin;
        const char *name = json_string_value(json_object_get(list, "name"));
        size_t i;

        if (isempty(name) || !path_is_component(name))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INTERNAL,
                                "%s: /name: expected the name of the network",
                                path);
        if (!json_is_array(plugins) || json_array_size(plugins) == 0 ||
            json_array_size(plugins) > NETWORK_PLUGINS_MAX)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INTERNAL,
                                "%s: /plugins: expected 1 to %d plugins",
                                path,
                                NETWORK_PLUGINS_MAX);
        json_array_foreach(plugins, i, plugin) {
                const char *type = json_string_value(json_object_get(plugin, "type"));

                if (isempty(type) || !path_is_component(type))
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INTERNAL,
                                        "%s: /plugins/%zu/type: expected the name of a plugin",
                                        path,
                                        i);
        }
        return 0;
}

int network_list_parse(const char *path, const char *text, size_t size, json_t **ret, Error *error) {
        _cleanup_json_ json_t *json = NULL, *list = NULL;
        const char *version;
        int r;

        r = json_parse(path, text, size, &json, error);
        if (r < 0)
                return r;
        if (json_object_get(json, "plugins"))
                list = json_incref(json);
        else {
                version = json_string_value(json_object_get(json, "cniVersion")) ?: DEFAULT_CNI_VERSION;
                list =
                                json_pack("{s:s, s:O?, s:[O]}",
                                          "cniVersion",
                                          version,
                                          "name",
                                          json_object_get(json, "name"),
                                          "plugins",
                                          json);
                if (!list)
                        return -ENOMEM;
        }
        r = check_list(path, list, error);
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
}

static int load_file(const char *path, json_t **ret, Error *error) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = read_config(path, &text, &size, error);
        return r < 0 ? r : network_list_parse(path, text, size, ret, error);
}

static int list_files(const char *dir, char ***ret) {
        _cleanup_strv_ char **l = new0(char *, 1);
        struct dirent *de;
        DIR *d;
        int r = 0;

        if (!l)
                return -ENOMEM;
        d = opendir(dir);
        if (!d)
                return -errno;
        while (r >= 0 && (de = readdir(d)))
                if (endswith(de->d_name, ".conf") || endswith(de->d_name, ".conflist") ||
                    endswith(de->d_name, ".json"))
                        r = strv_consume(&l, path_join(dir, de->d_name));
        (void) closedir(d);
        if (r < 0)
                return r;
        strv_sort(l);
        *ret = TAKE_PTR(l);
        return 0;
}

static bool is_loopback(json_t *list) {
        json_t *plugins = json_object_get(list, "plugins");
        const char *type = json_string_value(json_object_get(json_array_get(plugins, 0), "type"));

        return json_array_size(plugins) == 1 && type && streq(type, "loopback"); /* every pod has that one */
}

int network_list_load(const char *dir, const char *name, json_t **ret, Error *error) {
        _cleanup_strv_ char **files = NULL;
        _cleanup_error_ Error first = ERROR_INIT;
        int r;

        r = list_files(dir, &files);
        if (r == -ENOMEM)
                return r;
        STRV_FOREACH(f, files) {
                _cleanup_error_ Error why = ERROR_INIT;
                _cleanup_json_ json_t *list = NULL;

                r = load_file(*f, &list, &why);
                if (r < 0) {
                        log_warning("network: %s, ignoring the file", error_get_text(&why, r));
                        if (!error_is_set(&first))
                                error_move(&first, &why);
                        continue;
                }
                if (is_loopback(list) ||
                    (!isempty(name) && !streq(json_string_value(json_object_get(list, "name")), name)))
                        continue;
                log_info("network: using %s from %s", json_string_value(json_object_get(list, "name")), *f);
                *ret = TAKE_PTR(list);
                return 0;
        }
        if (error_is_set(&first))
                return error_set(
                                error,
                                -ENOENT,
                                STATUS_FAILED_PRECONDITION,
                                "no CNI configuration is usable: %s",
                                error_get_text(&first, 0));
        return error_set(
                        error,
                        -ENOENT,
                        STATUS_FAILED_PRECONDITION,
                        "no CNI configuration%s%s in %s",
                        isempty(name) ? "" : " of network ",
                        strempty(name),
                        dir);
}
