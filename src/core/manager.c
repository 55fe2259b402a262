/* SPDX-License-Identifier: Apache-2.0 */
#include "core/manager.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd.h"
#include "basic/hashmap.h"
#include "basic/log.h"
#include "basic/number.h"
#include "basic/str.h"
#include "core/container.h"
#include "core/images.h"
#include "core/orphan.h"
#include "core/pod.h"
#include "core/restore.h"
#include "core/sweeper.h"
#include "image/store.h"
#include "network/network.h"
#include "oci/capability.h"
#include "oci/resources.h"
#include "peer/iod.h"
#include "unit/cgroup.h"
#include "unit/systemd.h"

#define OOM_SCORE_ADJ_FILE "/proc/self/oom_score_adj"
#define OOM_SCORE_ADJ_LOWEST (-1000)

/* The lowest value that can be given to containers here: without CAP_SYS_RESOURCE not less than our own. */
static int find_oom_score_adj_min(void) {
        _cleanup_free_ char *text = NULL;
        int64_t own = 0;

        if (read_file_at(AT_FDCWD, OOM_SCORE_ADJ_FILE, 64, &text, NULL) >= 0) {
                text[strcspn(text, "\n")] = '\0';
                if (parse_i64(text, OOM_SCORE_ADJ_LOWEST, -OOM_SCORE_ADJ_LOWEST, &own) < 0)
                        own = 0;
        }
        if (own <= OOM_SCORE_ADJ_LOWEST + 1) /* that of our unit: PID 1 could give it */
                return OOM_SCORE_ADJ_LOWEST;
        if (write_string_at(AT_FDCWD, OOM_SCORE_ADJ_FILE, "-1000") >= 0) {
                char back[DECIMAL_MAX];

                (void) snprintf(back, sizeof(back), "%" PRIi64, own);       /* fits */
                (void) write_string_at(AT_FDCWD, OOM_SCORE_ADJ_FILE, back); /* as it was a moment ago */
                return OOM_SCORE_ADJ_LOWEST;
        }
        log_notice("this node can not lower oom_score_adj below %d, containers that ask for less get that",
                   (int) own);
        return (int) own;
}

static unsigned find_controllers(void) {
        _cleanup_strv_ char **names = NULL, **missing = NULL;
        _cleanup_free_ char *text = NULL;
        unsigned mask;

        if (cgroup_read_controllers(&names) < 0)
                return 0;
        mask = oci_controllers_parse(names);
        for (OciController c = 0; c < _OCI_CONTROLLER_MAX; c++)
                if (!(mask & OCI_CONTROLLER(c)))
                        (void) strv_extend(&missing, oci_controller_to_string(c)); /* only for the log */
        text = strv_join(missing, ", ");
        if (!isempty(text))
                log_notice("this node lacks cgroup controllers: %s; such limits of containers have no effect",
                           text);
        return mask;
}

static int check_node(Error *error) {
        struct stat st;

        if (!cgroup_is_unified())
                return error_set(
                                error,
                                -EOPNOTSUPP,
                                STATUS_FAILED_PRECONDITION,
                                "/sys/fs/cgroup is not cgroup version 2, boot with systemd.unified_cgroup_hierarchy=1");
        if (stat("/run/systemd/system", &st) < 0)
                return error_set(
                                error,
                                -EHOSTDOWN,
                                STATUS_FAILED_PRECONDITION,
                                "PID 1 is not systemd, which crio leaves supervision to");
        return 0;
}

/* Two of us would take each other's containers for remains. The lock ends with the process. */
static int lock_state(Manager *m, Error *error) {
        m->lock_fd = open_at(AT_FDCWD, RUN_DIR "/lock", O_RDWR | O_CREAT, 0600);
        if (m->lock_fd < 0)
                return error_set(
                                error,
                                m->lock_fd,
                                STATUS_INTERNAL,
                                "open " RUN_DIR "/lock: %s",
                                STRERROR(m->lock_fd));
        if (flock(m->lock_fd, LOCK_EX | LOCK_NB) >= 0)
                return 0;
        return error_set(
                        error,
                        -errno,
                        STATUS_FAILED_PRECONDITION,
                        errno == EWOULDBLOCK ? "another crio runs, it holds " RUN_DIR "/lock" :
                                               "lock " RUN_DIR "/lock: %m");
}

