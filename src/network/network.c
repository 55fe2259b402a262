/* SPDX-License-Identifier: Apache-2.0 */
#include "network/network.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/log.h"
#include "basic/path.h"
#include "basic/str.h"
#include "event/child.h"
#include "format/json-field.h"
#include "network/network-list.h"
#include "network/network-result.h"

#define CACHE_DIR "/var/lib/cni/results"
#define INTERFACE "eth0"
#define STDERR_MAX (16 * KIB)
#define CHECKS_AGAIN_MAX 3

struct Network {
        sd_event *event;
        sd_event_source *inotify_source;
        char *dir, *name;
        char **plugin_dirs;
        json_t *list; /* the network in force, always in list form; NULL: none */
        Error error;  /* why there is none */
};

struct NetworkCall {
        Network *network;
        NetworkDone on_done;
        void *userdata;
        sd_event_source *defer_source;
        Child *child;
        json_t *list, *result, *runtime_config;
        char **environment;
        char *id, *netns_path, *cni_args;
        const char *command;
        size_t current; /* index of the plugin, counted down for DEL */
        size_t left;
        int r; /* first failure; DEL goes on after one */
        Error error;
        bool undoing; /* DEL after an ADD that failed */
        unsigned n_checks_again;
};

static int call_next(NetworkCall *c);

static void network_load(Network *n) {
        json_decref(TAKE_PTR(n->list));
        error_done(&n->error);
        (void) network_list_load(
                        n->dir,
                        n->name,
                        &n->list,
                        &n->error); /* network_check() says what is wrong */
}

static int network_on_inotify(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        Network *n = userdata;
        _cleanup_free_ char *path = event->mask & IN_CREATE ? path_join(n->dir, event->name) : NULL;
        struct stat st;

        /* Of what is created only a link is whole at once; a file is when its writer closes it. */
        if (event->mask & IN_CREATE && (!path || lstat(path, &st) < 0 || !S_ISLNK(st.st_mode)))
                return 0;
        network_load(n);
        return 0;
}

int network_new(sd_event *event,
                const char *config_dir,
                char *const *plugin_dirs,
                const char *name,
                Network **ret) {
        _cleanup_(network_freep) Network *n = new0(Network, 1);
        int r;

        if (!n)
                return -ENOMEM;
        n->event = event;
        n->dir = strdup(config_dir);
        n->name = strdup(name);
        n->plugin_dirs = strv_copy(plugin_dirs);
        if (!n->dir || !n->name || !n->plugin_dirs)
                return -ENOMEM;

        r = mkdir_p_at(AT_FDCWD, n->dir, 0755);
        if (r >= 0)
                r = sd_event_add_inotify(
                                event,
                                &n->inotify_source,
                                n->dir,
                                IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE,
                                network_on_inotify,
                                n);
        if (r < 0)
                log_warning("network: watch %s: %s, ignoring changes in it", n->dir, STRERROR(r));
        network_load(n);
        *ret = TAKE_PTR(n);
        return 0;
}

Network *network_free(Network *n) {
        if (!n)
                return NULL;
        sd_event_source_disable_unref(n->inotify_source);
        json_decref(n->list);
        error_done(&n->error);
        strv_free(n->plugin_dirs);
        free(n->dir);
        free(n->name);
        free(n);
        return NULL;
}

int network_check(Network *n, Error *error) {
        if (n->list)
                return 0;
        error_copy(error, &n->error);
        return -ENOENT;
}

NetworkCall *network_call_free(NetworkCall *c) {
        if (!c)
                return NULL;
        sd_event_source_disable_unref(c->defer_source);
        child_free(c->child);
        json_decref(c->list);
        json_decref(c->result);
        json_decref(c->runtime_config);
        strv_free(c->environment);
        free(c->id);
        free(c->netns_path);
        free(c->cni_args);
        error_done(&c->error);
        free(c);
        return NULL;
}

static const char *call_network_name(const NetworkCall *c) {
        return json_string_value(json_object_get(c->list, "name"));
}

static char *cache_path(const char *network, const char *id) {
        return str_join(CACHE_DIR "/", network, "-", id, "-" INTERFACE, NULL);
}

/* libcni keeps what it needs for DEL the same way; its tools read the file. */
static int cache_write(NetworkCall *c) {
        _cleanup_free_ char *path = cache_path(call_network_name(c), c->id), *text = NULL;
        _cleanup_json_ json_t *entry =
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:O?, s:O?}",
                                  "kind",
                                  "cniCacheV1",
                                  "containerId",
                                  c->id,
                                  "ifName",
                                  INTERFACE,
                                  "networkName",
                                  call_network_name(c),
                                  "netns",
                                  c->netns_path,
                                  "crioConfig",
                                  c->list,
                                  "capabilityArgs",
                                  c->runtime_config,
                                  "result",
                                  c->result);
        int r;

        text = entry ? json_dumps(entry, JSON_COMPACT) : NULL;
        if (!path || !text)
                return -ENOMEM;
        r = mkdir_p_at(AT_FDCWD, CACHE_DIR, 0755);
        if (r < 0)
                return r;
        return write_file_atomic_at(AT_FDCWD, path, text, strlen(text), 0600, 0);
}

