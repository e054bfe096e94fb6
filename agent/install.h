#ifndef SN_INSTALL_H
#define SN_INSTALL_H 1

/* socknet-agent --install: what /etc/network/interfaces has to say of vmbr0.
 *
 * `ifreload -a` ("Apply Configuration" of Proxmox) first clears the bridge's
 * columns and then runs the stanza's ovs_extra, in one transaction: what
 * stands there stays, without a moment in between.  It also deletes ports that
 * the stanza does not know, but for those that ovs_ports_condone_regex
 * matches. */

#include <stdbool.h>

struct ds;

/* Adds to 'text', the contents of such a file, what is missing.  'mac' is the
 * MAC address that the bridge is to keep, or NULL if it does not exist.
 * Returns NULL, with the new contents in 'ret_text' and the lines that differ
 * in 'ret_diff' (none: nothing is missing), or an error to free that names
 * 'file'. */
char *install_compute(const char *text, const char *file, const char *mac,
                      struct ds *ret_text, struct ds *ret_diff);

/* The command: shows what is missing, and with 'write' writes it, after a copy
 * of the old file.  Returns the exit code: 0, 1 for an error that was printed,
 * 2 if something is missing and was not written. */
int install_run(const char *file, bool write);

#endif /* agent/install.h */
