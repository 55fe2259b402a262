/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What runs in containers whose logs are checked: writes to stdout and stderr, and the same bytes to the files
 * DIRECTORY/out and DIRECTORY/err, so that the test can compare.
 *
 *   writer DIRECTORY SEED BYTES [USEC]     random lines: short, empty, very long, binary, without an end;
 *                                          so many bytes at least, a pause after each write
 *   writer DIRECTORY lines COUNT [USEC [PAD]]    "line 0", "line 1", …, to stdout only; with PAD
 *                                          each as long as that
 *
 * In the directory, "stop" ends it early. A byte is in the file only after it was written to the stream.
 */

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned state;
static int copies[2];

static unsigned next(unsigned below) {
        state = state * 1103515245 + 12345;
        return (state >> 8) % below;
}

static void write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0)
                        err(2, "write");
                data += n;
                size -= (size_t) n;
        }
}

static void say(int stream, const char *data, size_t size) {
        write_all(1 + stream, data, size);
        write_all(copies[stream], data, size);
}

static size_t fill(char *data, unsigned n) {
        static unsigned count;
        size_t size = 0;

        switch (next(16)) {
        case 0: /* nothing, now and then many times */
                size = next(8) == 0 ? 5000 : 1;
                memset(data, '\n', size);
                break;
        case 1: /* about as long as a record, or much longer */
                size = next(2) ? 16383 + next(3) : 20000 + next(60000);
                memset(data, 'x', size);
                data[size++] = '\n';
                break;
        case 2: /* any bytes */
                size = 1 + next(2000);
                for (size_t i = 0; i < size; i++)
                        data[i] = (char) next(256);
                break;
        case 3: /* no end */
                size = (size_t) sprintf(data, "%u piece %u, ", n, count++);
                break;
        case 4: /* a burst */
                for (unsigned i = next(8) == 0 ? 500 : 5; i > 0; i--)
                        size += (size_t) sprintf(data + size, "%u burst %u of many lines\n", n, count++);
                break;
        default:
                size = (size_t) sprintf(data, "%u line %u of an ordinary program\r\n", n, count++);
        }
        return size;
}

static int must_stop(void) {
        return access("stop", F_OK) == 0;
}

int main(int argc, char **argv) {
        static char data[128 * 1024];
        unsigned pause = argc > 4 ? (unsigned) atoi(argv[4]) : 0;
        int pad = argc > 5 ? atoi(argv[5]) : 0;
        size_t total = 0, bytes;

        if (argc < 4 || chdir(argv[1]) < 0)
                errx(2, "usage, or no directory");
        copies[0] = open("out", O_WRONLY | O_CREAT | O_APPEND, 0600);
        copies[1] = open("err", O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (copies[0] < 0 || copies[1] < 0)
                err(2, "open");
        bytes = strtoul(argv[3], NULL, 10);
        if (strcmp(argv[2], "lines") == 0) {
                for (size_t i = 0; i < bytes && !must_stop(); i++) {
                        say(0, data, (size_t) sprintf(data, "line %-*zu\n", pad, i));
                        if (pause)
                                usleep(pause);
                }
                return 0;
        }
        state = (unsigned) atoi(argv[2]);
        while (total < bytes && !must_stop()) {
                size_t size = fill(data, (unsigned) total);

                say(next(3) == 0, data, size);
                total += size;
                if (pause)
                        usleep(pause);
        }
        return 0;
}
