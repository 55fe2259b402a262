/* SPDX-License-Identifier: Apache-2.0 */

/*
 * vm-agent: commands and sockets of a virtual machine, over TCP.
 *
 *   vm-agent serve PORT TOKEN-FILE               in the machine: answers the other two
 *   vm-agent exec PORT TOKEN-FILE COMMAND...     runs a command there; stdin, stdout, stderr, exit status
 * pass through vm-agent forward PORT TOKEN-FILE SOCKET PATH what connects to SOCKET here talks to the UNIX
 * socket PATH there
 *
 * The server greets with one byte. The client sends the token of the machine (other users reach the port as
 * well), one byte that says what it wants, and its arguments: their size (4 bytes, the machine's order),
 * then each with its NUL. From then on bytes of the client are stdin. What the server sends of a command are
 * frames of 1 byte type (1, 2: descriptor; 0: exit status), 4 bytes size, and data. Sockets have no frames.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKEN_SIZE 32
#define ARGUMENTS_MAX (1024 * 1024)
#define CHUNK_SIZE 32768
#define GREETING_TIMEOUT_MSEC 2000
#define BACKLOG 128
#define EXIT_NO_CONNECTION 255
#define EXIT_NO_COMMAND 127
#define SIGNAL_EXIT_BASE 128

enum {
        FRAME_STATUS = 0,
};

static bool write_all(int fd, const void *data, size_t size) {
        for (const char *p = data; size > 0;) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return false;
                p += n;
                size -= (size_t) n;
        }
        return true;
}

static bool read_all(int fd, void *data, size_t size) {
        for (char *p = data; size > 0;) {
                ssize_t n = read(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                p += n;
                size -= (size_t) n;
        }
        return true;
}

static bool read_token(const char *path, char *ret) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool good = fd >= 0 && read_all(fd, ret, TOKEN_SIZE);

        if (fd >= 0)
                close(fd);
        return good;
}

static bool write_frame(int fd, uint8_t type, const void *data, uint32_t size) {
        char head[5] = { (char) type };

        memcpy(head + 1, &size, sizeof(size));
        return write_all(fd, head, sizeof(head)) && write_all(fd, data, size);
}

/* Moves what there is to read; false: the end. */
static bool copy(int from, int to, int frame) {
        char buffer[CHUNK_SIZE];
        ssize_t n = read(from, buffer, sizeof(buffer));

        if (n < 0 && errno == EINTR)
                return true;
        if (n <= 0)
                return false;
        return frame > 0 ? write_frame(to, (uint8_t) frame, buffer, (uint32_t) n) :
                           write_all(to, buffer, (size_t) n);
}

/* Copies in a process of its own, so that a full pipe one way never stops the other. */
static pid_t pump(int from, int to) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (copy(from, to, 0))
                ;
        shutdown(to, SHUT_WR);
        _exit(0);
}

/* Both directions until both have ended. */
static void proxy(int a, int b) {
        pid_t pid = pump(a, b);

        while (copy(b, a, 0))
                ;
        shutdown(a, SHUT_WR);
        waitpid(pid, NULL, 0);
}

static int unix_socket(const char *path, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(ret->sun_path))
                return -1;
        memcpy(ret->sun_path, path, strlen(path));
        return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static struct sockaddr_in tcp_address(const char *port, in_addr_t host) {
        return (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = htons((uint16_t) strtoul(port, NULL, 10)),
                                     .sin_addr = { htonl(host) } };
}

/* --- in the machine --- */

typedef struct Command {
        pid_t pid;
        int in, out, err;
} Command;

static bool command_start(char **argv, Command *ret) {
        int in[2], out[2], err[2];

        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
                return false;
        *ret = (Command){ .pid = fork(), .in = in[1], .out = out[0], .err = err[0] };
        if (ret->pid < 0)
                return false;
        if (ret->pid == 0) {
                setsid();
                signal(SIGPIPE, SIG_DFL);
                signal(SIGCHLD, SIG_DFL);
                dup2(in[0], STDIN_FILENO);
                dup2(out[1], STDOUT_FILENO);
                dup2(err[1], STDERR_FILENO);
                execvp(argv[0], argv);
                dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
                _exit(EXIT_NO_COMMAND);
        }
        close(in[0]);
        close(out[1]);
        close(err[1]);
        return true;
}

static void serve_command(int fd, char **argv) {
        pid_t feeder;
        Command c;
        int status;
        uint8_t code;

        if (!command_start(argv, &c))
                return;
        feeder = pump(fd, c.in);
        close(c.in);
        struct pollfd p[] = { { c.out, POLLIN, 0 }, { c.err, POLLIN, 0 } };
        while (p[0].fd >= 0 || p[1].fd >= 0) {
                if (poll(p, 2, -1) < 0)
                        continue;
                for (int i = 0; i < 2; i++)
                        if (p[i].fd >= 0 && p[i].revents && !copy(p[i].fd, fd, i + 1))
                                p[i].fd = -1;
        }
        /* Without a reader nobody is interested any more. */
        if (!write_frame(fd, 1, NULL, 0))
                kill(-c.pid, SIGKILL);
        while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
                ;
        code = (uint8_t) (WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_EXIT_BASE + WTERMSIG(status));
        write_frame(fd, FRAME_STATUS, &code, sizeof(code));
        kill(feeder, SIGKILL);
}

