/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a registry says: challenges, manifests, indexes, configs, compressed streams.
 */

#include <zlib.h>
#include <zstd.h>

#include "basic/buffer.h"
#include "basic/str.h"
#include "basic/test.h"
#include "image/challenge.h"
#include "image/decompress.h"
#include "image/manifest.h"

#define OUT_MAX (16 * MIB)
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define D0 "sha256:" HEX "0"
#define D1 "sha256:" HEX "1"
#define D2 "sha256:" HEX "2"

static void test_challenge(void) {
        static const struct {
                const char *header;
                int r;
                const char *bearer; /* realm|service|scope, NULL: none */
                bool basic;
        } cases[] = {
                { "Bearer realm=\"https://a/token\",service=\"s\",scope=\"x y\"",
                  0,
                  "https://a/token|s|x y",
                  false },
                { "bEARER Realm=https://a, SERVICE=s", 0, "https://a|s|", false },
                { "Basic realm=\"r\"", 0, NULL, true },
                { "Basic", 0, NULL, true },
                { "Basic realm=\"r\", Bearer realm=\"http://a\"", 0, "http://a||", true },
                { "Bearer realm=\"http://a\", Basic realm=\"r\"", 0, "http://a||", true },
                { "Negotiate, Basic realm=x", 0, NULL, true },
                { "Bearer realm=\"https://a/\\\"b\\\\\"", 0, "https://a/\"b\\||", false },
                { "Bearer  ,, realm=\"https://a\" ,", 0, "https://a||", false },
                { "Bearer realm=\"https://a\",realm=\"https://b\"", 0, "https://a||", false },
                { "", 0, NULL, false },
                { "Digest realm=\"x\", nonce=\"y\"", 0, NULL, false },
                /* nowhere to get a token from */
                { "Bearer", -EINVAL, NULL, false },
                { "Bearer service=\"s\"", -EINVAL, NULL, false },
                { "Bearer realm=\"\"", -EINVAL, NULL, false },
                { "Bearer realm=\"file:///etc/passwd\"", -EINVAL, NULL, false },
                { "Bearer realm=\"gopher://a\"", -EINVAL, NULL, false },
                /* no header at all */
                { "Bearer realm=\"https://a", -EINVAL, NULL, false },
                { "Bearer realm=", -EINVAL, NULL, false },
                { "Bearer realm=\"a\x01\"", -EINVAL, NULL, false },
                { "\"", -EINVAL, NULL, false },
                { "=x", -EINVAL, NULL, false },
                { "Bearer realm=\"\\", -EINVAL, NULL, false },
        };

        FOREACH_ELEMENT(row, cases) {
                _cleanup_(challenge_done) Challenge c = {};
                _cleanup_free_ char *bearer = NULL;

                ASSERT_EQ(challenge_parse(row->header, &c), row->r);
                if (row->r < 0)
                        continue;
                ASSERT_EQ(c.basic, row->basic);
                ASSERT_EQ(c.bearer, row->bearer != NULL);
                if (!c.bearer)
                        continue;
                bearer = str_join(c.realm, "|", strempty(c.service), "|", strempty(c.scope), NULL);
                ASSERT_STREQ(bearer, row->bearer);
        }
}

static void test_challenge_limits(void) {
        _cleanup_free_ char *header = malloc(2 * CHALLENGE_VALUE_MAX);
        _cleanup_(challenge_done) Challenge c = {};

        ASSERT_TRUE(header);
        memset(header, 'x', 2 * CHALLENGE_VALUE_MAX);
        memcpy(header, "Bearer realm=\"https://", 22);
        header[2 * CHALLENGE_VALUE_MAX - 2] = '"';
        header[2 * CHALLENGE_VALUE_MAX - 1] = '\0';
        ASSERT_EQ(challenge_parse(header, &c), -EINVAL);
}

