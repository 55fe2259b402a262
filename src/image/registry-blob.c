/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <openssl/evp.h>

#include "basic/clock.h"
#include "basic/str.h"
#include "image/registry-internal.h"

#define ERROR_BODY_MAX (64 * KIB)
/* A transfer that brought so much was worth being taken up again; of others only a few in a row are. */
#define WORTH_BYTES (1 * MIB)

/* A blob that is being received: its state lives on over broken transfers. */
typedef struct Blob {
        const Digest *digest;
        EVP_MD_CTX *hash;
        uint64_t received, size;
        HttpWrite write;
        void *userdata;
        int write_result; /* of @write: not to be mistaken for a failure of the transfer */
} Blob;

static int blob_write(const void *data, size_t size, void *userdata) {
        Blob *b = userdata;

        if (size > b->size - b->received)
                return -EFBIG;
        if (EVP_DigestUpdate(b->hash, data, size) != 1)
                return -ENOMEM;
        b->received += size;
        b->write_result = b->write(data, size, b->userdata);
        return b->write_result < 0 ? -EPIPE : 0;
}

static int blob_check(const Blob *b, Error *error) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        Digest seen;

        if (b->received != b->size)
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "blob %s: %" PRIu64 " bytes came, its descriptor says %" PRIu64,
                                b->digest->text,
                                b->received,
                                b->size);
        if (EVP_DigestFinal_ex(b->hash, hash, NULL) != 1)
                return -ENOMEM;
        digest_from_bytes(hash, &seen);
        if (!streq(seen.text, b->digest->text))
                return error_set(
                                error,
                                -EBADMSG,
                                STATUS_UNKNOWN,
                                "blob %s: what came has the digest %s",
                                b->digest->text,
                                seen.text);
        return 0;
}

/* One transfer, from where the last one ended. As http_run(); a failure of the writer is its own. */
static int blob_transfer(Registry *r, Blob *b, const char *url, HttpAnswer *answer, Error *error) {
        int e;

        e = http_run(r->http,
                     &(HttpRequest){ .url = url,
                                     .authorization = r->authorization,
                                     .start = b->received,
                                     .write = blob_write,
                                     .userdata = b,
                                     .body_max = ERROR_BODY_MAX },
                     answer,
                     error);
        if (b->write_result < 0)
                return b->write_result;
        if (e == -EFBIG)
                return error_set(
                                error,
                                e,
                                STATUS_UNKNOWN,
                                "blob %s: more bytes than its descriptor says",
                                b->digest->text);
        /* It may break behind the last byte, which then is nobody's loss. */
        if (e == -ECONNRESET && b->size > 0 && b->received == b->size) {
                error_done(error);
                answer->status = HTTP_OK;
                return 0;
        }
        return e;
}

static int blob_receive(Registry *r, Blob *b, const char *url, Error *error) {
        unsigned poor = 0;

        for (bool token = r->challenge.bearer;;) {
                _cleanup_(http_answer_done) HttpAnswer answer = { 0 };
                _cleanup_error_ Error last = ERROR_INIT;
                uint64_t before = b->received;
                int e;

                e = blob_transfer(r, b, url, &answer, &last);
                poor = b->received - before >= WORTH_BYTES ? 1 : poor + 1;
                if (e >= 0 && answer.status == HTTP_UNAUTHORIZED && token) {
                        token = false; /* it grew too old: one new token */
                        e = registry_authorize(r, NULL, error);
                        if (e < 0)
                                return e;
                        continue;
                }
                if (b->write_result >= 0 && registry_is_temporary(e, answer.status) &&
                    poor < REGISTRY_ATTEMPTS_MAX) {
                        token = r->challenge.bearer;
                        e = registry_wait(r, poor, answer.retry_after_sec);
                        if (e < 0)
                                return e;
                        continue;
                }
                if (e >= 0 && answer.status != HTTP_OK && answer.status != HTTP_PARTIAL)
                        e = registry_refuse(&answer, b->digest->text, &last);
                error_move(error, &last);
                return e;
        }
}

int registry_get_blob(
                Registry *r,
                const Digest *digest,
                uint64_t size,
                HttpWrite write,
                void *userdata,
                Error *error) {
        Blob b = { .digest = digest,
                   .hash = EVP_MD_CTX_new(),
                   .size = size,
                   .write = write,
                   .userdata = userdata };
        _cleanup_free_ char *url =
                        str_join(r->scheme,
                                 "://",
                                 r->host,
                                 "/v2/",
                                 r->repository,
                                 "/blobs/",
                                 digest->text,
                                 NULL);
        int e = 0;

        if (!url || !b.hash || EVP_DigestInit_ex(b.hash, EVP_sha256(), NULL) != 1)
                e = -ENOMEM;
        if (e >= 0)
                e = blob_receive(r, &b, url, error);
        if (e >= 0)
                e = blob_check(&b, error);
        EVP_MD_CTX_free(b.hash);
        return e;
}
