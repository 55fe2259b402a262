/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * NetworkList: the network configuration lists of a directory. For network/ only.
 *
 * A file is a list (.conflist) or a single plugin (.conf, .json), which becomes a list of one. Source: CNI
 * specification 1.0.0, section 1.
 */

#include "format/json-field.h"

/**
 * network_list_load() - the network in force
 * @dir:   its files are looked at in the order of their names; those that make no sense are passed over
 * @name:  of the wanted network, "" for the first one that is not just loopback
 * @ret:   in list form, with a name and 1 to NETWORK_PLUGINS_MAX plugins that have a type
 *
 * Return: 0, -ENOENT with a text (FAILED_PRECONDITION), -ENOMEM.
 */
int network_list_load(const char *dir, const char *name, json_t **ret, Error *error);

/* One file: its text in list form. @path: for the text of errors. 0, -EINVAL with a text, -ENOMEM. */
int network_list_parse(const char *path, const char *text, size_t size, json_t **ret, Error *error);

/* Reads and parses one file. 0 or negative errno with a text that names it. */
int network_list_read_json(const char *path, json_t **ret, Error *error);