/* JSON with ' in place of ". */
static char *quoted(const char *text) {
        char *s = strdup(text);

        ASSERT_TRUE(s);
        for (char *p = s; *p; p++)
                *p = *p == '\'' ? '"' : *p;
        return s;
}

#define OCI "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."
#define LAYER(digest) "{'mediaType':'" OCI "layer.v1.tar+gzip','digest':'" digest "','size':5}"
#define CONFIG "'config':{'mediaType':'" OCI "config.v1+json','digest':'" D0 "','size':7}"

static const struct {
        const char *text;
        const char *found; /* digests of config and layers by their last digit */
        int r;
        const char *message;
} manifests[] = {
        { "{'schemaVersion':2,'mediaType':'" OCI "manifest.v1+json'," CONFIG
          ",'layers':[" LAYER(D1) "," LAYER(D2) "]}",
          "0 1 2",
          0,
          NULL },
        { "{'schemaVersion':2," CONFIG ",'layers':[" LAYER(D1) "]}", "0 1", 0, NULL },
        { "{'schemaVersion':2," CONFIG ",'layers':[]}", "0", 0, NULL },
        { "{'schemaVersion':2," CONFIG "}", "0", 0, NULL },
        { "{'schemaVersion':2,'mediaType':'" DOCKER "distribution.manifest.v2+json',"
          "'config':{'mediaType':'" DOCKER "container.image.v1+json','digest':'" D0 "','size':1},"
          "'layers':[{'mediaType':'" DOCKER "image.rootfs.diff.tar.gzip','digest':'" D1
          "','size':1}],'unknown':{}}",
          "0 1",
          0,
          NULL },
        { "", NULL, -EBADMSG, "not valid JSON" },
        { "[]", NULL, -EBADMSG, "expected an object" },
        { "{}", NULL, -EBADMSG, "neither an image nor an index" },
        { "{'schemaVersion':1,'fsLayers':[],'history':[]}", NULL, -EOPNOTSUPP, "schema 1" },
        { "{'schemaVersion':1," CONFIG "}", NULL, -EBADMSG, "schemaVersion is not 2" },
        { "{'schemaVersion':'2'," CONFIG "}", NULL, -EBADMSG, "/schemaVersion: expected an integer" },
        { "{" CONFIG "}", NULL, -EBADMSG, "/schemaVersion: missing" },
        { "{'schemaVersion':2," CONFIG ",'manifests':[]}", NULL, -EBADMSG, "both an image and an index" },
        { "{'schemaVersion':2,'manifests':[]}", NULL, -EBADMSG, "an index inside of an index" },
        { "{'schemaVersion':2,'mediaType':'" OCI "index.v1+json'," CONFIG "}",
          NULL,
          -EOPNOTSUPP,
          "is not that of an image" },
        { "{'schemaVersion':2,'config':{'digest':'sha256:x','size':1}}",
          NULL,
          -EBADMSG,
          "which is not sha256" },
        { "{'schemaVersion':2,'config':{'digest':'" D0 "','size':-1}}", NULL, -EBADMSG, "negative size" },
        { "{'schemaVersion':2,'config':{'digest':'" D0 "'}}", NULL, -EBADMSG, "/config: /size: missing" },
        { "{'schemaVersion':2," CONFIG ",'layers':[" LAYER(D1) ",{'digest':'" D2 "','size':'5'}]}",
          NULL,
          -EBADMSG,
          "/layers: /1: /size: expected an integer" },
        { "{'schemaVersion':2," CONFIG ",'layers':[{'digest':'../../x','size':5}]}",
          NULL,
          -EBADMSG,
          "which is not sha256" },
        { "{'schemaVersion':2," CONFIG ",'layers':[{'digest':'" D1 "','size':5,'urls':['http://x']}]}",
          NULL,
          -EOPNOTSUPP,
          "outside of the registry" },
        { "{'schemaVersion':2," CONFIG ",'layers':[{'mediaType':'" DOCKER
          "image.rootfs.foreign.diff.tar.gzip','digest':'" D1 "','size':5}]}",
          NULL,
          -EOPNOTSUPP,
          "outside of the registry" },
        { "{'schemaVersion':2," CONFIG ",'layers':[{'mediaType':'" OCI
          "layer.v1.tar+gzip+encrypted','digest':'" D1 "','size':5}]}",
          NULL,
          -EOPNOTSUPP,
          "encrypted" },
        { "{'schemaVersion':2," CONFIG ",'layers':[{'mediaType':'text/plain','digest':'" D1 "','size':5}]}",
          NULL,
          -EOPNOTSUPP,
          "of the type text/plain" },
        { "{'schemaVersion':2,'artifactType':'a/b'," CONFIG "}",
          NULL,
          -EOPNOTSUPP,
          "an artifact of the type a/b" },
        { "{'schemaVersion':2,'config':{'mediaType':'a/b','digest':'" D0 "','size':1}}",
          NULL,
          -EOPNOTSUPP,
          "an artifact of the type a/b" },
        { "{'schemaVersion':2,'schemaVersion':2," CONFIG "}",
          NULL,
          -EBADMSG,
          "not valid JSON" }, /* read differently by others */
};

