/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Server: the calls of crio (peer/iod-protocol.h), on connections of root only.
 *
 * A message that can not be understood ends the connection that it came from and nothing else.
 */

#include "stdio/streams.h"

typedef struct Server {
        Iod iod;
        sd_event *event;
        int listen_fd;
        size_t n_peers;
        bool come_back; /* containers still need us */
} Server;

/* Begins to take connections on listen_fd. */
int server_listen(Server *server);
