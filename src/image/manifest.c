/* SPDX-License-Identifier: Apache-2.0 */
#include "image/manifest.h"

#include <sys/utsname.h>

#include "basic/str.h"
#include "format/json-field.h"

#define DOCKER "application/vnd.docker."
#define OCI "application/vnd.oci.image."

/* What a descriptor says, as text. */
typedef struct DescriptorText {
        char *mediaType, *digest;
        int64_t size;
        char **urls;
} DescriptorText;

typedef struct PlatformText {
        char *architecture, *os, *variant;
} PlatformText;

typedef struct IndexEntry {
        DescriptorText descriptor; /* first: the rows below serve both */
        PlatformText platform;
        char **annotations; /* pairs */
} IndexEntry;

typedef struct Document {
        int64_t schemaVersion;
        char *mediaType, *artifactType;
        DescriptorText config;
        DescriptorText *layers;
        size_t n_layers;
        IndexEntry *manifests;
        size_t n_manifests;
} Document;

typedef struct ConfigText {
        char *created;
        struct {
                char *type;
                char **diff_ids;
        } rootfs;
} ConfigText;

#define ROW(type_, struct_, field_)                                                                         \
        .name = #field_, .type = JSON_FIELD_##type_, .offset = offsetof(struct_, field_)

static const JsonField descriptor_fields[] = {
        { ROW(STRING, DescriptorText, mediaType) },
        { ROW(STRING, DescriptorText, digest), .required = true },
        { ROW(INT64, DescriptorText, size), .required = true },
        { ROW(STRINGS, DescriptorText, urls) },
        {},
};

static const JsonField platform_fields[] = {
        { ROW(STRING, PlatformText, architecture) },
        { ROW(STRING, PlatformText, os) },
        { ROW(STRING, PlatformText, variant) },
        {},
};

static const JsonField entry_fields[] = {
        { ROW(STRING, DescriptorText, mediaType) },
        { ROW(STRING, DescriptorText, digest), .required = true },
        { ROW(INT64, DescriptorText, size), .required = true },
        { ROW(STRUCT, IndexEntry, platform), .fields = platform_fields },
        { ROW(PAIRS, IndexEntry, annotations) },
        {},
};

static const JsonField document_fields[] = {
        { ROW(INT64, Document, schemaVersion), .required = true },
        { ROW(STRING, Document, mediaType) },
        { ROW(STRING, Document, artifactType) },
        { ROW(STRUCT, Document, config), .fields = descriptor_fields },
        { ROW(ARRAY, Document, layers),
          .fields = descriptor_fields,
          .size = sizeof(DescriptorText),
          .n_offset = offsetof(Document, n_layers) },
        { ROW(ARRAY, Document, manifests),
          .fields = entry_fields,
          .size = sizeof(IndexEntry),
          .n_offset = offsetof(Document, n_manifests) },
        {},
};

static const JsonField rootfs_fields[] = {
        { .name = "type", .type = JSON_FIELD_STRING, .offset = 0 },
        { .name = "diff_ids", .type = JSON_FIELD_STRINGS, .offset = sizeof(char *) },
        {},
};

static const JsonField config_fields[] = {
        { ROW(STRING, ConfigText, created) },
        { ROW(STRUCT, ConfigText, rootfs), .fields = rootfs_fields, .required = true },
        {},
};

void manifest_done(Manifest *m) {
        free(m->layers);
        *m = (Manifest){ 0 };
}

static void document_done(Document *d) {
        json_field_done(document_fields, d);
}

/* Keys of two kinds in one document are read differently by different readers. */
static int check_kind(json_t *json, Error *error) {
        bool index = json_object_get(json, "manifests");

        if (index && (json_object_get(json, "config") || json_object_get(json, "layers")))
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "manifest: both an image and an index");
        if (json_object_get(json, "fsLayers") || json_object_get(json, "history"))
                return error_set(
                                error,
                                -EOPNOTSUPP,
                                STATUS_UNKNOWN,
                                "manifest: schema 1 is not supported, push the image again");
        if (!index && !json_object_get(json, "config"))
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "manifest: neither an image nor an index");
        return index;
}

/* What a document says of itself has to fit what it is; without a word the keys decide, but the list of
 * Docker, which always says it. */
static int check_media_type(const char *media, bool index, Error *error) {
        static const char *const known[2][2] = {
                { OCI "manifest.v1+json", DOCKER "distribution.manifest.v2+json" },
                { OCI "index.v1+json", DOCKER "distribution.manifest.list.v2+json" },
        };

        if (isempty(media) || streq(media, known[index][0]) || streq(media, known[index][1]))
                return 0;
        return error_set(
                        error,
                        -EOPNOTSUPP,
                        STATUS_UNKNOWN,
                        "manifest: its media type %.100s is not that of an %s",
                        media,
                        index ? "index" : "image");
}

