/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/path.h"

#include <limits.h>

#include "basic/str.h"

bool path_is_component(const char *name) {
        return !isempty(name) && !streq(name, ".") && !streq(name, "..") && !strchr(name, '/') &&
                        strlen(name) <= NAME_MAX;
}

/* Next component at *@p, which is advanced behind it; its length, 0 at the end. */
static size_t next_component(const char **p, const char **ret) {
        size_t n;

        *p += strspn(*p, "/");
        n = strcspn(*p, "/");
        *ret = *p;
        *p += n;
        return n;
}

bool path_is_safe(const char *path) {
        const char *component;
        size_t n;

        if (!path_is_absolute(path) || strlen(path) >= PATH_MAX)
                return false;
        while ((n = next_component(&path, &component)) > 0)
                if (n > NAME_MAX || (n == 2 && memcmp(component, "..", 2) == 0))
                        return false;
        return true;
}

bool path_is_below(const char *path, const char *parent) {
        const char *rest = startswith(path, parent);

        return rest && (*rest == '\0' || *rest == '/' || endswith(parent, "/"));
}

/* Where the last component of the text in [@start, @end) begins, slash included. */
static char *drop_component(char *start, char *end) {
        while (end > start && *--end != '/')
                ;
        return end;
}

static char *path_rewrite(const char *path, bool resolve_parents) {
        bool absolute = path_is_absolute(path);
        char *clean = malloc(strlen(path) + 2), *end = clean, *floor;
        const char *component;
        size_t n;

        if (!clean)
                return NULL;
        floor = clean;

        while ((n = next_component(&path, &component)) > 0) {
                bool up = n == 2 && memcmp(component, "..", 2) == 0;

                if (n == 1 && component[0] == '.')
                        continue;
                if (up && resolve_parents && (end > floor || absolute)) {
                        end = drop_component(floor, end);
                        continue;
                }
                if (end > clean || absolute)
                        *end++ = '/';
                end = mempcpy(end, component, n);
                if (up && resolve_parents)
                        floor = end; /* a relative path that climbs keeps its ".." */
        }

        if (end == clean)
                *end++ = absolute ? '/' : '.';
        *end = '\0';
        return clean;
}

char *path_simplify(const char *path) {
        return path_rewrite(path, false);
}

char *path_clean(const char *path) {
        return path_rewrite(path, true);
}

char *path_join(const char *a, const char *b) {
        b += strspn(b, "/");
        if (isempty(a))
                return strdup(b);
        return str_join(a, endswith(a, "/") ? "" : "/", b, NULL);
}

const char *path_basename(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}
