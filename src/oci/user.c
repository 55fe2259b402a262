/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/user.h"

#include <fcntl.h>
#include <stdio.h>

#include "basic/fd.h"
#include "basic/number.h"
#include "basic/path.h"
#include "basic/str.h"

#define LINE_FIELDS_MAX 8
#define NO_ID UINT32_MAX

void oci_user_done(OciUser *u) {
        free(u->groups);
        free(u->home);
        *u = (OciUser){};
}

/* Splits the next line at ':' in place; the number of fields, 0 at the end of the text. */
static size_t next_line(char **text, char **fields) {
        char *line = strsep(text, "\n");
        size_t n = 0;

        if (!line)
                return 0;
        while (line && n < LINE_FIELDS_MAX)
                fields[n++] = strsep(&line, ":");
        return n;
}

static int parse_id(const char *s, uint32_t *ret) {
        uint64_t n;
        int r = parse_u64(s, NO_ID - 1, &n);

        if (r >= 0)
                *ret = (uint32_t) n;
        return r;
}

int passwd_find(const char *text,
                const char *name,
                uint32_t uid,
                uint32_t *ret_uid,
                uint32_t *ret_gid,
                char **ret_name,
                char **ret_home) {
        _cleanup_free_ char *copy = strdup(text), *found = NULL, *home = NULL;
        char *fields[LINE_FIELDS_MAX], *p = copy;
        size_t n;

        if (!copy)
                return -ENOMEM;
        while ((n = next_line(&p, fields)) > 0) {
                uint32_t u, g;

                if (n < 4 || parse_id(fields[2], &u) < 0 || parse_id(fields[3], &g) < 0)
                        continue;
                if (name ? !streq(fields[0], name) : u != uid)
                        continue;
                found = strdup(fields[0]);
                home = n > 5 ? strdup(fields[5]) : NULL;
                if (!found || (n > 5 && !home))
                        return -ENOMEM;
                *ret_uid = u;
                *ret_gid = g;
                *ret_name = TAKE_PTR(found);
                *ret_home = TAKE_PTR(home);
                return 0;
        }
        return -ENOENT;
}

int group_find(const char *text, const char *name, uint32_t *ret_gid) {
        _cleanup_free_ char *copy = strdup(text);
        char *fields[LINE_FIELDS_MAX], *p = copy;
        size_t n;

        if (!copy)
                return -ENOMEM;
        while ((n = next_line(&p, fields)) > 0)
                if (n >= 3 && streq(fields[0], name) && parse_id(fields[2], ret_gid) >= 0)
                        return 0;
        return -ENOENT;
}

static int add_group(OciUser *u, uint32_t gid) {
        uint32_t *larger;

        for (size_t i = 0; i < u->n_groups; i++)
                if (u->groups[i] == gid)
                        return 0;
        if (u->n_groups == OCI_GROUPS_MAX)
                return -E2BIG;
        larger = reallocarray(u->groups, u->n_groups + 1, sizeof(*larger));
        if (!larger)
                return -ENOMEM;
        u->groups = larger;
        u->groups[u->n_groups++] = gid;
        return 0;
}

/* Groups whose member list names the user. */
static int add_member_groups(OciUser *u, const char *text, const char *name) {
        _cleanup_free_ char *copy = strdup(text);
        char *fields[LINE_FIELDS_MAX], *p = copy;
        size_t n;
        int r;

        if (!copy)
                return -ENOMEM;
        while ((n = next_line(&p, fields)) > 0) {
                _cleanup_strv_ char **members = NULL;
                uint32_t gid;

                if (n < 4 || parse_id(fields[2], &gid) < 0)
                        continue;
                r = strv_split(fields[3], ",", &members);
                if (r >= 0 && strv_contains(members, name))
                        r = add_group(u, gid);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The file from the topmost layer that has it; "" where none does, or where it is not a plain file. */
static int read_layers(char *const *layers, const char *path, char **ret) {
        STRV_FOREACH(layer, layers) {
                _cleanup_close_ int root = -EBADF, fd = -EBADF;
                _cleanup_free_ char *data = NULL;
                struct stat st;
                size_t size;
                int r;

                root = open_at(AT_FDCWD, *layer, O_PATH | O_DIRECTORY, 0);
                if (root < 0)
                        return root;
                fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
                if (fd == -ENOENT)
                        continue;
                if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                        break; /* a whiteout (a device), or something that is no list of users */
                r = read_file_fd(fd, OCI_USER_FILE_MAX, &data, &size);
                if (r == -E2BIG || (r >= 0 && strlen(data) != size))
                        break;
                if (r < 0)
                        return r;
                *ret = TAKE_PTR(data);
                return 0;
        }
        *ret = strdup("");
        return *ret ? 0 : -ENOMEM;
}

/* @by_number: the request gives an id. An image whose passwd has a user of that name must not bend it. */
static int
resolve_user(OciUser *u,
             const char *passwd,
             const char *user,
             bool by_number,
             char **ret_name,
             Error *error) {
        uint32_t uid = NO_ID;
        bool numeric = parse_id(user, &uid) >= 0;
        int r = -ENOENT;

        if (!by_number)
                r = passwd_find(passwd, user, NO_ID, &u->uid, &u->gid, ret_name, &u->home);
        if (r == -ENOENT && numeric)
                r = passwd_find(passwd, NULL, uid, &u->uid, &u->gid, ret_name, &u->home);
        if (r == -ENOENT && numeric) {
                u->uid = uid;
                u->gid = 0;
                return 0;
        }
        if (r == -ENOENT)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "user \"%.200s\" is not in /etc/passwd of the image",
                                user);
        return r;
}

static int resolve_group(OciUser *u, const char *groups, const char *group, bool by_number, Error *error) {
        int r;

        r = by_number ? -ENOENT : group_find(groups, group, &u->gid);
        if (r == -ENOENT)
                r = parse_id(group, &u->gid);
        if (r == -EINVAL || r == -ERANGE)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "group \"%.200s\" is not in /etc/group of the image",
                                group);
        return r;
}