static void test_manifest(void) {
        FOREACH_ELEMENT(row, manifests) {
                _cleanup_free_ char *text = quoted(row->text);
                _cleanup_(manifest_done) Manifest m = {};
                _cleanup_(error_done) Error error = {};
                _cleanup_buffer_ Buffer found = BUFFER_INIT(OUT_MAX);
                int r = manifest_parse(text, strlen(text), &m, &error);

                ASSERT_EQ(r, row->r);
                if (row->message) {
                        if (!strstr(error_get_text(&error, r), row->message))
                                test_fail(__FILE__, __LINE__, "%s", error_get_text(&error, r));
                        continue;
                }
                (void) buffer_addc(&found, m.config.digest.text[DIGEST_TEXT_SIZE - 1]);
                for (size_t i = 0; i < m.n_layers; i++)
                        (void) buffer_addf(&found, " %c", m.layers[i].digest.text[DIGEST_TEXT_SIZE - 1]);
                ASSERT_STREQ(found.data, row->found);
                ASSERT_EQ(manifest_is_index(text, strlen(text), NULL), 0);
        }
}

static void test_many_layers(void) {
        for (size_t n = MANIFEST_LAYERS_MAX; n <= MANIFEST_LAYERS_MAX + 1; n++) {
                _cleanup_buffer_ Buffer b = BUFFER_INIT(OUT_MAX);
                _cleanup_(manifest_done) Manifest m = {};
                _cleanup_free_ char *text = NULL;

                (void) buffer_adds(&b, "{'schemaVersion':2," CONFIG ",'layers':[");
                for (size_t i = 0; i < n; i++)
                        (void) buffer_addf(&b, "%s%s", i > 0 ? "," : "", LAYER(D1));
                (void) buffer_adds(&b, "]}");
                text = quoted(b.data);
                ASSERT_EQ(manifest_parse(text, strlen(text), &m, NULL),
                          n > MANIFEST_LAYERS_MAX ? -E2BIG : 0);
        }
}

#define PLATFORM(arch, variant) ",'platform':{'os':'linux','architecture':'" arch "'" variant "}"
#define ENTRY(digit, rest)                                                                                  \
        "{'mediaType':'" OCI "manifest.v1+json','digest':'sha256:" HEX digit "','size':5" rest "}"
#define VARIANT(v) ",'variant':'" v "'"

