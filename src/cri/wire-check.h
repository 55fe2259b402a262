/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Strings of a request as they stand on the wire, before protobuf-c makes C strings of them. For cri/ only.
 */

#include <protobuf-c/protobuf-c.h>

#include "basic/error.h"

/**
 * wire_check() - whether all strings of a message are text that a C string can hold
 * @descriptor:  of the message; its own type must not contain itself
 * @data:        what protobuf-c could unpack
 *
 * protobuf-c takes any bytes for a string and ends it at the first NUL, so "a\0b" would quietly become "a".
 *
 * Return: 0, or -EINVAL (a string is not UTF-8 or has a NUL) with the path of the field in the text.
 * Spec: protocol buffers, language guide (proto3), "string"; encoding, "length-delimited records".
 */
int wire_check(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t size, Error *error);
