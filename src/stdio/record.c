/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio/record.h"

#include <stdio.h>
#include <time.h>

/* "2026-01-31T08:15:30.123456789Z stdout F " */
#define PREFIX_SIZE_MAX 48

static const char *const stream_names[_RECORD_STREAM_MAX] = { "stdout", "stderr" };

static size_t prefix_format(char *prefix, RecordStream stream, int64_t realtime_nsec) {
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
                        stream_names[stream]); /* fits: the year has four digits for a while */
        return n;
}

size_t record_slice(const char *data, size_t size, size_t max) {
        const char *newline;

        if (size <= max)
                return size;
        newline = memrchr(data, '\n', max);
        if (newline)
                return (size_t) (newline + 1 - data);
        return data[max] == '\n' ? max + 1 : max;
}

int record_format(
                Buffer *out,
                RecordStream stream,
                int64_t realtime_nsec,
                const char *data,
                size_t size,
                RecordRun *ret) {
        char prefix[PREFIX_SIZE_MAX];
        size_t prefix_size = prefix_format(prefix, stream, realtime_nsec);
        const char *end = data + size;
        RecordRun run = {};

        while (data < end) {
                size_t room = MIN((size_t) (end - data), RECORD_CONTENT_MAX);
                const char *newline = memchr(data, '\n', room);
                size_t n = newline ? (size_t) (newline - data) : room;
                void *p;
                int r;

                /* A line that is exactly as long as a record may be ends with it. */
                if (!newline && data + n < end && data[n] == '\n')
                        newline = data + n;
                run.partial = !newline;
                run.n++;

                r = buffer_reserve(out, prefix_size + n + 1, &p);
                if (r < 0)
                        return r;
                p = mempcpy(p, prefix, prefix_size);
                ((char *) p)[-2] = run.partial ? 'P' : 'F';
                p = mempcpy(p, data, n);
                *(char *) p = '\n';
                buffer_grow(out, prefix_size + n + 1);
                data += n + (newline ? 1 : 0);
        }
        *ret = run;
        return 0;
}

/* The next word, and where the rest begins. */
static const char *take_word(const char **p, const char *end, size_t *ret_size) {
        const char *word = *p, *space = memchr(word, ' ', (size_t) (end - word));

        if (!space)
                return NULL;
        *ret_size = (size_t) (space - word);
        *p = space + 1;
        return word;
}

int record_parse(const char *line, size_t size, Record *ret) {
        const char *p = line, *end = line + size, *word;
        Record record = { .stream = _RECORD_STREAM_MAX };
        size_t n;

        word = take_word(&p, end, &n);
        if (!word || n == 0 || *word < '0' || *word > '9')
                return -EINVAL;
        word = take_word(&p, end, &n);
        for (RecordStream i = 0; word && i < _RECORD_STREAM_MAX; i++)
                if (n == strlen(stream_names[i]) && memcmp(word, stream_names[i], n) == 0)
                        record.stream = i;
        if (record.stream == _RECORD_STREAM_MAX)
                return -EINVAL;
        /* Further tags may follow the first one, behind ':'. */
        word = take_word(&p, end, &n);
        if (!word || n == 0 || (*word != 'F' && *word != 'P') || (n > 1 && word[1] != ':'))
                return -EINVAL;
        record.partial = *word == 'P';
        record.content = p;
        record.size = (size_t) (end - p);
        *ret = record;
        return 0;
}