static const struct {
        const char *entries, *architecture, *variant;
        char found; /* last digit of the digest; 0: none */
} indexes[] = {
        { ENTRY("1", PLATFORM("amd64", "")) "," ENTRY("2", PLATFORM("arm64", "")), "arm64", NULL, '2' },
        { ENTRY("1", PLATFORM("amd64", "")) "," ENTRY("2", PLATFORM("amd64", "")),
          "amd64",
          NULL,
          '1' }, /* the first */
        { ENTRY("1", PLATFORM("amd64", "")), "s390x", NULL, 0 },
        { "", "amd64", NULL, 0 },
        { ENTRY("1", ",'platform':{'os':'windows','architecture':'amd64'}"), "amd64", NULL, 0 },
        { ENTRY("1", ",'platform':{'os':'unknown','architecture':'unknown'}") "," ENTRY(
                          "2",
                          PLATFORM("amd64", "")),
          "amd64",
          NULL,
          '2' },
        { ENTRY("1", ""), "amd64", NULL, '1' }, /* says nothing: only when there is no other */
        { ENTRY("1", "") "," ENTRY("2", PLATFORM("amd64", "")), "amd64", NULL, '2' },
        /* variants: the best that runs here */
        { ENTRY("1", PLATFORM("arm", VARIANT("v6"))) "," ENTRY("2", PLATFORM("arm", VARIANT("v7"))),
          "arm",
          "v7",
          '2' },
        { ENTRY("1", PLATFORM("arm", VARIANT("v6"))) "," ENTRY("2", PLATFORM("arm", VARIANT("v7"))),
          "arm",
          "v6",
          '1' },
        { ENTRY("1", PLATFORM("arm", VARIANT("v8"))), "arm", "v7", 0 },
        { ENTRY("1", PLATFORM("arm", VARIANT("v5"))), "arm", "v7", '1' },
        { ENTRY("1", PLATFORM("arm64", "")) "," ENTRY("2", PLATFORM("arm64", VARIANT("v8"))),
          "arm64",
          "v8",
          '2' },
        { ENTRY("1", PLATFORM("arm64", "")), "arm64", "v8", '1' },
        /* zstd before gzip, where everything else is the same */
        { ENTRY("1", PLATFORM("amd64", "")) "," ENTRY(
                          "2",
                          PLATFORM("amd64",
                                   "") ",'annotations':{'io.github.containers.compression.zstd':'true'}"),
          "amd64",
          NULL,
          '2' },
};

static void test_index(void) {
        FOREACH_ELEMENT(row, indexes) {
                _cleanup_free_ char *document =
                                                    str_join("{'schemaVersion':2,'manifests':[",
                                                             row->entries,
                                                             "]}",
                                                             NULL),
                                    *text = quoted(document);
                _cleanup_(error_done) Error error = {};
                Descriptor found = {};
                int r = index_choose(text, strlen(text), row->architecture, row->variant, &found, &error);

                ASSERT_EQ(manifest_is_index(text, strlen(text), NULL), 1);
                ASSERT_EQ(r, row->found ? 0 : -ENOENT);
                if (row->found)
                        ASSERT_EQ(found.digest.text[DIGEST_TEXT_SIZE - 1], row->found);
                else
                        ASSERT_TRUE(startswith(error_get_text(&error, r), "index: no image for linux/"));
        }
}

static void test_config(void) {
        static const struct {
                const char *text;
                size_t n;
                int r;
        } configs[] = {
                { "{'rootfs':{'type':'layers','diff_ids':['" D1 "','" D2 "']},'created':'now'}", 2, 0 },
                { "{'rootfs':{'diff_ids':[]}}", 0, 0 },
                { "{'rootfs':{'diff_ids':['" D1 "']}}", 2, -EBADMSG },
                { "{'rootfs':{'diff_ids':['" D1 "']}}", 0, -EBADMSG },
                { "{'rootfs':{'diff_ids':['sha256:0']}}", 1, -EBADMSG },
                { "{'rootfs':{'diff_ids':[1]}}", 1, -EBADMSG },
                { "{'rootfs':[]}", 0, -EBADMSG },
                { "{}", 0, -EBADMSG },
                { "[]", 0, -EBADMSG },
                { "{", 0, -EBADMSG },
        };

        FOREACH_ELEMENT(row, configs) {
                _cleanup_free_ char *text = quoted(row->text), *created = NULL;
                Digest ids[2];

                ASSERT_EQ(config_parse_diff_ids(text, strlen(text), row->n, ids, &created, NULL), row->r);
                if (row->r == 0 && row->n == 2) {
                        ASSERT_STREQ(ids[1].text, D2);
                        ASSERT_STREQ(created, "now");
                }
        }
}

