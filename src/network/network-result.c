/* SPDX-License-Identifier: Apache-2.0 */
#include "network/network-result.h"

#include <fcntl.h>
#include <string.h>

#include "basic/fd.h"
#include "basic/path.h"
#include "basic/str.h"
#include "network/network.h"

#define LINKS_DIR "/sys/class/net"
#define ADDRESS_MAX 256

int network_result_addresses(json_t *result, char ***ret) {
        _cleanup_strv_ char **l = new0(char *, 1);
        json_t *ip;
        size_t i;
        int r;

        if (!l)
                return -ENOMEM;
        json_array_foreach(json_object_get(result, "ips"), i, ip) {
                const char *address = json_string_value(json_object_get(ip, "address"));

                if (!address || i == NETWORK_ADDRESSES_MAX)
                        break;
                r = strv_consume(&l, strndup(address, strcspn(address, "/")));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

/* 1 when the link has another address than @interface says. */
static int follow_link(json_t *interface) {
        const char *name = json_string_value(json_object_get(interface, "name")),
                   *mac = json_string_value(json_object_get(interface, "mac"));
        _cleanup_free_ char *path = NULL, *address = NULL;

        if (!isempty(json_string_value(json_object_get(interface, "sandbox"))) || isempty(mac) ||
            isempty(name) || strchr(name, '/') || *name == '.')
                return 0;
        path = str_join(LINKS_DIR "/", name, "/address", NULL);
        if (!path)
                return -ENOMEM;
        if (read_file_at(AT_FDCWD, path, ADDRESS_MAX, &address, NULL) < 0)
                return 0; /* the plugin says what it thinks of a link that is gone */
        address[strcspn(address, "\n")] = 0;
        if (strcasecmp(address, mac) == 0)
                return 0;
        return json_object_set_new(interface, "mac", json_string(address)) < 0 ? -ENOMEM : 1;
}

int network_result_follow_links(json_t *result) {
        json_t *interface;
        int changed = 0;
        size_t i;

        json_array_foreach(json_object_get(result, "interfaces"), i, interface) {
                int r = follow_link(interface);

                if (r < 0)
                        return r;
                changed |= r;
        }
        return changed;
}
