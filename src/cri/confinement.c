/* SPDX-License-Identifier: Apache-2.0 */
#include "cri/confinement.h"

#include <unistd.h>

#include "basic/str.h"

int confinement_refuse(Error *error, const char *what) {
        return error_set(
                        error,
                        -EOPNOTSUPP,
                        STATUS_UNIMPLEMENTED,
                        "%s was asked for, which this version does not have",
                        what);
}

int confinement_check_selinux(const Runtime__V1__SELinuxOption *o, Error *error) {
        /* Without SELinux in the kernel there are no labels, and nobody misses them. */
        if (!o || (isempty(o->user) && isempty(o->role) && isempty(o->type) && isempty(o->level)))
                return 0;
        return access("/sys/fs/selinux/enforce", F_OK) < 0 ? 0 :
                                                             confinement_refuse(error, "an SELinux label");
}

static int check_profile_type(const Runtime__V1__SecurityProfile *p, const char *what, Error *error) {
        int type = p ? (int) p->profile_type : 0;

        if (type >= 0 && type <= RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost)
                return 0;
        return error_set(error, -EINVAL, STATUS_INVALID_ARGUMENT, "%s: unknown profile type %d", what, type);
}

static int check_profile(const Runtime__V1__SecurityProfile *p, const char *what, Error *error) {
        if (!p || p->profile_type == RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Unconfined)
                return 0;
        return confinement_refuse(error, what);
}

/* Without AppArmor in the kernel the default profile is none. */
static int check_apparmor(const Runtime__V1__SecurityProfile *p, const char *old, Error *error) {
        bool enabled = access("/sys/kernel/security/apparmor/profiles", F_OK) >= 0;

        if (p && p->profile_type == RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost)
                return confinement_refuse(error, "an AppArmor profile of the node");
        if (!p && !isempty(old) && startswith(old, "localhost/"))
                return confinement_refuse(error, "an AppArmor profile of the node");
        if (enabled && p && p->profile_type == RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault)
                return confinement_refuse(error, "the default AppArmor profile");
        return 0;
}

int confinement_check_userns(const Runtime__V1__NamespaceOption *o, Error *error) {
        if (!o || !o->userns_options || o->userns_options->mode == RUNTIME__V1__NAMESPACE_MODE__NODE)
                return 0;
        if (o->userns_options->mode != RUNTIME__V1__NAMESPACE_MODE__POD)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "user namespace mode %d is neither POD nor NODE",
                                (int) o->userns_options->mode);
        return confinement_refuse(error, "a user namespace");
}

/* Old clients still send the deprecated fields: they count where the new ones are not set. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
int confinement_check(const Runtime__V1__LinuxContainerSecurityContext *s, Error *error) {
        int r;

        r = confinement_check_userns(s->namespace_options, error);
        if (r >= 0)
                r = check_profile_type(s->seccomp, "seccomp", error);
        if (r >= 0)
                r = check_profile_type(s->apparmor, "apparmor", error);
        if (r >= 0 && !s->privileged)
                r = check_profile(s->seccomp, "a seccomp profile", error);
        if (r >= 0 && !s->privileged && !s->seccomp && !isempty(s->seccomp_profile_path) &&
            !streq(s->seccomp_profile_path, "unconfined"))
                r = confinement_refuse(error, "a seccomp profile");
        if (r >= 0 && !s->privileged)
                r = check_apparmor(s->apparmor, s->apparmor_profile, error);
        if (r >= 0)
                r = confinement_check_selinux(s->selinux_options, error);
        return r;
}

#pragma GCC diagnostic pop
