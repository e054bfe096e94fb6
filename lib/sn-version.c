#include <config.h>

#include "lib/sn-version.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "socknet-config.h"
#include "util.h"

void
sn_program_init(char *argv0)
{
    ovs_set_program_name(argv0, SOCKNET_VERSION);
}

void
sn_version_print(void)
{
    printf("%s (socknet) %s\nOpen vSwitch library %s\n",
           program_name, SOCKNET_VERSION, VERSION);
}

void
sn_fatal_config(char *error)
{
    ovs_error(0, "%s", error);
    free(error);
    exit(EX_CONFIG);
}

const char *
sn_version(void)
{
    return SOCKNET_VERSION;
}