typedef struct Source {
        const char *data;
        size_t size, chunk;
        int r; /* at the end */
} Source;

static ssize_t on_read(void *userdata, void *data, size_t size) {
        Source *s = userdata;
        size_t n = MIN(MIN(size, s->size), s->chunk);

        if (n == 0)
                return s->r;
        memcpy(data, s->data, n);
        s->data += n;
        s->size -= n;
        return (ssize_t) n;
}

/* Everything that comes out, or the failure. */
static int decompress(const char *data, size_t size, size_t chunk, int end, Buffer *out, Compression *ret) {
        _cleanup_(decompress_freep) Decompress *d = NULL;
        Source source = { data, size, chunk, end };
        char block[777];
        ssize_t n;
        int r;

        r = decompress_new(on_read, &source, &d);
        if (r < 0)
                return r;
        while ((n = decompress_read(d, block, sizeof(block))) > 0)
                ASSERT_EQ(buffer_add(out, block, (size_t) n), 0);
        *ret = decompress_get_compression(d);
        return (int) n;
}

static void add_gzip(Buffer *b, const char *data, size_t size) {
        uLong bound = compressBound(size) + 64;
        _cleanup_free_ char *packed = malloc(bound);
        z_stream z = {};

        ASSERT_TRUE(packed);
        ASSERT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (uint8_t *) data;
        z.avail_in = (uInt) size;
        z.next_out = (uint8_t *) packed;
        z.avail_out = (uInt) bound;
        ASSERT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
        ASSERT_EQ(buffer_add(b, packed, z.total_out), 0);
        (void) deflateEnd(&z); /* it was finished */
}

static void add_zstd(Buffer *b, const char *data, size_t size) {
        size_t bound = ZSTD_compressBound(size), n;
        _cleanup_free_ char *packed = malloc(bound);

        ASSERT_TRUE(packed);
        n = ZSTD_compress(packed, bound, data, size, 3);
        ASSERT_FALSE(ZSTD_isError(n));
        ASSERT_EQ(buffer_add(b, packed, n), 0);
}

#define TEXT_SIZE (300 * KIB)

static char *text_new(void) {
        char *text = malloc(TEXT_SIZE + 1);

        ASSERT_TRUE(text);
        for (size_t i = 0; i < TEXT_SIZE; i++)
                text[i] = (char) ('a' + (i * i / 7) % 23);
        text[TEXT_SIZE] = '\0';
        return text;
}

static void check_same(const Buffer *packed, Compression kind, const char *text, size_t size) {
        static const size_t chunks[] = { 1, 13, 4096, SIZE_MAX };

        FOREACH_ELEMENT(chunk, chunks) {
                _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX);
                Compression found;

                ASSERT_EQ(decompress(packed->data, packed->size, *chunk, 0, &out, &found), 0);
                ASSERT_EQ(found, kind);
                ASSERT_EQ(out.size, size);
                ASSERT_TRUE(size == 0 || memcmp(out.data, text, size) == 0);
        }
}

