/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <systemd/sd-event.h>

#include "basic/fd.h"
#include "basic/str.h"
#include "basic/test.h"
#include "grpc/http1.h"

#define REPLY_MAX (1 * MIB)

static sd_event *event;
static Http1 *http1;

static void on_request(const char *path, Http1Reply *reply, void *userdata) {
        if (streq(path, "/big")) {
                reply->status = 200;
                reply->body = malloc(REPLY_MAX);
                ASSERT_TRUE(reply->body);
                memset(reply->body, 'x', REPLY_MAX - 1);
                reply->body[REPLY_MAX - 1] = '\0';
        } else if (streq(path, "/small")) {
                reply->status = 200;
                reply->body = strdup("small\n");
                ASSERT_TRUE(reply->body);
        }
}

static void begin(void) {
        ASSERT_TRUE(sd_event_new(&event) >= 0);
        ASSERT_TRUE(http1_new(event, on_request, NULL, &http1) >= 0);
}

static void end(void) {
        http1 = http1_free(http1);
        event = sd_event_unref(event);
}

static int connect_one(void) {
        int fds[2];

        ASSERT_TRUE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) >= 0);
        http1_add(http1, fds[1]);
        return fds[0];
}

/* Sends, and returns what comes back until nothing more does. *ret_open: the connection stays. */
static char *ask(int fd, const char *request, size_t size, bool *ret_open) {
        char *text = calloc(1, 2 * REPLY_MAX);
        size_t n = 0;

        ASSERT_TRUE(text);
        ASSERT_TRUE(send(fd, request, size, MSG_NOSIGNAL) == (ssize_t) size);
        *ret_open = true;
        for (;;) {
                int events = sd_event_run(event, 10 * USEC_PER_MSEC);
                ssize_t m = recv(fd, text + n, 2 * REPLY_MAX - 1 - n, MSG_DONTWAIT);

                ASSERT_TRUE(events >= 0);
                if (m == 0 || (m < 0 && errno == ECONNRESET))
                        *ret_open = false;
                if (m <= 0 && (!*ret_open || events == 0))
                        return text;
                n += m > 0 ? (size_t) m : 0;
        }
}

static size_t count(const char *text, const char *what) {
        size_t n = 0;

        while ((text = strstr(text, what))) {
                text += strlen(what);
                n++;
        }
        return n;
}

static void test_answers(void) {
        static const struct {
                const char *request;
                const char *answer;
                size_t n_answers;
                bool open, body;
        } cases[] = {
                { "GET /small HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", 1, true, true },
                { "GET /small HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", 1, false, true },
                { "HEAD /small HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", 1, true, false },
                { "GET /absent HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", 1, true, false },
                { "PUT /small HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n", 1, true, false },
                { "GET /small HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET /small HTTP/1.1\r\n\r\n",
                  "HTTP/1.1 200 OK\r\n",
                  2,
                  true,
                  true },
                { "garbage\r\n\r\nGET /small HTTP/1.1\r\n\r\n",
                  "HTTP/1.1 400 Bad Request\r\n",
                  1,
                  false,
                  false },
                { "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                  "HTTP/1.1 501 Not Implemented\r\n",
                  1,
                  false,
                  false },
                { "GET /small HTTP/1.1\r\n", NULL, 0, true, false },
        };

        FOREACH_ELEMENT(c, cases) {
                _cleanup_free_ char *text = NULL;
                bool open;
                int fd;

                begin();
                fd = connect_one();
                text = ask(fd, c->request, strlen(c->request), &open);
                ASSERT_EQ(count(text, "HTTP/1.1 "), c->n_answers);
                if (c->n_answers > 0)
                        ASSERT_EQ(count(text, c->answer), c->n_answers);
                ASSERT_EQ(count(text, "small\n"), c->body ? c->n_answers : 0);
                ASSERT_EQ(open, c->open);
                close_fd(fd);
                end();
        }
}

static void test_head_too_large(void) {
        _cleanup_free_ char *request = malloc(64 * KIB), *text = NULL;
        bool open;
        int fd;

        ASSERT_TRUE(request);
        memset(request, 'a', 64 * KIB);
        begin();
        fd = connect_one();
        text = ask(fd, request, 64 * KIB, &open);
        ASSERT_EQ(count(text, "HTTP/1.1 431 "), 1);
        ASSERT_FALSE(open);
        close_fd(fd);
        end();
}

/* An answer that does not fit into the socket is sent as the client reads. */
static void test_big_answer(void) {
        static const char request[] = "GET /big HTTP/1.1\r\n\r\nGET /small HTTP/1.1\r\n\r\n";
        _cleanup_free_ char *text = NULL;
        bool open;
        int fd;

        begin();
        fd = connect_one();
        text = ask(fd, request, strlen(request), &open);
        ASSERT_EQ(count(text, "HTTP/1.1 200 OK\r\n"), 2);
        ASSERT_TRUE(strlen(text) > REPLY_MAX);
        ASSERT_EQ(count(text, "small\n"), 1);
        close_fd(fd);
        end();
}

static void test_too_many_connections(void) {
        int fds[33];
        bool open;

        begin();
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = connect_one();
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                static const char request[] = "GET /small HTTP/1.1\r\n\r\n";
                char byte;

                if (i == ELEMENTSOF(fds) - 1)
                        ASSERT_EQ(recv(fds[i], &byte, 1, 0), 0);
                else
                        free(ask(fds[i], request, strlen(request), &open));
                close_fd(fds[i]);
        }
        end();
}

TEST_MAIN(TEST(test_answers),
          TEST(test_head_too_large),
          TEST(test_big_answer),
          TEST(test_too_many_connections));
