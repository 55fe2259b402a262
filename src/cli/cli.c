/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

#include "basic/str.h"
#include "config/schema.h"
#include "format/json-field.h"

#define CONFIG_PATH CRIO_SYSCONFDIR "/crio/crio.conf"
#define CONFIG_DIR CRIO_SYSCONFDIR "/crio/crio.conf.d"
#define OPTION_NAME_MAX 64

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
        { 'l', "log-level", "LEVEL", NULL }, /* a key, see below */
        { 'h', "help", NULL, "print this text" },
        { 'v', "version", NULL, "print the version" },
        { 0, "default", NULL, NULL }, /* of "config" */
};

void cli_done(Cli *c) {
        strv_free(c->settings);
        *c = (Cli){ 0 };
}

/* Key of an option: "log-level" is log_level, in whichever table. */
static const ConfigKey *find_key(const char *option, size_t size) {
        char name[OPTION_NAME_MAX];

        if (size >= sizeof(name))
                return NULL;
        for (size_t i = 0; i < size; i++)
                name[i] = option[i] == '-' ? '_' : option[i];
        name[size] = '\0';
        for (const ConfigKey *k = config_keys; k->name; k++)
                if (streq(k->name, name))
                        return k;
        return NULL;
}

/* Name and value of the argument at *i, as "--name=value", "--name value" or "-n value". */
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

static int need_value(int argc, char **argv, int *i, Argument *a, Error *error) {
        if (a->value)
                return 0;
        if (*i + 1 >= argc)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "option %s needs a value",
                                argv[*i]);
        a->value = argv[++*i];
        return 0;
}

static int
take_setting(Cli *c, const ConfigKey *key, int argc, char **argv, int *i, Argument *a, Error *error) {
        int r;

        if (key->type == CONFIG_BOOLEAN && !a->value)
                a->value = "true";
        r = need_value(argc, argv, i, a, error);
        return r < 0 ? r : pairs_set(&c->settings, key->name, a->value);
}

static int take_option(Cli *c, int argc, char **argv, int *i, Error *error) {
        bool is_short = argv[*i][1] != '-';
        const ConfigKey *key;
        Argument a;
        int row, r;

        split_argument(argv[*i], &a);
        row = find_option(&a, is_short);
        key = row >= 0           ? find_key(options[row].name, strlen(options[row].name)) :
                        is_short ? NULL :
                                   find_key(a.name, a.size);
        if (key)
                return take_setting(c, key, argc, argv, i, &a, error);
        if (row < 0)
                return error_set(
                                error,
                                -EINVAL,
                                STATUS_INVALID_ARGUMENT,
                                "unknown option %s, see crio --help",
                                argv[*i]);
        if (streq(options[row].name, "help"))
                c->command = CLI_HELP;
        else if (streq(options[row].name, "version"))
                c->command = CLI_VERSION;
        else if (streq(options[row].name, "default"))
                c->defaults = true;
        else {
                r = need_value(argc, argv, i, &a, error);
                if (r < 0)
                        return r;
                *(streq(options[row].name, "config") ? &c->config_path : &c->config_dir) = a.value;
        }
        return 0;
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
                        "unknown command %s, see crio --help",
                        name);
}

int cli_parse(int argc, char **argv, Cli *ret, Error *error) {
        _cleanup_(cli_done) Cli c = { 0 };
        int r = 0;

        for (int i = 1; i < argc && r >= 0; i++)
                r = argv[i][0] == '-' && argv[i][1] ? take_option(&c, argc, argv, &i, error) :
                                                      take_command(&c, argv[i], error);
        if (r < 0)
                return r;
        *ret = c;
        c = (Cli){ 0 };
        return 0;
}

int cli_load_config(const Cli *cli, Config **ret, Error *error) {
        _cleanup_(config_freep) Config *c = NULL;
        int r;

        r = config_new(&c);
        if (r >= 0 && !cli->defaults)
                r = config_load(c,
                                cli->config_path ?: CONFIG_PATH,
                                cli->config_path,
                                cli->config_dir ?: CONFIG_DIR,
                                error);
        if (r < 0)
                return r;
        PAIRS_FOREACH(p, cli->settings) {
                r = config_set(c, find_key(p[0], strlen(p[0])), p[1], error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
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
                if (o->help)
                        (void) printf("  -%c, --%s%s%s\n        %s\n",
                                      o->letter,
                                      o->name,
                                      o->argument ? " " : "",
                                      strempty(o->argument),
                                      o->help);
        (void) printf("\nKeys of crio.conf, as options:\n");
        for (const ConfigKey *k = config_keys; k->name; k++) {
                (void) printf("  --");
                for (const char *p = k->name; *p; p++)
                        (void) putchar(*p == '_' ? '-' : *p);
                (void) printf("=%s\n        %s\n", argument_of(k), k->help);
        }
}

static int print_config(const Cli *cli, Error *error) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = cli_load_config(cli, &c, error);
        if (r >= 0)
                r = config_format(c, true, &text);
        if (r < 0)
                return r;
        (void) fputs(text, stdout); /* a full stdout is found by the flush at the end */
        return 0;
}

int cli_run(const Cli *c, Error *error) {
        int r = 0;

        if (c->command == CLI_HELP)
                print_help();
        else if (c->command == CLI_VERSION)
                (void) printf("crio version %s\n", CRIO_VERSION);
        else
                r = print_config(c, error);
        if (r >= 0 && fflush(stdout) != 0)
                r = error_set(error,
                              -errno,
                              STATUS_INTERNAL,
                              "write to standard output: %s",
                              STRERROR(errno));
        return r;
}
