/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "basic/str.h"
#include "config/flag.h"
#include "config/schema.h"
#include "format/json-field.h"

#define CONFIG_PATH CRIO_SYSCONFDIR "/crio/crio.conf"
#define CONFIG_DIR CRIO_SYSCONFDIR "/crio/crio.conf.d"

static const struct {
        const char *name, *help;
} commands[_CLI_COMMAND_MAX] = {
        [CLI_DAEMON] = { NULL, NULL },
        [CLI_CONFIG] = { "config",
                         "print the configuration that is in force as TOML (--default: of a new node)" },
        [CLI_VERSION] = { "version", "print the version" },
        [CLI_HELP] = { "help", "print this text" },
};

/* Options that are not keys of crio.conf, or have a short form. */
static const struct {
        char letter;
        const char *name, *argument, *help;
} options[] = {
        { 'c', "config", "FILE", "configuration file (" CONFIG_PATH ")" },
        { 'd', "config-dir", "DIRECTORY", "directory of its drop-ins (" CONFIG_DIR ")" },
        { 'l', "log-level", "LEVEL", NULL }, /* these are keys, see below */
        { 'r', "root", "DIRECTORY", NULL },
        { 's', "storage-driver", "NAME", NULL },
        { 'h', "help", NULL, "print this text" },
        { 'v', "version", NULL, "print the version" },
        { 0, "default", NULL, NULL }, /* of "config" */
        { 'j', "json", NULL, NULL },  /* of "version" */
        { 0, "verbose", NULL, NULL }, /* as well */
};

/* Options of CRI-O that are taken, so that command lines go on to work, and named as without effect. */
static const struct {
        const char *name;
        bool has_value;
} without_effect[] = {
        { "address", true },
        { "enable-profile-unix-socket", false },
        { "log", true },
        { "log-format", true },
        { "profile", false },
        { "profile-cpu", true },
        { "profile-mem", true },
        { "profile-port", true },
        { "registries-conf", true },
        { "registries-conf-dir", true },
        { "runtimes", true },
        { "tz", true },
};

void cli_done(Cli *c) {
        strv_free(c->settings);
        strv_free(c->without_effect);
        *c = (Cli){ 0 };
}

/* The command line, and where we are. */
typedef struct Words {
        char **list;
        int n, i;
} Words;

/* Name and value of an argument, as "--name=value", "--name value" or "-n value". */
typedef struct Argument {
        const char *name, *value;
        size_t size;
} Argument;

static void split_argument(const char *text, Argument *ret) {
        const char *equals;

        text += text[1] == '-' ? 2 : 1;
        equals = strchr(text, '=');
        *ret = (Argument){ .name = text,
                           .value = equals ? equals + 1 : NULL,
                           .size = equals ? (size_t) (equals - text) : strlen(text) };
}

/* Row of the table, or -1. */
static int find_option(const Argument *a, bool is_short) {
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (is_short ? a->size == 1 && options[i].letter == *a->name :
                               strlen(options[i].name) == a->size &&
                                                    strncmp(options[i].name, a->name, a->size) == 0)
                        return (int) i;
        return -1;
}

static int need_value(Words *words, Argument *a, Error *error) {
        if (a->value)
                return 0;
        if (words->i + 1 >= words->n)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "option %s needs a value",
                                words->list[words->i]);
        a->value = words->list[++words->i];
        return 0;
}

/* A list that is given several times is one list. */
static int take_setting(Cli *c, const ConfigKey *key, Words *words, Argument *a, Error *error) {
        _cleanup_free_ char *longer = NULL;
        const char *before = pairs_get(c->settings, key->name);
        int r;

        if (key->type == CONFIG_BOOLEAN && !a->value)
                a->value = "true";
        r = need_value(words, a, error);
        if (r < 0)
                return r;
        if (key->type == CONFIG_STRINGS && before) {
                longer = str_join(before, ",", a->value, NULL);
                if (!longer)
                        return -ENOMEM;
        }
        return pairs_set(&c->settings, key->name, longer ?: a->value);
}