/* @ret: document_done(), also on failure. The kind as manifest_is_index() tells it. */
static int document_parse(const char *text, size_t size, Document *ret, Error *error) {
        _cleanup_json_ json_t *json = NULL;
        int kind, r;

        r = json_parse_foreign("manifest", text, size, &json, error);
        if (r < 0)
                return error_prefix(error, r, "registry");
        kind = check_kind(json, error);
        if (kind < 0)
                return kind;
        r = json_field_load_foreign(document_fields, json, ret, error);
        if (r < 0)
                return error_prefix(error, r, "manifest");
        if (ret->schemaVersion != 2)
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "manifest: schemaVersion is not 2");
        r = check_media_type(ret->mediaType, kind, error);
        return r < 0 ? r : kind;
}

int manifest_is_index(const char *text, size_t size, Error *error) {
        _cleanup_(document_done) Document d = { 0 };

        return document_parse(text, size, &d, error);
}

static int descriptor_read(const DescriptorText *from, const char *what, Descriptor *ret, Error *error) {
        if (digest_parse(from->digest, &ret->digest) < 0)
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "manifest: %s has the digest %.80s, which is not sha256",
                                what,
                                from->digest);
        if (from->size < 0)
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "manifest: %s has a negative size", what);
        ret->size = (uint64_t) from->size;
        return 0;
}

static int check_layer(const DescriptorText *layer, Error *error) {
        const char *media = strempty(layer->mediaType);

        if (endswith(media, "+encrypted"))
                return error_set(
                                error,
                                -EOPNOTSUPP,
                                STATUS_UNKNOWN,
                                "layer %s is encrypted, which is not supported",
                                layer->digest);
        if (strstr(media, ".foreign.") || strstr(media, ".nondistributable.") ||
            strv_length(layer->urls) > 0)
                return error_set(
                                error,
                                -EOPNOTSUPP,
                                STATUS_UNKNOWN,
                                "layer %s is kept outside of the registry, which is not supported",
                                layer->digest);
        /* How it is compressed its first bytes tell, but a tar it has to be. */
        if (!isempty(media) && !startswith(media, OCI "layer.v1.tar") &&
            !startswith(media, DOCKER "image.rootfs.diff.tar"))
                return error_set(
                                error,
                                -EOPNOTSUPP,
                                STATUS_UNKNOWN,
                                "layer %s is of the type %.100s, which is not supported",
                                layer->digest,
                                media);
        return 0;
}

/* Images only: other artifacts have no root file system. */
static int check_config(const Document *d, Error *error) {
        const char *media = strempty(d->config.mediaType);

        if (isempty(d->artifactType) &&
            (isempty(media) || streq(media, OCI "config.v1+json") ||
             streq(media, DOCKER "container.image.v1+json")))
                return 0;
        return error_set(
                        error,
                        -EOPNOTSUPP,
                        STATUS_UNKNOWN,
                        "manifest: an artifact of the type %.100s is not an image",
                        isempty(d->artifactType) ? media : d->artifactType);
}

int manifest_parse(const char *text, size_t size, Manifest *ret, Error *error) {
        _cleanup_(document_done) Document d = { 0 };
        _cleanup_(manifest_done) Manifest m = { 0 };
        int r;

        r = document_parse(text, size, &d, error);
        if (r > 0)
                return error_set(error, -EBADMSG, STATUS_UNKNOWN, "manifest: an index inside of an index");
        if (r >= 0)
                r = check_config(&d, error);
        if (r >= 0 && d.n_layers > MANIFEST_LAYERS_MAX)
                r = error_set(error,
                              -E2BIG,
                              STATUS_UNKNOWN,
                              "manifest: %zu layers, more than %d",
                              d.n_layers,
                              MANIFEST_LAYERS_MAX);
        if (r >= 0)
                r = descriptor_read(&d.config, "config", &m.config, error);
        if (r < 0)
                return r;
        m.layers = new0(Descriptor, d.n_layers + 1);
        if (!m.layers)
                return -ENOMEM;
        for (; m.n_layers < d.n_layers; m.n_layers++) {
                r = check_layer(d.layers + m.n_layers, error);
                if (r >= 0)
                        r = descriptor_read(d.layers + m.n_layers, "a layer", m.layers + m.n_layers, error);
                if (r < 0)
                        return r;
        }
        *ret = m;
        m = (Manifest){ 0 };
        return 0;
}

