/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pod-files.h"

#include <fcntl.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/fd.h"
#include "basic/str.h"
#include "core/pod.h"

#define POD_FILE_MAX (1 * MIB)
#define HOST_RESOLV_CONF "/etc/resolv.conf"

static void add_line(Buffer *b, const char *keyword, char *const *values) {
        if (!values || !*values)
                return;
        (void) buffer_adds(b, keyword);
        STRV_FOREACH(v, values)
                (void) buffer_addf(b, " %s", *v);
        (void) buffer_addc(b, '\n');
}

static void format_resolv_conf(const PodConfig *c, Buffer *b) {
        _cleanup_free_ char *host = NULL;

        if (strv_length(c->dns_servers) + strv_length(c->dns_searches) + strv_length(c->dns_options) == 0) {
                /* A node without the file has no resolver; nor has the pod then. */
                if (read_file_at(AT_FDCWD, HOST_RESOLV_CONF, POD_FILE_MAX, &host, NULL) >= 0)
                        (void) buffer_adds(b, host);
                return;
        }
        add_line(b, "search", c->dns_searches);
        STRV_FOREACH(s, c->dns_servers)
                (void) buffer_addf(b, "nameserver %s\n", *s);
        add_line(b, "options", c->dns_options);
}

static void format_hosts(const Pod *p, const char *hostname, Buffer *b) {
        (void) buffer_adds(b, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        STRV_FOREACH(a, p->addresses)
                (void) buffer_addf(b, "%s\t%s\n", *a, hostname);
}

int pod_write_files(const Pod *p, Error *error) {
        char hostname[POD_HOSTNAME_SIZE];
        static const char *const names[] = { "resolv.conf", "hostname", "hosts" };

        pod_get_hostname(p, hostname);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_buffer_ Buffer b = BUFFER_INIT(POD_FILE_MAX);
                _cleanup_free_ char *path = pod_get_directory(p, names[i]);
                int r;

                if (i == 0)
                        format_resolv_conf(&p->config, &b);
                else if (i == 1)
                        (void) buffer_addf(&b, "%s\n", hostname);
                else
                        format_hosts(p, hostname, &b);
                r = path ? b.error : -ENOMEM;
                if (r >= 0)
                        r = write_file_atomic_at(AT_FDCWD, path, strempty(b.data), b.size, 0644, 0);
                if (r < 0)
                        return error_set(error, r, STATUS_INTERNAL, "write %s: %s", names[i], STRERROR(r));
        }
        return 0;
}
