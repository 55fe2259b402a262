/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The conversation between crio and crio-iod: sd-bus, peer to peer, over IOD_SOCKET.
 *
 *   Open(s id, h log_dir, s log_name, b stdin, x log_size_max, b journal, as fields) -> hhh
 *        Pipes for a container; the three descriptors are the container's ends (stdin, stdout, stderr). An
 * id that is open is closed first: it belonged to a creation that failed. log_name "": no log. fields:
 * "NAME=value" for the journal. SetPid(s id, u pid)         tags journal entries with the unit of the
 * process Drain(s id) -> t            everything that is in the pipes now is in the log; number of bytes
 * written so far Reopen(s id)                the log file was renamed; a new one is in use when this is
 * answered Close(s id)                 forgets about it List() -> as                ids that are open
 *
 * Errors: IOD_ERROR_UNKNOWN for an id that is not open, else the names of System.Error.*.
 */

#define IOD_SOCKET "/run/crio/iod.sock"
#define IOD_PATH "/io/crio/Iod"
#define IOD_INTERFACE "io.crio.Iod1"
#define IOD_ERROR_UNKNOWN "io.crio.Iod1.Unknown"