static void cache_remove(const char *network, const char *id) {
        _cleanup_free_ char *path = cache_path(network, id);

        if (path && unlink(path) < 0 && errno != ENOENT)
                log_warning("network: remove %s: %m, ignoring", path);
}

/* The entry of a pod, whatever the network was called. */
static int cache_find(const char *id, json_t **ret) {
        _cleanup_free_ char *suffix = str_join("-", id, "-" INTERFACE, NULL), *path = NULL;
        struct dirent *de;
        DIR *d;

        if (!suffix)
                return -ENOMEM;
        d = opendir(CACHE_DIR);
        while (d && !path && (de = readdir(d)))
                if (endswith(de->d_name, suffix))
                        path = path_join(CACHE_DIR, de->d_name);
        if (d)
                (void) closedir(d);
        return path ? network_list_read_json(path, ret, NULL) : -ENOENT;
}

/* ADD and CHECK go forwards and end with the first failure, DEL goes backwards and does what it can. */
static bool call_is_setup(const NetworkCall *c) {
        return !streq(c->command, "DEL");
}

static void call_finish(NetworkCall *c) {
        _cleanup_strv_ char **addresses = NULL;

        if (c->r >= 0 && call_is_setup(c))
                c->r = network_result_addresses(c->result, &addresses);
        if ((c->r >= 0 || c->undoing) && streq(c->command, "DEL") && c->list)
                cache_remove(call_network_name(c), c->id);
        c->on_done(c->r, addresses, &c->error, c->userdata);
}

/* Plugins tell failures as JSON on stdout ("Error"). */
static int plugin_failure(const ChildResult *result, const char *plugin, Error *error) {
        _cleanup_json_ json_t *json = NULL;
        const char *message, *details;

        if (result->r == 0 && json_parse(plugin, result->out, result->out_size, &json, NULL) >= 0) {
                message = json_string_value(json_object_get(json, "msg"));
                details = json_string_value(json_object_get(json, "details"));
                if (!isempty(message))
                        return error_set(
                                        error,
                                        -EIO,
                                        STATUS_INTERNAL,
                                        "CNI plugin %s: %s%s%s",
                                        plugin,
                                        message,
                                        isempty(details) ? "" : ": ",
                                        strempty(details));
        }
        return child_result_check(result, plugin, error);
}

static const char *call_plugin(const NetworkCall *c) {
        json_t *plugin = json_array_get(json_object_get(c->list, "plugins"), c->current);

        return json_string_value(json_object_get(plugin, "type"));
}

static bool is_true(json_t *value) {
        const char *text = json_string_value(value);

        return json_is_true(value) || (text && strcasecmp(text, "true") == 0);
}

/* All plugins have done their part: what they made is kept, and looked at where their version has a verb for
 * that (0.4.0 and later). 1: they are asked; 0: there is nothing to ask; negative errno. */
static int call_begin_check(NetworkCall *c) {
        const char *version = strempty(json_string_value(json_object_get(c->list, "cniVersion")));
        int r;

        r = cache_write(c);
        if (r < 0)
                return r;
        /* portmap of Debian 12 and 13 does not find its own rules again (it looks for an IPv6 chain that a
         * pod with IPv4 has no need of), so pods with ports of the host are not asked after. */
        if (json_object_size(c->runtime_config) > 0)
                return 0;
        if (is_true(json_object_get(c->list, "disableCheck")) || isempty(version) ||
            startswith(version, "0.1.") || startswith(version, "0.2.") || startswith(version, "0.3."))
                return 0;
        c->command = "CHECK";
        c->left = json_array_size(json_object_get(c->list, "plugins"));
        c->current = 0;
        return 1;
}

/* An ADD that failed may have done half of its work: DEL everything, then say why it failed. */
static void call_undo(NetworkCall *c) {
        c->undoing = true;
        c->command = "DEL";
        c->left = json_array_size(json_object_get(c->list, "plugins"));
        c->current = c->left - 1;
}

/* A CHECK that failed: whether another one with the hardware addresses of now was begun. bridge of Debian 12
 * calls a link wrong whose address udev changed after the ADD. */
static bool call_check_again(NetworkCall *c) {
        if (!streq(c->command, "CHECK") || c->n_checks_again == CHECKS_AGAIN_MAX)
                return false;
        if (network_result_follow_links(c->result) <= 0)
                return false;
        c->n_checks_again++;
        return call_begin_check(c) > 0;
}

