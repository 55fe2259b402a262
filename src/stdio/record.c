/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/record.h"

#include <stdio.h>
#include <time.h>

/* "2026-01-31T08:15:30.123456789Z stdout F " */
#define PREFIX_SIZE_MAX 48

static size_t prefix_format(char *prefix, RecordStream stream, int64_t realtime_nsec) {
        static const char *const names[_RECORD_STREAM_MAX] = { "stdout", "stderr" };
        time_t seconds = (time_t) (realtime_nsec / (int64_t) NSEC_PER_SEC);
        struct tm tm;
        size_t n;

        assert(gmtime_r(&seconds, &tm));
        n = strftime(prefix, PREFIX_SIZE_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        n += (size_t) snprintf(
                        prefix + n,
                        PREFIX_SIZE_MAX - n,
                        ".%09uZ %s F ",
                        (unsigned) (realtime_nsec % (int64_t) NSEC_PER_SEC),
                        names[stream]); /* fits: the year has four digits for a while */
        return n;
}

int record_format(
                Buffer *out,
                RecordStream stream,
                int64_t realtime_nsec,
                const char *data,
                size_t size,
                bool *ret_partial) {
        char prefix[PREFIX_SIZE_MAX];
        size_t prefix_size = prefix_format(prefix, stream, realtime_nsec);
        const char *end = data + size;
        bool partial = false;

        while (data < end) {
                size_t room = MIN((size_t) (end - data), RECORD_CONTENT_MAX);
                const char *newline = memchr(data, '\n', room);
                size_t n = newline ? (size_t) (newline - data) : room;
                void *p;
                int r;

                /* A line that is exactly as long as a record may be ends with it. */
                if (!newline && data + n < end && data[n] == '\n')
                        newline = data + n;
                partial = !newline;

                r = buffer_reserve(out, prefix_size + n + 1, &p);
                if (r < 0)
                        return r;
                p = mempcpy(p, prefix, prefix_size);
                ((char *) p)[-2] = partial ? 'P' : 'F';
                p = mempcpy(p, data, n);
                *(char *) p = '\n';
                buffer_grow(out, prefix_size + n + 1);
                data += n + (newline ? 1 : 0);
        }
        *ret_partial = partial;
        return 0;
}
