#ifndef LIB_SN_VERSION_H
#define LIB_SN_VERSION_H 1

/* What every program prints for --version, tells OVS of itself, and ends with
 * when it cannot begin. */

#include "compiler.h"

/* Names the program for logs, pid files and control sockets.  First call in
 * main(). */
void sn_program_init(char *argv0);

/* Prints this program's name and version and those of Open vSwitch. */
void sn_version_print(void);

/* Ends a daemon whose options or files are wrong, with a status (EX_CONFIG)
 * that tells a service manager to wait for the operator instead of starting it
 * again.  Takes ownership of 'error'. */
OVS_NO_RETURN void sn_fatal_config(char *error);

/* "0.1.0" */
const char *sn_version(void);

#endif /* lib/sn-version.h */