static void call_on_child(Child *child, const ChildResult *result, void *userdata) {
        _cleanup_error_ Error error = ERROR_INIT;
        NetworkCall *c = userdata;
        int r;

        r = result->r < 0 || result->exit_code != 0 ? plugin_failure(result, call_plugin(c), &error) : 0;
        if (r >= 0 && streq(c->command, "ADD")) {
                json_decref(TAKE_PTR(c->result));
                r = json_parse(call_plugin(c), result->out, result->out_size, &c->result, &error);
        }
        c->child = child_free(c->child);

        if (r < 0 && call_check_again(c)) {
                if (call_next(c) < 0)
                        call_finish(c);
                return;
        }
        if (r < 0 && c->r == 0) {
                c->r = r;
                error_move(&c->error, &error);
        }
        if (r < 0 && call_is_setup(c)) {
                call_undo(c);
        } else {
                c->left--;
                c->current += call_is_setup(c) ? 1 : -1UL;
        }
        if (call_next(c) < 0)
                call_finish(c);
}

static int find_plugin(const Network *n, const char *type, char **ret, Error *error) {
        STRV_FOREACH(dir, n->plugin_dirs) {
                _cleanup_free_ char *path = path_join(*dir, type);

                if (!path)
                        return -ENOMEM;
                if (access(path, X_OK) >= 0) {
                        *ret = TAKE_PTR(path);
                        return 0;
                }
        }
        _cleanup_free_ char *dirs = strv_join(n->plugin_dirs, ", ");
        return error_set(
                        error,
                        -ENOENT,
                        STATUS_INTERNAL,
                        "CNI plugin %s is not in %s",
                        type,
                        strempty(dirs));
}

/* Only what the plugin says it is capable of. */
static int plugin_config(const NetworkCall *c, char **ret) {
        json_t *plugin = json_array_get(json_object_get(c->list, "plugins"), c->current);
        _cleanup_json_ json_t *config = json_copy(plugin), *runtime = json_object();
        const char *key;
        json_t *value;
        int r = 0;

        json_object_foreach(json_object_get(plugin, "capabilities"), key, value)
                if (json_is_true(value) && json_object_get(c->runtime_config, key))
                        r |= json_object_set(runtime, key, json_object_get(c->runtime_config, key));
        (void) json_object_del(config, "capabilities"); /* fails when it is absent */
        r |= json_object_set(config, "name", json_object_get(c->list, "name"));
        if (json_object_get(c->list, "cniVersion"))
                r |= json_object_set(config, "cniVersion", json_object_get(c->list, "cniVersion"));
        if (json_object_size(runtime) > 0)
                r |= json_object_set(config, "runtimeConfig", runtime);
        if (c->result)
                r |= json_object_set(config, "prevResult", c->result);
        *ret = r == 0 ? json_dumps(config, JSON_COMPACT) : NULL;
        return *ret ? 0 : -ENOMEM;
}