/* Variants that this one can run, best first; the others of its architecture cannot be run. */
static const char *const variants[] = { "v8", "v7", "v6", "v5" };

enum {
        RANK_ANY_VARIANT = 1,
        RANK_NO_VARIANT = ELEMENTSOF(variants) + 1,
        RANK_NO_PLATFORM,
};

/* Smaller is better; negative: it does not run here. */
static int rank(const PlatformText *p, const char *architecture, const char *variant) {
        if (isempty(p->architecture) && isempty(p->os))
                return RANK_NO_PLATFORM;
        if (!streq(strempty(p->architecture), architecture) || !streq(strempty(p->os), "linux"))
                return -1;
        if (isempty(p->variant))
                return isempty(variant) ? 0 : RANK_NO_VARIANT;
        if (isempty(variant))
                return RANK_ANY_VARIANT;
        for (size_t i = 0, own = SIZE_MAX; i < ELEMENTSOF(variants); i++) {
                if (streq(variants[i], variant))
                        own = i;
                if (streq(variants[i], p->variant))
                        return own <= i ? (int) i : -1;
        }
        return -1;
}

/* The rank of an entry, doubled; zstd comes before what is otherwise the same. */
static int rank_entry(const IndexEntry *e, const char *architecture, const char *variant) {
        const char *zstd = pairs_get(e->annotations, "io.github.containers.compression.zstd");
        int r = rank(&e->platform, architecture, variant);

        return r < 0 ? r : 2 * r + (streq_null(zstd, "true") ? 0 : 1);
}

int index_choose(
                const char *text,
                size_t size,
                const char *architecture,
                const char *variant,
                Descriptor *ret,
                Error *error) {
        _cleanup_(document_done) Document d = { 0 };
        const IndexEntry *best = NULL;
        int best_rank = 0, r;

        r = document_parse(text, size, &d, error);
        if (r < 0)
                return r;
        if (d.n_manifests > INDEX_ENTRIES_MAX)
                return error_set(
                                error,
                                -E2BIG,
                                STATUS_UNKNOWN,
                                "index: more than %d entries",
                                INDEX_ENTRIES_MAX);
        for (size_t i = 0; i < d.n_manifests; i++) {
                r = rank_entry(d.manifests + i, architecture, variant);
                if (r >= 0 && (!best || r < best_rank)) {
                        best = d.manifests + i;
                        best_rank = r;
                }
        }
        if (!best)
                return error_set(
                                error,
                                -ENOENT,
                                STATUS_UNKNOWN,
                                "index: no image for linux/%s%s%s",
                                architecture,
                                isempty(variant) ? "" : "/",
                                strempty(variant));
        return descriptor_read(&best->descriptor, "an image", ret, error);
}

const char *manifest_own_architecture(const char **ret_variant) {
        static const struct {
                const char *machine, *architecture, *variant;
        } names[] = {
                { "x86_64", "amd64", NULL },
                { "aarch64", "arm64", "v8" },
                { "armv7l", "arm", "v7" },
                { "armv6l", "arm", "v6" },
                { "i686", "386", NULL },
                { "ppc64le", "ppc64le", NULL },
                { "s390x", "s390x", NULL },
                { "riscv64", "riscv64", NULL },
                { "loongarch64", "loong64", NULL },
        };
        struct utsname name;

        *ret_variant = NULL;
        if (uname(&name) < 0)
                return "unknown";
        FOREACH_ELEMENT(n, names)
                if (streq(n->machine, name.machine)) {
                        *ret_variant = n->variant;
                        return n->architecture;
                }
        return "unknown";
}

int config_parse_diff_ids(
                const char *text,
                size_t size,
                size_t n,
                Digest *ret,
                char **ret_created,
                Error *error) {
        _cleanup_json_ json_t *json = NULL;
        ConfigText c = { 0 };
        int r;

        r = json_parse_foreign("image config", text, size, &json, error);
        if (r >= 0)
                r = json_field_load_foreign(config_fields, json, &c, error);
        if (r < 0)
                r = error_prefix(error, r, "image config");
        if (r >= 0 && strv_length(c.rootfs.diff_ids) != n)
                r = error_set(error,
                              -EBADMSG,
                              STATUS_UNKNOWN,
                              "image config: %zu diff_ids for %zu layers",
                              strv_length(c.rootfs.diff_ids),
                              n);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (digest_parse(c.rootfs.diff_ids[i], ret + i) < 0)
                        r = error_set(error,
                                      -EBADMSG,
                                      STATUS_UNKNOWN,
                                      "image config: a diff_id is not a sha256 digest");
        if (r >= 0)
                *ret_created = TAKE_PTR(c.created);
        json_field_done(config_fields, &c);
        return r;
}
