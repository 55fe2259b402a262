/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What becomes of a configuration after it was read: which of its keys do nothing, and which can be changed
 * while the daemon runs.
 */

#include "basic/buffer.h"
#include "basic/log.h"
#include "basic/str.h"
#include "config/config.h"
#include "config/schema.h"

#define TEXT_MAX (64 * KIB)

/* Tables with keys of their own, and what else CRI-O has. */
static bool is_known(const char *name) {
        static const char *const tables[] = { "crio.runtime.runtimes.",
                                              "crio.runtime.workloads.",
                                              "crio.nri.default_validator.",
                                              "--" };
        const char *dot = strrchr(name, '.');
        _cleanup_free_ char *table = dot ? strndup(name, (size_t) (dot - name)) : NULL;

        FOREACH_ELEMENT(t, tables)
                if (startswith(name, *t))
                        return true;
        return table && config_find_key(table, dot + 1);
}

int config_format_ignored(const Config *c, bool known, char **ret) {
        _cleanup_buffer_ Buffer b = BUFFER_INIT(TEXT_MAX);

        STRV_FOREACH(name, c->without_effect)
                if (is_known(*name) == known)
                        (void) buffer_addf(
                                        &b,
                                        "%s%s",
                                        b.size > 0 ? ", " : "",
                                        *name); /* stays in the buffer */
        if (b.error == -E2BIG)
                b.error = 0; /* who reads so many? */
        return buffer_take(&b, ret);
}

static void swap_text(const char *key, char **a, char **b) {
        char *old = *a;

        if (streq(strempty(*a), strempty(*b)))
                return;
        log_info("Set config %s to \"%s\"", key, strempty(*b));
        *a = *b;
        *b = old;
}

static int swap_list(const char *key, char ***a, char ***b) {
        _cleanup_free_ char *text = strv_join(*b, ", ");
        char **old = *a;

        if (!text)
                return -ENOMEM;
        if (strv_equal(*a, *b))
                return 0;
        log_info("Set config %s to \"%s\"", key, text);
        *a = *b;
        *b = old;
        return 0;
}

static bool runtime_is_equal(const ConfigRuntime *a, const ConfigRuntime *b) {
        return streq(a->name, b->name) && streq(strempty(a->runtime_path), strempty(b->runtime_path)) &&
                        streq(strempty(a->runtime_root), strempty(b->runtime_root)) &&
                        strv_equal(a->allowed_annotations, b->allowed_annotations);
}

static void swap_runtimes(Config *c, Config *fresh) {
        ConfigRuntime *old = c->runtimes;
        size_t n = c->n_runtimes;
        bool equal = n == fresh->n_runtimes;

        for (size_t i = 0; i < n && equal; i++)
                equal = runtime_is_equal(c->runtimes + i, fresh->runtimes + i);
        if (equal)
                return;
        log_info("Set config runtimes to \"%zu handlers\"", fresh->n_runtimes);
        c->runtimes = fresh->runtimes;
        c->n_runtimes = fresh->n_runtimes;
        fresh->runtimes = old;
        fresh->n_runtimes = n;
}

int config_take_reloadable(Config *c, Config *fresh) {
        swap_text("log_level", &c->log_level, &fresh->log_level);
        swap_text("default_runtime", &c->default_runtime, &fresh->default_runtime);
        swap_runtimes(c, fresh);
        return swap_list("pinned_images", &c->pinned_images, &fresh->pinned_images);
}
