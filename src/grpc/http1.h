/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Http1: HTTP/1.1 connections of a GrpcServer, served inside our loop. For grpc/ only.
 */

#include "grpc/server.h"

typedef struct Http1 Http1;

/* @handler: answers every request. 0 or -ENOMEM. */
int http1_new(sd_event *event, Http1Handler handler, void *userdata, Http1 **ret);
Http1 *http1_free(Http1 *h);

/* @fd: a connected stream socket, owned from here on; nothing was read from it yet. */
void http1_add(Http1 *h, int fd);
