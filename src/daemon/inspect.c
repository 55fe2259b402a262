/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/inspect.h"

#include "basic/hashmap.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/manager.h"
#include "core/pod.h"
#include "format/json-field.h"

#define NOT_FOUND 404
#define INTERNAL_ERROR 500

static void reply_text(Http1Reply *reply, unsigned status, char *text) {
        *reply = (Http1Reply){ .status = text ? status : INTERNAL_ERROR,
                               .content_type = "text/plain",
                               .body = text };
}

/* In the order of the keys, without blanks: some clients compare text. */
static void reply_json(Http1Reply *reply, json_t *json) {
        char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;

        json_decref(json);
        if (!body) {
                reply_text(reply, INTERNAL_ERROR, strdup("out of memory\n"));
                return;
        }
        *reply = (Http1Reply){ .status = 200, .content_type = "application/json", .body = body };
}

static void inspect_info(const Manager *m, Http1Reply *reply) {
        json_t *all =
                        json_pack("[{s:I, s:I, s:I}]",
                                  "container_id",
                                  (json_int_t) 0,
                                  "host_id",
                                  (json_int_t) 0,
                                  "size",
                                  (json_int_t) UINT32_MAX);

        reply_json(reply,
                   json_pack("{s:s, s:s, s:s, s:s, s:{s:O, s:o}}",
                             "storage_driver",
                             m->config->storage_driver,
                             "storage_image",
                             "",
                             "storage_root",
                             m->config->root,
                             "cgroup_driver",
                             "systemd",
                             "default_id_mappings",
                             "uids",
                             all,
                             "gids",
                             all));
}

static json_t *pairs_new(char *const *pairs) {
        json_t *o = json_object();

        PAIRS_FOREACH(p, pairs)
                (void) json_object_set_new(
                                o,
                                p[0],
                                json_string(p[1])); /* a missing one only misleads people */
        return o;
}

static json_t *strings_new(char *const *l) {
        json_t *a = json_array();

        STRV_FOREACH(s, l)
                (void) json_array_append_new(a, json_string(*s)); /* as above */
        return a;
}

static int pid_of_pod(const Manager *m, const Pod *p) {
        const Container *c;

        if (p->pause_pid > 0)
                return p->pause_pid;
        HASHMAP_FOREACH(c, m->containers)
                if (c->pod == p && c->state == CONTAINER_RUNNING)
                        return c->pid;
        return 0;
}

/* In the place of CRI-O's infra container: cadvisor asks for every control group that has an id in its name,
 * and needs a process for the numbers of the pod's network. */
static void inspect_pod(const Manager *m, const Pod *p, Http1Reply *reply) {
        json_t *labels = pairs_new(p->config.labels);
        json_t *name =
                        json_sprintf("k8s_POD_%s_%s_%s_%lld",
                                     p->config.name,
                                     strempty(p->config.namespace),
                                     strempty(p->config.uid),
                                     (long long) p->config.attempt);

        (void) json_object_set_new(
                        labels,
                        "io.kubernetes.container.name",
                        json_string("POD")); /* as above */
        reply_json(reply,
                   json_pack("{s:o, s:i, s:s, s:s, s:I, s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:b}",
                             "name",
                             name,
                             "pid",
                             pid_of_pod(m, p),
                             "image",
                             "",
                             "image_ref",
                             "",
                             "created_time",
                             (json_int_t) p->created_at_nsec,
                             "labels",
                             labels,
                             "annotations",
                             pairs_new(p->config.annotations),
                             "crio_annotations",
                             json_object(),
                             "log_path",
                             "",
                             "root",
                             "",
                             "sandbox",
                             p->id,
                             "ip_addresses",
                             strings_new(p->addresses),
                             "host_network",
                             (int) (p->config.network_mode == NAMESPACE_NODE)));
}

/*
 * Also one that is being created: cadvisor asks when its control group appears, and not again for a minute.
 * It counts the disk below "root", where it replaces the last part by "diff", and nothing else without it.
 */
static void inspect_container(const Manager *m, const char *id, Http1Reply *reply) {
        const Container *c = hashmap_get(m->containers, id);
        _cleanup_free_ char *log_path = NULL, *root = NULL;
        char *text = NULL;

        if (!c && hashmap_get(m->pods, id)) {
                inspect_pod(m, hashmap_get(m->pods, id), reply);
                return;
        }
        if (!c) {
                if (asprintf(&text, "can't find the container with id %.80s\n", id) < 0)
                        text = NULL;
                reply_text(reply, NOT_FOUND, text);
                return;
        }
        log_path = container_get_log_path(c);
        root = str_join(m->config->root, "/overlay/", c->id, "/merged", NULL);
        reply_json(reply,
                   json_pack("{s:s, s:i, s:s, s:s, s:I, s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:b}",
                             "name",
                             c->config.name,
                             "pid",
                             c->state == CONTAINER_RUNNING ? c->pid : 0,
                             "image",
                             strempty(c->config.user_specified_image),
                             "image_ref",
                             strempty(c->image_ref),
                             "created_time",
                             (json_int_t) c->created_at_nsec,
                             "labels",
                             pairs_new(c->config.labels),
                             "annotations",
                             pairs_new(c->config.annotations),
                             "crio_annotations",
                             json_object(),
                             "log_path",
                             strempty(log_path),
                             "root",
                             strempty(root),
                             "sandbox",
                             c->pod->id,
                             "ip_addresses",
                             strings_new(c->pod->addresses),
                             "host_network",
                             (int) (c->pod->config.network_mode == NAMESPACE_NODE)));
}

void inspect_handle(const char *path, Http1Reply *reply, void *userdata) {
        const Manager *m = userdata;
        const char *id = startswith(path, "/containers/");

        if (id)
                inspect_container(m, id, reply);
        else if (streq(path, "/info"))
                inspect_info(m, reply);
        else if (streq(path, "/config")) {
                char *text = NULL;

                if (config_format(m->config, false, &text) < 0)
                        text = NULL;
                reply_text(reply, 200, text);
                if (text)
                        reply->content_type = "application/toml";
        } else
                reply_text(reply, NOT_FOUND, strdup("404 page not found\n"));
}
