#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "agent/install.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

#define SECURE "fail_mode=secure"
#define IN_BAND "other_config:disable-in-band=true"
#define PROTOCOLS "protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13," \
                  "OpenFlow14,OpenFlow15"
#define ALL SECURE " " IN_BAND " " PROTOCOLS
#define CONDONE "ovs_ports_condone_regex ^(veth|fwln|tap|x-|xr-)"

/* What is in the file, and what it becomes. */
static const struct { const char *before, *after; } rows[] = {
    { "auto vmbr0\niface vmbr0 inet manual\n\tovs_type OVSBridge\n"
      "\tovs_ports eno1\n",
      "auto vmbr0\niface vmbr0 inet manual\n\tovs_type OVSBridge\n"
      "\tovs_extra set bridge vmbr0 " ALL "\n\t" CONDONE "\n"
      "\tovs_ports eno1\n" },
    /* Nothing is missing; dashes are as good as underscores. */
    { "iface vmbr0\n  ovs-type OVSBridge\n  ovs-extra set bridge vmbr0 " ALL
      "\n  ovs-ports-condone-regex ^[a-z]", NULL },
    /* The last word counts. */
    { "iface vmbr0\n  ovs_type OVSBridge\n  " CONDONE "\n"
      "  ovs_extra set bridge vmbr0 " ALL " fail_mode=standalone\n",
      "iface vmbr0\n  ovs_type OVSBridge\n  " CONDONE "\n"
      "  ovs_extra set bridge vmbr0 " ALL " fail_mode=standalone"
      " -- set bridge vmbr0 " SECURE "\n" },
    /* Other stanzas, comments, several ovs_extra, continued lines. */
    { "iface vmbr0 inet6 auto\niface vmbr1\n ovs_type OVSBridge\n"
      " ovs_extra set bridge vmbr1 " ALL "\n#iface vmbr0\n"
      "iface vmbr0 inet manual\n# ovs_extra " ALL "\n ovs_type OVSBridge\n"
      " ovs_extra set bridge vmbr0 " SECURE " \\\n   " IN_BAND "\n"
      " ovs_extra br-set-external-id vmbr0 a b\n " CONDONE "\n"
      "iface eno1\n ovs_type OVSPort\n",
      "iface vmbr0 inet6 auto\niface vmbr1\n ovs_type OVSBridge\n"
      " ovs_extra set bridge vmbr1 " ALL "\n#iface vmbr0\n"
      "iface vmbr0 inet manual\n# ovs_extra " ALL "\n ovs_type OVSBridge\n"
      " ovs_extra set bridge vmbr0 " SECURE " \\\n   " IN_BAND "\n"
      " ovs_extra br-set-external-id vmbr0 a b -- set bridge vmbr0 "
      PROTOCOLS "\n " CONDONE "\n"
      "iface eno1\n ovs_type OVSPort\n" },
    /* Somebody's own pattern stays, also one that only Python reads. */
    { "iface vmbr0\n ovs_type OVSBridge\n ovs_extra set bridge vmbr0 " ALL
      "\n ovs_ports_condone_regex ^(?:bond\\d)\n",
      "iface vmbr0\n ovs_type OVSBridge\n ovs_extra set bridge vmbr0 " ALL
      "\n ovs_ports_condone_regex ^(?:bond\\d)|^(veth|fwln|tap|x-|xr-)\n" },
};

static void
test_edits(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ds text = DS_EMPTY_INITIALIZER, diff = DS_EMPTY_INITIALIZER;
        struct ds again = DS_EMPTY_INITIALIZER, none = DS_EMPTY_INITIALIZER;

        assert_null(install_compute(rows[i].before, "f", NULL, &text, &diff));
        assert_string_equal(ds_cstr(&text), rows[i].after ? rows[i].after
                                                          : rows[i].before);
        assert_int_equal(diff.length > 0, rows[i].after != NULL);
        assert_null(install_compute(ds_cstr(&text), "f", NULL, &again, &none));
        assert_int_equal(none.length, 0);
        ds_destroy(&text);
        ds_destroy(&diff);
        ds_destroy(&again);
        ds_destroy(&none);
    }
}

/* A bridge that exists keeps its MAC address, or one that is written. */
static void
test_mac(void **state)
{
    static const char mac[] = "02:00:00:00:00:01";
    static const char stanza[] = "iface vmbr0\n ovs_type OVSBridge\n " CONDONE
                                 "\n ovs_extra set bridge vmbr0 " ALL;
    struct ds text = DS_EMPTY_INITIALIZER, diff = DS_EMPTY_INITIALIZER;
    struct ds again = DS_EMPTY_INITIALIZER, none = DS_EMPTY_INITIALIZER;
    char *expected = xasprintf("%s -- set bridge vmbr0 "
                               "other_config:hwaddr=\"%s\"\n", stanza, mac);

    assert_null(install_compute(stanza, "f", mac, &text, &diff));
    assert_string_equal(ds_cstr(&text), expected);
    assert_null(install_compute(ds_cstr(&text), "f", "02:00:00:00:00:02",
                                &again, &none));
    assert_int_equal(none.length, 0);
    free(expected);
    ds_destroy(&text);
    ds_destroy(&diff);
    ds_destroy(&again);
    ds_destroy(&none);
}

static void
test_errors(void **state)
{
    static const struct { const char *text, *error; } errors[] = {
        { "", "f has no \"iface vmbr0\"" },
        { "auto vmbr0\n#iface vmbr0\n", "f has no \"iface vmbr0\"" },
        { "source /etc/network/interfaces.d/*\n",
          "f has no \"iface vmbr0\"; if a file that it sources" },
        { "auto lo\niface vmbr0 inet static\n bridge_ports eno1\n",
          "f:2: vmbr0 is no bridge of Open vSwitch" },
        { "iface vmbr0\n ovs_type OVSBridge\n ovs_ports_condone_regex x \\\n"
          " y\n", "f:3: ovs_ports_condone_regex goes on" },
        { "iface vmbr0\n ovs_type OVSBridge \\", "f: the file ends within" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        struct ds text = DS_EMPTY_INITIALIZER, diff = DS_EMPTY_INITIALIZER;
        char *error = install_compute(errors[i].text, "f", NULL, &text,
                                      &diff);

        assert_non_null(error);
        assert_ptr_equal(strstr(error, errors[i].error), error);
        assert_int_equal(text.length, 0);
        free(error);
        ds_destroy(&text);
        ds_destroy(&diff);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
