/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/environment.h"

#include "basic/hashmap.h"
#include "basic/str.h"
#include "oci/spec.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct Environment {
        char **names; /* of the variables in the same place */
        char **variables;
        size_t n, allocated;
        Hashmap *places; /* k: name, v: its place in variables */
} Environment;

static void environment_done(Environment *e) {
        hashmap_free(e->places);
        strv_free(e->names);
        strv_free(e->variables);
}

static int environment_set(Environment *e, const char *variable) {
        _cleanup_free_ char *name = strndup(variable, strcspn(variable, "="));
        char **place;

        if (!name)
                return -ENOMEM;
        place = hashmap_get(e->places, name);
        if (place)
                return str_replace(place, variable);

        assert(e->n < e->allocated);
        e->variables[e->n] = strdup(variable);
        if (!e->variables[e->n])
                return -ENOMEM;
        e->names[e->n] = TAKE_PTR(name);
        e->n++;
        return hashmap_put(e->places, e->names[e->n - 1], e->variables + e->n - 1);
}

static int environment_set_pair(Environment *e, const char *name, const char *value) {
        _cleanup_free_ char *variable = NULL;

        if (isempty(value))
                return 0;
        variable = str_join(name, "=", value, NULL);
        return variable ? environment_set(e, variable) : -ENOMEM;
}

int oci_environment_new(const OciSpecInput *in, char ***ret) {
        _cleanup_(environment_done) Environment e = { 0 };
        char *const *lists[] = { in->default_env, in->image_env, in->container->envs };
        int r;

        e.allocated = 4; /* those below */
        FOREACH_ELEMENT(l, lists)
                e.allocated += strv_length(*l);
        e.names = new0(char *, e.allocated + 1);
        e.variables = new0(char *, e.allocated + 1);
        if (!e.names || !e.variables)
                return -ENOMEM;

        r = hashmap_new(&e.places);
        if (r >= 0)
                r = environment_set(&e, DEFAULT_PATH);
        if (r >= 0)
                r = environment_set(&e, "TERM=xterm");
        if (r >= 0)
                r = environment_set_pair(&e, "HOSTNAME", in->hostname ?: in->pod->hostname);
        if (r >= 0)
                r = environment_set_pair(&e, "HOME", in->user->home);
        FOREACH_ELEMENT(l, lists)
                STRV_FOREACH(s, *l)
                        if (r >= 0)
                                r = environment_set(&e, *s);
        if (r >= 0)
                *ret = TAKE_PTR(e.variables);
        return r;
}