static void test_decompress(void) {
        _cleanup_free_ char *text = text_new();
        _cleanup_buffer_ Buffer gzip = BUFFER_INIT(OUT_MAX), zstd = BUFFER_INIT(OUT_MAX),
                                none = BUFFER_INIT(OUT_MAX), empty = BUFFER_INIT(OUT_MAX);

        add_gzip(&gzip, text, TEXT_SIZE / 2);
        add_gzip(&gzip, text + TEXT_SIZE / 2, TEXT_SIZE / 2); /* two members are one stream */
        check_same(&gzip, COMPRESSION_GZIP, text, TEXT_SIZE);
        add_zstd(&zstd, text, TEXT_SIZE / 2);
        add_zstd(&zstd, text + TEXT_SIZE / 2, TEXT_SIZE / 2);
        check_same(&zstd, COMPRESSION_ZSTD, text, TEXT_SIZE);
        ASSERT_EQ(buffer_add(&none, text, TEXT_SIZE), 0);
        check_same(&none, COMPRESSION_NONE, text, TEXT_SIZE);
        check_same(&empty, COMPRESSION_NONE, "", 0);
        ASSERT_EQ(buffer_adds(&empty, "\x1f"), 0); /* shorter than every mark */
        check_same(&empty, COMPRESSION_NONE, "\x1f", 1);
}

/* Cut short or damaged: never the whole content, never a good end. */
static void test_decompress_damaged(void) {
        _cleanup_free_ char *text = text_new();

        for (unsigned kind = 0; kind < 2; kind++) {
                _cleanup_buffer_ Buffer packed = BUFFER_INIT(OUT_MAX);

                (kind == 0 ? add_gzip : add_zstd)(&packed, text, 3000);
                for (size_t i = 0; i < packed.size; i += 3) {
                        _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX);
                        Compression found;

                        if (i >= 4)
                                ASSERT_EQ(decompress(packed.data, i, 64, 0, &out, &found), -EBADMSG);
                        buffer_reset(&out);
                        ASSERT_TRUE(decompress(packed.data, i, 64, -ECONNRESET, &out, &found) < 0);
                }
                for (size_t i = 10; i < packed.size; i += 7) {
                        _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX);
                        Compression found;
                        int r;

                        packed.data[i] ^= 0x55;
                        r = decompress(packed.data, packed.size, SIZE_MAX, 0, &out, &found);
                        packed.data[i] ^= 0x55;
                        if (kind == 0) /* zstd has a checksum only when it is asked for */
                                ASSERT_EQ(r, -EBADMSG);
                }
        }
}

static void test_decompress_foreign(void) {
        static const char bzip2[] = "BZh91AY&SY",
                          xz[] = "\xfd"
                                 "7zXZ\0\0";
        _cleanup_buffer_ Buffer out = BUFFER_INIT(OUT_MAX);
        Compression found;

        ASSERT_EQ(decompress(bzip2, sizeof(bzip2), SIZE_MAX, 0, &out, &found), -EOPNOTSUPP);
        ASSERT_EQ(decompress(xz, sizeof(xz), SIZE_MAX, 0, &out, &found), -EOPNOTSUPP);
}

static void test_allocations(void) {
        static const char image[] = "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D0 "\",\"size\":1},"
                                    "\"layers\":[{\"digest\":\"" D1 "\",\"size\":2}]}";
        static const char index[] = "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" D1 "\",\"size\":2,"
                                    "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}]}";
        static const char config[] = "{\"created\":\"now\",\"rootfs\":{\"diff_ids\":[\"" D1 "\"]}}";
        _cleanup_(challenge_done) Challenge c = {};
        _cleanup_(manifest_done) Manifest m = {};
        _cleanup_free_ char *created = NULL;
        Descriptor chosen;
        Digest id;

        ASSERT_OK(challenge_parse("Bearer realm=\"https://a\",service=s", &c));
        ASSERT_OK(manifest_parse(image, strlen(image), &m, NULL));
        ASSERT_OK(index_choose(index, strlen(index), "amd64", NULL, &chosen, NULL));
        ASSERT_OK(config_parse_diff_ids(config, strlen(config), 1, &id, &created, NULL));
        ASSERT_EQ(m.n_layers, 1);
}

TEST_MAIN(TEST(test_challenge),
          TEST(test_challenge_limits),
          TEST(test_manifest),
          TEST(test_many_layers),
          TEST(test_index),
          TEST(test_config),
          TEST(test_decompress),
          TEST(test_decompress_damaged),
          TEST(test_decompress_foreign),
          TEST_ALLOC(test_allocations));