static int open_partners(Manager *m, Error *error) {
        const Config *config = m->config;
        int r;

        r = systemd_new(m->event, &m->systemd, error);
        if (r >= 0)
                r = iod_client_new(m->event, &m->iod);
        if (r >= 0)
                r = store_open(config->root, config->runroot, &m->store, error);
        if (r >= 0)
                r = network_new(m->event,
                                config->network_dir,
                                config->plugin_dirs,
                                config->cni_default_network,
                                &m->network);
        if (r >= 0)
                r = images_new(m, &m->images, error);
        return r;
}

int manager_new(sd_event *event, const Config *config, Manager **ret, Error *error) {
        _cleanup_(manager_freep) Manager *m = new0(Manager, 1);
        int r;

        if (!m)
                return -ENOMEM;
        *m = (Manager){ .event = event, .config = config, .lock_fd = -EBADF };

        r = check_node(error);
        if (r < 0)
                return r;
        r = hashmap_new(&m->pods);
        if (r >= 0)
                r = hashmap_new(&m->containers);
        if (r >= 0)
                r = hashmap_new(&m->names);
        if (r >= 0)
                r = sweeper_new(event, &m->sweeper);
        if (r >= 0)
                r = mkdir_p_at(AT_FDCWD, RUN_PODS_DIR, 0755);
        if (r >= 0)
                r = mkdir_p_at(AT_FDCWD, RUN_CONTAINERS_DIR, 0755);
        if (r < 0)
                return error_set(error, r, STATUS_INTERNAL, "make %s: %s", RUN_DIR, STRERROR(r));
        r = lock_state(m, error);
        if (r < 0)
                return r;
        m->capabilities = capability_bounding_set();
        m->controllers = find_controllers();
        m->oom_score_adj_min = find_oom_score_adj_min();

        r = open_partners(m, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        Container *c;
        Pod *p;

        if (!m)
                return NULL;

        m->stopping = true;
        restore_free(m->restore);
        orphan_free_all(m);
        while ((c = hashmap_first(m->containers)))
                (void) container_free(c);
        while ((p = hashmap_first(m->pods)))
                (void) pod_free(p);
        sweeper_free(m->sweeper);
        images_free(m->images);
        network_free(m->network);
        store_free(m->store);
        iod_client_free(m->iod);
        systemd_free(m->systemd);
        hashmap_free(m->names);
        hashmap_free(m->containers);
        hashmap_free(m->pods);
        close_fd(m->lock_fd);
        free(m);
        return NULL;
}

static int refuse_id(const char *what, const char *id, Error *error) {
        if (isempty(id))
                return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "%s id is missing", what);
        return error_set(error, -ENOENT, STATUS_NOT_FOUND, "%s %.80s does not exist", what, id);
}

int manager_find_pod(const Manager *m, const char *id, Pod **ret, Error *error) {
        Pod *found = hashmap_get(m->pods, id), *p;

        if (!found && id_is_prefix(id))
                HASHMAP_FOREACH(p, m->pods) {
                        if (!startswith(p->id, id) || !pod_is_visible(p))
                                continue;
                        if (found)
                                return error_set(
                                                error,
                                                -EINVAL,
                                                STATUS_INVALID_ARGUMENT,
                                                "pod sandbox id %s stands for more than one",
                                                id);
                        found = p;
                }
        if (!found || !pod_is_visible(found))
                return refuse_id("pod sandbox", id, error);
        *ret = found;
        return 0;
}

int manager_find_container(const Manager *m, const char *id, Container **ret, Error *error) {
        Container *found = hashmap_get(m->containers, id), *c;

        if (!found && id_is_prefix(id))
                HASHMAP_FOREACH(c, m->containers) {
                        if (!startswith(c->id, id) || !container_is_visible(c))
                                continue;
                        if (found)
                                return error_set(
                                                error,
                                                -EINVAL,
                                                STATUS_INVALID_ARGUMENT,
                                                "container id %s stands for more than one",
                                                id);
                        found = c;
                }
        if (!found || !container_is_visible(found))
                return refuse_id("container", id, error);
        *ret = found;
        return 0;
}
