/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Cli: the command line of crio.
 *
 * Without a command it is the daemon. Every key of crio.conf is an option and an environment variable, too
 * ("--log-level=debug" and CONTAINER_LOG_LEVEL are crio.runtime.log_level), by the same table.
 */

#include "config/config.h"

typedef enum CliCommand {
        CLI_DAEMON,
        CLI_CONFIG,
        CLI_VERSION,
        CLI_HELP,
        _CLI_COMMAND_MAX,
        _CLI_COMMAND_INVALID = -EINVAL,
} CliCommand;

typedef struct Cli {
        int command;
        const char *config_path; /* NULL: the usual one, which may be missing */
        const char *config_dir;  /* NULL: the usual one */
        char **settings;         /* pairs: name of a key, value */
        char **without_effect;   /* options of CRI-O that do nothing here */
        bool defaults;           /* "crio config --default": of a node without files */
        bool json, verbose;      /* of "crio version" */
} Cli;

void cli_done(Cli *c);

/* @argv: borrowed for as long as the Cli lives. 0, or -EINVAL with a text. */
int cli_parse(int argc, char **argv, Cli *ret, Error *error);

/* The files alone, as a reload reads them. */
int cli_load_files(const Cli *c, Config **ret, Error *error);

/* Files, then environment, then options. */
int cli_load_config(const Cli *c, Config **ret, Error *error);

/* Runs a command that is not the daemon; what it prints goes to stdout. */
int cli_run(const Cli *c, Error *error);