/* "user" and "group" of the request, else of the image. */
static int
choose(const ContainerConfig *config,
       const char *image_user,
       char **ret_user,
       char **ret_group,
       Error *error) {
        bool asked = config->run_as_user != UNSET || !isempty(config->run_as_username);
        const char *colon = strchr(image_user, ':');
        int n = 0;

        if (config->run_as_group != UNSET && !asked)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "user group is specified without user or username");
        if (config->run_as_user != UNSET && !isempty(config->run_as_username))
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "both run_as_user and run_as_username are specified");

        if (!isempty(config->run_as_username))
                *ret_user = strdup(config->run_as_username);
        else if (asked)
                n = asprintf(ret_user, "%lld", (long long) config->run_as_user);
        else
                *ret_user = colon ? strndup(image_user, (size_t) (colon - image_user)) : strdup(image_user);
        if (config->run_as_group != UNSET)
                n = MIN(n, asprintf(ret_group, "%lld", (long long) config->run_as_group));
        else
                *ret_group = strdup(colon && !asked ? colon + 1 : "");
        return n < 0 || !*ret_user || !*ret_group ? -ENOMEM : 0;
}

static int
resolve_groups(OciUser *u,
               const ContainerConfig *config,
               const char *groups,
               const char *name,
               Error *error) {
        int r;

        r = add_group(u, u->gid);
        if (r >= 0 && config->supplemental_groups_policy == 0 && name)
                r = add_member_groups(u, groups, name);
        for (size_t i = 0; i < config->n_supplemental_groups && r >= 0; i++) {
                int64_t gid = config->supplemental_groups[i];

                if (gid < 0 || gid >= NO_ID)
                        return error_set(
                                        error,
                                        -EINVAL,
                                        STATUS_INVALID_ARGUMENT,
                                        "supplemental_groups: %lld is out of range",
                                        (long long) gid);
                r = add_group(u, (uint32_t) gid);
        }
        if (r == -E2BIG)
                return error_set(
                                error,
                                r,
                                STATUS_INVALID_ARGUMENT,
                                "supplemental_groups: more than %d groups",
                                OCI_GROUPS_MAX);
        return r;
}

int oci_user_resolve(
                const ContainerConfig *config,
                const char *image_user,
                char *const *layers,
                OciUser *ret,
                Error *error) {
        _cleanup_free_ char *user = NULL, *group = NULL, *passwd = NULL, *groups = NULL, *name = NULL;
        _cleanup_(oci_user_done) OciUser u = {};
        int r;

        if (config->supplemental_groups_policy != 0 && config->supplemental_groups_policy != 1)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "unknown supplemental_groups_policy %d",
                                config->supplemental_groups_policy);
        r = choose(config, strempty(image_user), &user, &group, error);
        if (r >= 0)
                r = read_layers(layers, "etc/passwd", &passwd);
        if (r >= 0)
                r = read_layers(layers, "etc/group", &groups);
        if (r >= 0)
                r =
                                resolve_user(&u,
                                             passwd,
                                             isempty(user) ? "0" : user,
                                             config->run_as_user != UNSET,
                                             &name,
                                             error);
        if (r >= 0 && !isempty(group))
                r = resolve_group(&u, groups, group, config->run_as_group != UNSET, error);
        if (r >= 0)
                r = resolve_groups(&u, config, groups, name, error);
        if (r < 0)
                return r;

        *ret = u;
        u = (OciUser){};
        return 0;
}
