/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pull-unit.h"

#include <linux/capability.h>
#include <stdlib.h>

#include "basic/fault.h"
#include "basic/str.h"
#include "config/config.h"
#include "core/manager.h"
#include "unit/unit-spec.h"

/* Proxies of our own environment, and the faults of a test. */
static int pull_environment(char ***ret) {
        static const char *const proxies[][2] = {
                { "http_proxy", "HTTP_PROXY" },
                { "https_proxy", "HTTPS_PROXY" },
                { "no_proxy", "NO_PROXY" },
        };
        int r = 0;

        FOREACH_ELEMENT(p, proxies) {
                const char *value = getenv((*p)[0]) ?: getenv((*p)[1]);

                if (value && r >= 0)
                        r = strv_extendf(ret, "%s=%s", (*p)[0], value);
        }
        if (fault_get_directory() && r >= 0)
                r = strv_extendf(ret, FAULT_ENVIRONMENT "=%s", fault_get_directory());
        return r;
}

/* Into layers: any owner, mode and capability, device nodes, and opaque directories, whose "trusted"
 * attribute is why SYS_ADMIN is among them. What else that one allows, the system calls do not. */
#define PULL_CAPABILITIES                                                                                   \
        (UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_FOWNER |           \
         UINT64_C(1) << CAP_FSETID | UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_MKNOD |              \
         UINT64_C(1) << CAP_SETFCAP)

/* What it has no business with. */
static const char *const hidden[] = { "-/run/crio",    "-/run/systemd/private",
                                      "-/run/dbus",    "-/root/.ssh",
                                      "-/etc/shadow",  "-/var/lib/kubelet",
                                      "-/run/secrets", NULL };
/* Made, neither read nor written. */
static const char *const nodes[] = { "char-*", "m", "block-*", "m", NULL };
static const char *const families[] = { "AF_UNIX", "AF_INET", "AF_INET6", NULL };
static const char *const native[] = { "native", NULL };
static const char *const calls[] = { "@system-service", "mknod", "mknodat", "seccomp", NULL };

/* Write into the store, speak to registries, unpack with all kinds of owners. */
int pull_unit_start(Manager *m, const PullUnit *p, SystemdCall **ret, Error *error) {
        const Config *config = m->config;
        const char *const command[] = { CRIO_LIBEXECDIR "/crio-pull", NULL };
        const char *const writable[] = { config->root, config->runroot, fault_get_directory(), NULL };
        const UnitExtra extra[] = {
                { "NotifyAccess", 's', .string = "main" }, /* how far it is */
                { "NoNewPrivileges", 'b', .boolean = true },
                { "PrivateDevices", 'b', .boolean = false }, /* layers may hold device nodes */
                { "DevicePolicy", 's', .string = "closed" },
                { "DeviceAllow", 'P', .strings = nodes }, /* but nobody opens them */
                { "PrivateTmp", 'b', .boolean = true },
                { "PrivateMounts", 'b', .boolean = true },
                { "PrivateIPC", 'b', .boolean = true },
                { "ProtectSystem", 's', .string = "strict" },
                { "ProtectHome", 's', .string = "read-only" }, /* credentials */
                { "ProtectProc", 's', .string = "invisible" },
                { "ProtectClock", 'b', .boolean = true },
                { "ProtectHostname", 'b', .boolean = true },
                { "ProtectControlGroups", 'b', .boolean = true },
                { "ProtectKernelTunables", 'b', .boolean = true },
                { "ProtectKernelModules", 'b', .boolean = true },
                { "ProtectKernelLogs", 'b', .boolean = true },
                { "ReadWritePaths", 'S', .strings = writable },
                { "InaccessiblePaths", 'S', .strings = hidden },
                { "RestrictAddressFamilies", 'F', .strings = families },
                { "RestrictNamespaces", 't', .number = 0 }, /* none may be made */
                { "RestrictRealtime", 'b', .boolean = true },
                { "LockPersonality", 'b', .boolean = true },
                { "MemoryDenyWriteExecute", 'b', .boolean = true },
                { "SystemCallArchitectures", 'S', .strings = native },
                { "SystemCallFilter", 'F', .strings = calls },
                { "KeyringMode", 's', .string = "private" },
                { "MemoryHigh", 't', .number = 768 * MIB },
                { "MemoryMax", 't', .number = 1 * GIB },
                { "TasksMax", 't', .number = 32 },
                { "OOMScoreAdjust", 'i', .number = 500 },
                { "CapabilityBoundingSet", 't', .number = PULL_CAPABILITIES },
        };
        _cleanup_free_ char *description = str_join("Pull of image ", p->image, NULL);
        _cleanup_strv_ char **environment = NULL;
        UnitSpec spec = UNIT_SPEC_INIT;

        if (!description || pull_environment(&environment) < 0)
                return -ENOMEM;
        spec.description = description;
        spec.type = "exec";
        spec.exec_start = command;
        spec.environment = (const char *const *) environment;
        spec.stdin_fd = p->fd;
        spec.collect_mode = "inactive-or-failed";
        spec.syslog_identifier = "crio-pull";
        spec.extra = extra;
        spec.n_extra = ELEMENTSOF(extra);
        return systemd_start_unit(m->systemd, p->name, &spec, p->on_done, p->userdata, ret, error);
}