static void serve_socket(int fd, const char *path) {
        struct sockaddr_un address;
        int s = unix_socket(path, &address);

        if (s >= 0 && connect(s, (struct sockaddr *) &address, sizeof(address)) == 0)
                proxy(fd, s);
}

static void serve_client(int fd, const char *token) {
        char given[TOKEN_SIZE + 1], *data, **argv;
        uint32_t size, n = 0;

        if (!write_all(fd, "+", 1) || !read_all(fd, given, sizeof(given)) ||
            memcmp(given, token, TOKEN_SIZE) != 0 || !read_all(fd, &size, sizeof(size)) || size == 0 ||
            size > ARGUMENTS_MAX)
                return;
        data = calloc(1, size + 1);
        argv = calloc(size + 1, sizeof(*argv));
        if (!data || !argv || !read_all(fd, data, size))
                return;
        for (uint32_t i = 0; i < size; i += (uint32_t) strlen(data + i) + 1)
                argv[n++] = data + i;
        if (given[TOKEN_SIZE] == 'x')
                serve_command(fd, argv);
        else
                serve_socket(fd, argv[0]);
}

/* Calls back in a child for each client. */
static int accept_loop(int listener, void (*client)(int fd, const char *arg), const char *arg) {
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ;
                if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
                        return EXIT_FAILURE;
                if (fd >= 0 && fork() == 0) {
                        close(listener);
                        client(fd, arg);
                        _exit(0);
                }
                close(fd);
        }
}

static int serve(char **argv) {
        static char token[TOKEN_SIZE];
        struct sockaddr_in address = tcp_address(argv[0], INADDR_ANY);
        int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        if (!read_token(argv[1], token) || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(s, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(s, BACKLOG) < 0) {
                perror("vm-agent: serve");
                return EXIT_FAILURE;
        }
        return accept_loop(s, serve_client, token);
}

/* --- outside --- */

static int call(const char *port, const char *token_file, char kind, char **argv) {
        struct sockaddr_in address = tcp_address(port, INADDR_LOOPBACK);
        char head[TOKEN_SIZE + 1], greeting;
        int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct pollfd p = { s, POLLIN, 0 };
        uint32_t size = 0;
        bool good;

        head[TOKEN_SIZE] = kind;
        good = read_token(token_file, head) &&
                        connect(s, (struct sockaddr *) &address, sizeof(address)) == 0 &&
                        poll(&p, 1, GREETING_TIMEOUT_MSEC) == 1 && read_all(s, &greeting, 1);
        for (char **a = argv; *a; a++)
                size += (uint32_t) strlen(*a) + 1;
        good = good && write_all(s, head, sizeof(head)) && write_all(s, &size, sizeof(size));
        for (char **a = argv; *a && good; a++)
                good = write_all(s, *a, strlen(*a) + 1);
        if (!good) {
                close(s);
                return -1;
        }
        return s;
}

/* One frame; -1: go on. */
static int take_frame(int s) {
        char head[5], buffer[CHUNK_SIZE];
        uint32_t size;

        if (!read_all(s, head, sizeof(head)))
                return EXIT_NO_CONNECTION;
        memcpy(&size, head + 1, sizeof(size));
        if (size > sizeof(buffer) || !read_all(s, buffer, size))
                return EXIT_NO_CONNECTION;
        if (head[0] == FRAME_STATUS)
                return (uint8_t) buffer[0];
        (void) write_all(head[0], buffer, size); /* nobody reads it */
        return -1;
}

static int exec_command(char **argv) {
        int s = call(argv[0], argv[1], 'x', argv + 2), status = -1;
        pid_t feeder;

        if (s < 0) {
                fprintf(stderr, "vm-agent: no answer on port %s\n", argv[0]);
                return EXIT_NO_CONNECTION;
        }
        signal(SIGPIPE, SIG_IGN);
        feeder = pump(STDIN_FILENO, s);
        while (status < 0)
                status = take_frame(s);
        kill(feeder, SIGKILL);
        return status;
}

static char **forward_argv;

static void forward_client(int fd, const char *path) {
        char *argv[] = { (char *) path, NULL };
        int s = call(forward_argv[0], forward_argv[1], 'u', argv);

        if (s >= 0)
                proxy(fd, s);
}

static int forward(char **argv) {
        struct sockaddr_un address;
        int s = unix_socket(argv[2], &address);

        forward_argv = argv;
        if (s < 0 || bind(s, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(s, BACKLOG) < 0) {
                perror("vm-agent: forward");
                return EXIT_FAILURE;
        }
        return accept_loop(s, forward_client, argv[3]);
}

int main(int argc, char **argv) {
        if (argc == 4 && strcmp(argv[1], "serve") == 0)
                return serve(argv + 2);
        if (argc >= 5 && strcmp(argv[1], "exec") == 0)
                return exec_command(argv + 2);
        if (argc == 6 && strcmp(argv[1], "forward") == 0)
                return forward(argv + 2);
        fprintf(stderr, "usage: see the head of vm-agent.c\n");
        return 2;
}