/* 0: not one of them. */
static int take_without_effect(Cli *c, Words *words, Argument *a, Error *error) {
        FOREACH_ELEMENT(w, without_effect) {
                int r = 0;

                if (strlen(w->name) != a->size || strncmp(w->name, a->name, a->size) != 0)
                        continue;
                if (w->has_value)
                        r = need_value(words, a, error);
                if (r >= 0)
                        r = strv_extendf(&c->without_effect, "--%s", w->name);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* Options that are not keys. */
static int take_own(Cli *c, int row, Words *words, Argument *a, Error *error) {
        const struct {
                const char *name;
                bool *flag;
        } flags[] = { { "default", &c->defaults }, { "json", &c->json }, { "verbose", &c->verbose } };
        const char *name = options[row].name;
        int r;

        FOREACH_ELEMENT(f, flags)
                if (streq(name, f->name)) {
                        *f->flag = true;
                        return 0;
                }
        if (streq(name, "help") || streq(name, "version")) {
                bool verbose = c->command == CLI_VERSION && *a->name == 'v';

                if (verbose) /* "crio version -v" */
                        c->verbose = true;
                else
                        c->command = streq(name, "help") ? CLI_HELP : CLI_VERSION;
                return 0;
        }
        r = need_value(words, a, error);
        if (r < 0)
                return r;
        *(streq(name, "config") ? &c->config_path : &c->config_dir) = a->value;
        return 0;
}

static int take_option(Cli *c, Words *words, Error *error) {
        const ConfigKey *key;
        Argument a;
        int row, r;

        split_argument(words->list[words->i], &a);
        /* One dash does for a long name, too. */
        row = find_option(&a, words->list[words->i][1] != '-' && a.size == 1);
        key = row >= 0 ? flag_find_key(options[row].name, strlen(options[row].name)) :
                         flag_find_key(a.name, a.size);
        if (key)
                return take_setting(c, key, words, &a, error);
        if (row >= 0)
                return take_own(c, row, words, &a, error);
        r = take_without_effect(c, words, &a, error);
        if (r != 0)
                return MIN(r, 0);
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "flag provided but not defined: -%.*s, see crio --help",
                        (int) a.size,
                        a.name);
}

static int take_command(Cli *c, const char *name, Error *error) {
        for (int i = 0; i < _CLI_COMMAND_MAX; i++)
                if (commands[i].name && streq(commands[i].name, name)) {
                        c->command = i;
                        return 0;
                }
        return error_set(
                        error,
                        -EINVAL,
                        STATUS_INVALID_ARGUMENT,
                        "command \"%s\" not supported, see crio --help",
                        name);
}

int cli_parse(int argc, char **argv, Cli *ret, Error *error) {
        Words words = { .list = argv, .n = argc, .i = 1 };
        _cleanup_(cli_done) Cli c = { 0 };
        int r = 0;

        for (; words.i < argc && r >= 0; words.i++) {
                const char *word = argv[words.i];

                r = word[0] == '-' && word[1] ? take_option(&c, &words, error) :
                                                take_command(&c, word, error);
        }
        if (r < 0)
                return r;
        *ret = c;
        c = (Cli){ 0 };
        return 0;
}

static int set_key(Config *c, const ConfigKey *key, const char *value, const char *from, Error *error) {
        _cleanup_error_ Error why = ERROR_INIT;
        int r = config_set(c, key, value, &why);

        return r < 0 ? error_set(error,
                                 r,
                                 STATUS_INVALID_ARGUMENT,
                                 "invalid value \"%s\" for %s: %s",
                                 value,
                                 from,
                                 r == -ERANGE ? "value out of range" : error_get_text(&why, r)) :
                       0;
}

static int load_environment(Config *c, Error *error) {
        int r = 0;

        for (const ConfigKey *k = config_keys; k->name && r >= 0; k++) {
                char variable[FLAG_NAME_MAX];
                const char *value;

                flag_format_variable(k, variable);
                value = *variable ? getenv(variable) : NULL;
                if (!isempty(value))
                        r = set_key(c, k, value, variable, error);
        }
        return r;
}

static int load_options(const Cli *cli, Config *c, Error *error) {
        PAIRS_FOREACH(p, cli->settings) {
                char flag[FLAG_NAME_MAX + 6] = "flag -";
                const ConfigKey *key = config_keys;
                int r;

                while (!streq(key->name, p[0])) /* it is there: take_setting() had it */
                        key++;
                flag_format(key, flag + 6);
                r = set_key(c, key, p[1], flag, error);
                if (r < 0)
                        return r;
        }
        return strv_length(cli->without_effect) > 0 ?
                        strv_extend_strv(&c->without_effect, cli->without_effect) :
                        0;
}

int cli_load_files(const Cli *cli, Config **ret, Error *error) {
        _cleanup_(config_freep) Config *c = NULL;
        const char *path = cli->config_path ?: getenv("CONTAINER_CONFIG");
        const char *dir = cli->config_dir ?: getenv("CONTAINER_CONFIG_DIR");
        int r;

        r = config_new(&c);
        if (r >= 0 && !cli->defaults)
                r = config_load(c, path ?: CONFIG_PATH, path, dir ?: CONFIG_DIR, error);
        if (r >= 0)
                *ret = TAKE_PTR(c);
        return r;
}

int cli_load_config(const Cli *cli, Config **ret, Error *error) {
        _cleanup_(config_freep) Config *c = NULL;
        int r;

        r = cli_load_files(cli, &c, error);
        if (r >= 0 && !cli->defaults)
                r = load_environment(c, error);
        if (r >= 0)
                r = load_options(cli, c, error);
        if (r >= 0)
                *ret = TAKE_PTR(c);
        return r;
}

static const char *argument_of(const ConfigKey *k) {
        static const char *const names[] = {
                [CONFIG_STRING] = "TEXT",    [CONFIG_STRINGS] = "TEXT,…",    [CONFIG_BOOLEAN] = "true|false",
                [CONFIG_INTEGER] = "NUMBER", [CONFIG_DURATION] = "DURATION",
        };

        return names[k->type];
}

static void print_help(void) {
        (void) printf("crio - container runtime service for Kubernetes, on systemd\n\n"
                      "usage: crio [OPTION]… [COMMAND]\n\n"
                      "Without a command it serves the CRI on its socket.\n\nCommands:\n");
        FOREACH_ELEMENT(c, commands)
                if (c->name)
                        (void) printf("  %-10s %s\n", c->name, c->help);
        (void) printf("\nOptions:\n");
        FOREACH_ELEMENT(o, options)
                if (o->help && o->letter)
                        (void) printf("  -%c, --%s%s%s\n        %s\n",
                                      o->letter,
                                      o->name,
                                      o->argument ? " " : "",
                                      strempty(o->argument),
                                      o->help);
        (void) printf("\nKeys of crio.conf, as options:\n");
        for (const ConfigKey *k = config_keys; k->name; k++) {
                char flag[FLAG_NAME_MAX];

                flag_format(k, flag);
                if (*flag)
                        (void) printf("  --%s=%s\n        %s%s\n",
                                      flag,
                                      argument_of(k),
                                      k->help,
                                      k->offset == CONFIG_NO_FIELD ? " (without effect in this version)" :
                                                                     "");
        }
}

/* As CRI-O prints it; what a C program does not have is left out. */
static void print_version(const Cli *c) {
        const struct {
                const char *text, *json, *value;
        } rows[] = {
                { "Version", "version", CRIO_VERSION },
                { "Compiler", "compiler", "gcc-compatible " __VERSION__ },
                { "Platform", "platform", "linux/" CRIO_ARCHITECTURE },
                { "Linkmode", "linkmode", "dynamic" },
        };

        if (c->json) {
                (void) printf("{\n");
                FOREACH_ELEMENT(row, rows)
                        (void) printf("  \"%s\": \"%s\",\n", row->json, row->value);
                (void) printf("  \"seccompEnabled\": false,\n  \"appArmorEnabled\": false\n}");
                return;
        }
        FOREACH_ELEMENT(row, rows)
                (void) printf("%s:%*s%s\n", row->text, (int) (16 - strlen(row->text)), "", row->value);
        (void) printf("SeccompEnabled:  false\nAppArmorEnabled: false\n");
}

static int print_config(const Cli *cli, Error *error) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = cli_load_config(cli, &c, error);
        if (r >= 0)
                r = config_check_values(c, error);
        if (r >= 0)
                r = config_format(c, !cli->defaults, &text);
        if (r < 0)
                return r;
        (void) fputs(text, stdout); /* a full stdout is found by the flush at the end */
        return 0;
}

int cli_run(const Cli *c, Error *error) {
        int r = 0;

        if (c->command == CLI_HELP)
                print_help();
        else if (c->command == CLI_VERSION) {
                if (!c->json)
                        (void) printf("crio version %s\n", CRIO_VERSION);
                print_version(c);
        } else
                r = print_config(c, error);
        if (r >= 0 && fflush(stdout) != 0)
                r = error_set(error,
                              -errno,
                              STATUS_INTERNAL,
                              "write to standard output: %s",
                              STRERROR(errno));
        return r;
}
