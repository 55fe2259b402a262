/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The conversation between crio and crio-iod: sd-bus, peer to peer, over IOD_SOCKET.
 *
 *   Open(s id, b stdin, b journal, x log_size_max, s log_name, as fields, ah log) -> h, h, ah
 *        Pipes for a container: its ends of stdout and stderr, and of stdin where asked for. log: nothing,
 * or the log file, opened for reading and appending, and with log_size_max its directory, in which it is
 *        log_name. fields: "NAME=value" for the journal. An id that is open is closed first.
 *   SetPid(s id, u pid)     tags journal entries with the unit of the process
 *   Drain(s id) -> t        everything that is in the pipes now is in the log; bytes that came so far
 *   Reopen(s id, h log)     the log file was renamed; this one is in use when the call is answered
 *   Close(s id)             forgets about it
 *   List() -> as            ids that are open
 *
 * All of them may be sent again when the connection was lost before the answer.
 *
 * Errors: IOD_ERROR_UNKNOWN for an id that is not open, IOD_ERROR_FULL when no more containers fit, else the
 * names of System.Error.*.
 */

#define IOD_SOCKET "/run/crio/iod.sock"
#define IOD_PATH "/io/crio/Iod"
#define IOD_INTERFACE "io.crio.Iod1"
#define IOD_ERROR_UNKNOWN "io.crio.Iod1.Unknown"
#define IOD_ERROR_FULL "io.crio.Iod1.Full"
