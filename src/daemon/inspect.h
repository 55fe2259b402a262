/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inspect: what HTTP/1.1 clients (cadvisor in the kubelet, people) read on the CRI socket: /info, /config
 * and /containers/ID. Source: crio-surface, "inspect endpoints".
 */

#include "grpc/server.h"

/* Http1Handler; the userdata is the Manager. */
void inspect_handle(const char *path, Http1Reply *reply, void *userdata);
