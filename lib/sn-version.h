#ifndef LIB_SN_VERSION_H
#define LIB_SN_VERSION_H 1

/* What every program prints for --version, and tells OVS of itself. */

/* Names the program for logs, pid files and control sockets.  First call in
 * main(). */
void sn_program_init(char *argv0);

/* Prints this program's name and version and those of Open vSwitch. */
void sn_version_print(void);

/* "0.1.0" */
const char *sn_version(void);

#endif /* lib/sn-version.h */
