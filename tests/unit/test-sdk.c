/* What every other part relies on in the Open vSwitch library that we build:
 * both IDLs, OpenFlow 1.5, TLS, and its choice of paths. */

#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dirs.h"
#include "lib/sn-version.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-parse.h"
#include "ovsdb-idl-provider.h"
#include "ovsdb-sync/socknet-idl.h"
#include "stream-ssl.h"
#include "util.h"
#include "vswitch-idl.h"

static void
test_idls(void **state OVS_UNUSED)
{
    assert_string_equal(sndb_idl_class.database, "Socknet");
    assert_string_equal(ovsrec_idl_class.database, "Open_vSwitch");
}

static void
test_flow_parses(void **state OVS_UNUSED)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_flow_mod_str(
        &fm, "table=3,ip,nw_dst=10.0.0.0/24,actions=ct(table=4,zone=7)",
        NULL, NULL, OFPFC_ADD, &usable);

    assert_null(error);
    assert_int_equal(fm.table_id, 3);
    assert_true(usable & OFPUTIL_P_OF15_OXM);
    minimatch_destroy(&fm.match);
    free(CONST_CAST(struct ofpact *, fm.ofpacts));
}

static void
test_tls_is_there(void **state OVS_UNUSED)
{
    assert_true(stream_ssl_is_configured() == false);
#ifndef HAVE_OPENSSL
    fail_msg("the library was built without OpenSSL");
#endif
}

static void
test_paths_are_debians(void **state OVS_UNUSED)
{
    assert_string_equal(ovs_rundir(), "/var/run/openvswitch");
    assert_string_equal(ovs_pkgdatadir(), "/usr/share/openvswitch");
    assert_string_not_equal(sn_version(), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idls),
        cmocka_unit_test(test_flow_parses),
        cmocka_unit_test(test_tls_is_there),
        cmocka_unit_test(test_paths_are_debians),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
