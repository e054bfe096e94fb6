#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "command-line.h"
#include "lib/sn-version.h"
#include "openvswitch/vlog.h"
#include "util.h"

static void
print_help(void)
{
    printf("socknet-controller: "
           "compiles policy into OpenFlow and keeps bridges equal to it\n"
           "usage: socknet-controller [OPTION]...\n"
           "\n"
           "  -h, --help      print this help\n"
           "  -V, --version   print the version\n");
}

static void
parse_options(int argc, char *argv[])
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(options);

    for (;;) {
        switch (getopt_long(argc, argv, short_options, options, NULL)) {
        case -1:
            free(short_options);
            return;
        case 'h':
            print_help();
            exit(EXIT_SUCCESS);
        case 'V':
            sn_version_print();
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_FAILURE);
        }
    }
}

int
main(int argc, char *argv[])
{
    sn_program_init(argv[0]);
    parse_options(argc, argv);
    print_help();
    return EXIT_FAILURE;
}