static int call_environment(NetworkCall *c) {
        _cleanup_free_ char *path = strv_join(c->network->plugin_dirs, ":");
        _cleanup_strv_ char **l = NULL;
        int r;

        r = path ? strv_extendf(&l, "CNI_PATH=%s", path) : -ENOMEM;
        if (r >= 0)
                r = strv_extendf(&l, "CNI_COMMAND=%s", c->command);
        if (r >= 0)
                r = strv_extendf(&l, "CNI_CONTAINERID=%s", c->id);
        if (r >= 0)
                r = strv_extendf(&l, "CNI_NETNS=%s", c->netns_path);
        if (r >= 0)
                r = strv_extendf(&l, "CNI_ARGS=%s", c->cni_args);
        if (r >= 0)
                r = strv_extend(&l, "CNI_IFNAME=" INTERFACE);
        if (r >= 0)
                r = strv_extend(&l, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        if (r < 0)
                return r;
        strv_free(c->environment);
        c->environment = TAKE_PTR(l);
        return 0;
}

static int call_run_plugin(NetworkCall *c) {
        _cleanup_free_ char *path = NULL, *config = NULL;
        _cleanup_error_ Error error = ERROR_INIT;
        int r;

        r = find_plugin(c->network, call_plugin(c), &path, &error);
        if (r >= 0)
                r = plugin_config(c, &config);
        if (r >= 0)
                r = call_environment(c);
        if (r >= 0) {
                const ChildSpec spec = {
                        .argv = (const char *[]){ path, NULL },
                        .environment = (const char *const *) c->environment,
                        .stdin_data = config,
                        .stdin_size = strlen(config),
                        .stdout_max_bytes = NETWORK_RESULT_MAX,
                        .stderr_max_bytes = STDERR_MAX,
                        .timeout_usec = NETWORK_PLUGIN_TIMEOUT_USEC,
                };

                r = child_start(c->network->event, &spec, call_on_child, c, &c->child, &error);
        }
        if (r < 0 && c->r == 0) {
                c->r = r;
                error_move(&c->error, &error);
        }
        return r;
}

/* 0: a plugin runs; negative: the call is over, c->r says how. */
static int call_next(NetworkCall *c) {
        for (;;) {
                if (c->left == 0) {
                        if (!streq(c->command, "ADD"))
                                return -ENODATA;
                        c->r = call_begin_check(c);
                        if (c->r == 0)
                                return -ENODATA;
                        if (c->r < 0)
                                call_undo(c);
                        else
                                c->r = 0;
                        continue;
                }
                if (call_run_plugin(c) >= 0)
                        return 0;
                if (call_is_setup(c))
                        call_undo(c);
                else {
                        c->left--;
                        c->current--;
                }
        }
}

static int call_on_defer(sd_event_source *source, void *userdata) {
        NetworkCall *c = userdata;

        if (call_next(c) < 0)
                call_finish(c);
        return 0;
}

static int runtime_config_new(const NetworkPod *pod, json_t **ret) {
        _cleanup_json_ json_t *ports = json_array();

        for (size_t i = 0; i < pod->n_ports; i++) {
                const NetworkPort *p = &pod->ports[i];

                if (p->host_port > 0 &&
                    json_array_append_new(
                                    ports,
                                    json_pack("{s:i, s:i, s:s, s:s}",
                                              "hostPort",
                                              p->host_port,
                                              "containerPort",
                                              p->container_port,
                                              "protocol",
                                              p->protocol,
                                              "hostIP",
                                              strempty(p->host_ip))) < 0)
                        return -ENOMEM;
        }
        *ret = json_array_size(ports) > 0 ? json_pack("{s:O}", "portMappings", ports) : json_object();
        return *ret ? 0 : -ENOMEM;
}

static int
call_new(Network *n, const NetworkPod *pod, NetworkDone on_done, void *userdata, NetworkCall **ret) {
        _cleanup_(network_call_freep) NetworkCall *c = new0(NetworkCall, 1);
        int r;

        if (!c)
                return -ENOMEM;
        c->network = n;
        c->on_done = on_done;
        c->userdata = userdata;
        c->id = strdup(pod->id);
        c->netns_path = strdup(pod->netns_path);
        c->cni_args =
                        str_join("IgnoreUnknown=1;K8S_POD_NAMESPACE=",
                                 pod->namespace,
                                 ";K8S_POD_NAME=",
                                 pod->name,
                                 ";K8S_POD_INFRA_CONTAINER_ID=",
                                 pod->id,
                                 ";K8S_POD_UID=",
                                 pod->uid,
                                 NULL);
        if (!c->id || !c->netns_path || !c->cni_args)
                return -ENOMEM;
        r = runtime_config_new(pod, &c->runtime_config);
        if (r >= 0)
                r = sd_event_add_defer(n->event, &c->defer_source, call_on_defer, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int network_attach(
                Network *n,
                const NetworkPod *pod,
                NetworkDone on_done,
                void *userdata,
                NetworkCall **ret,
                Error *error) {
        NetworkCall *c;
        int r;

        r = network_check(n, error);
        if (r < 0)
                return r;
        r = call_new(n, pod, on_done, userdata, &c);
        if (r < 0)
                return r;
        c->list = json_incref(n->list);
        c->command = "ADD";
        c->left = json_array_size(json_object_get(c->list, "plugins"));
        r = cache_write(c); /* so that a crash from here on finds what to DEL */
        if (r < 0) {
                network_call_free(c);
                return error_set(
                                error,
                                r,
                                STATUS_INTERNAL,
                                "write the CNI cache below " CACHE_DIR ": %s",
                                STRERROR(r));
        }
        *ret = c;
        return 0;
}

int network_detach(
                Network *n,
                const NetworkPod *pod,
                NetworkDone on_done,
                void *userdata,
                NetworkCall **ret,
                Error *error) {
        _cleanup_json_ json_t *entry = NULL;
        NetworkCall *c;
        int r;

        r = call_new(n, pod, on_done, userdata, &c);
        if (r < 0)
                return r;
        c->command = "DEL";
        r = cache_find(pod->id, &entry);
        if (r == -ENOMEM) {
                network_call_free(c);
                return r;
        }
        if (r >= 0) {
                json_decref(c->runtime_config);
                c->runtime_config = json_incref(json_object_get(entry, "capabilityArgs"));
                c->list = json_incref(json_object_get(entry, "crioConfig"));
                c->result = json_incref(json_object_get(entry, "result"));
                c->left = json_array_size(json_object_get(c->list, "plugins"));
                c->current = c->left - 1;
        }
        *ret = c;
        return 0;
}
