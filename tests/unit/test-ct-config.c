#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "agent/ct-config.h"
#include "agent/ct-configs.h"
#include "agent/ct-owner.h"
#include "agent/identity.h"
#include "agent/link.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "sset.h"
#include "state/load.h"
#include "state/model.h"
#include "state/port-name.h"
#include "svec.h"
#include "util.h"

static void
test_port_names(void **state)
{
    static const struct { const char *port, *veth, *firewall; } rows[] = {
        { "veth102i0", "veth102i0", "fwln102o0" },
        { "fwln102o0", "veth102i0", NULL },
        { "fwln102o13", "veth102i13", NULL },
        { "veth102", "veth102", NULL },
        { "veth102i0p", "veth102i0p", NULL },
        { "veth0102i0", "veth0102i0", NULL },
        { "fwln102i0", "fwln102i0", NULL },
        { "fwln102o0x", "fwln102o0x", NULL },
        { "fwln+1o0", "fwln+1o0", NULL },
        { "", "", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *veth = port_name_veth(rows[i].port);
        char *firewall = port_name_firewall(rows[i].port);

        assert_string_equal(veth, rows[i].veth);
        assert_true(nullable_string_is_equal(firewall, rows[i].firewall));
        free(veth);
        free(firewall);
    }
    assert_true(port_name_is_transient("veth102i0p"));
    assert_false(port_name_is_transient("veth102i0"));
    assert_false(port_name_is_transient("vethp"));
    assert_true(port_name_is_tap("tap100i0"));
    assert_false(port_name_is_tap("tap0"));
}

/* Names that fit where an interface's does, and that none can have. */
static void
test_unknown_port_names(void **state)
{
    static const struct { const char *id, *name; } rows[] = {
        { "web", ":web" },
        { "fourteen-chars", ":fourteen-chars" },
        { "fifteen-of-them", ":fifte-d1bd283b" },
        { "fifteen-of-those", ":fifte-f991e99b" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *name = port_name_unknown(rows[i].id);

        assert_string_equal(name, rows[i].name);
        assert_true(strlen(name) < 16);
        assert_true(port_name_is_unknown(name));
        free(name);
    }
    assert_false(port_name_is_unknown("veth102i0"));
}

static char *
config_to_string(const struct ct_config *config)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s %s\n", config->id, config->name);
    for (size_t i = 0; i < config->n_nics; i++) {
        const struct ct_nic *nic = &config->nics[i];

        ds_put_format(&ds, "%u %s %s", nic->index,
                      nic->veth ? nic->veth : "-",
                      nic->bridge ? nic->bridge : "-");
        if (nic->has_mac) {
            ds_put_format(&ds, " "ETH_ADDR_FMT, ETH_ADDR_ARGS(nic->mac));
        }
        if (nic->name) {
            ds_put_format(&ds, " name %s", nic->name);
        }
        ds_put_cstr(&ds, nic->is_veth ? "" : " no veth");
        for (size_t j = 0; j < nic->n_addresses; j++) {
            char *s = sn_prefix_to_string(&nic->addresses[j]);
            ds_put_format(&ds, " %s", s);
            free(s);
        }
        ds_put_cstr(&ds, nic->link_down ? " down\n" : "\n");
    }
    return ds_steal_cstr(&ds);
}

static void
check_parse(bool is_pve, const char *text, const char *expected)
{
    struct ct_config *config = ct_config_create("102", "f");

    if (is_pve) {
        pve_conf_parse(text, config);
    } else {
        lxc_conf_parse(text, config, NULL, NULL);
    }

    char *s = config_to_string(config);
    assert_string_equal(s, expected);
    free(s);
    ct_config_destroy(config);
}

static void
test_pve(void **state)
{
    check_parse(true, "", "102 102\n");
    check_parse(true,
        "# net0: name=eth0,bridge=comment\n"
        "arch: amd64\r\n"
        "hostname: xray.example\r\n"
        "net1: name=eth1,bridge=vmbr1,hwaddr=BC:24:11:00:00:03,ip=dhcp,"
        "ip6=auto,link_down=1\n"
        "net0: name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,"
        "hwaddr=BC:24:11:00:00:02,ip=10.0.0.102/24,ip6=fd00::2/64,"
        "type=veth\n"
        "net: x\nnetx0: y\nnet0x: z\n"
        "[pve:pending]\nhostname: pending\n"
        "[snap]\nnet0: name=eth0,bridge=snap,hwaddr=BC:24:11:00:00:99\n",
        "102 xray.example\n"
        "0 veth102i0 vmbr0 bc:24:11:00:00:02 10.0.0.102/24 fd00::2/64\n"
        "1 veth102i1 vmbr1 bc:24:11:00:00:03 down\n");
    check_parse(true, "net0: hwaddr=nonsense,ip=300.0.0.1,,=,ip6=10.0.0.1/8",
                "102 102\n0 veth102i0 -\n");
}

static void
test_lxc(void **state)
{
    check_parse(false,
        "# lxc.net.0.link = comment\n"
        "lxc.uts.name = web\n"
        "lxc.net.0.type = veth\n"
        "lxc.net.0.link=vmbr0\n"
        "lxc.net.0.veth.pair =  vethweb \n"
        "lxc.net.0.hwaddr = 00:16:3e:11:22:33\n"
        "lxc.net.0.ipv4.address = 10.0.0.5/24 10.0.0.255\n"
        "lxc.net.1.hwaddr = 00:16:3e:xx:xx:xx\n"
        "lxc.net.1.ipv6.address = fd00::5/64\n"
        "lxc.net.x.link = no\nlxc.net. = no\n[lxc]\n",
        "102 web\n0 vethweb vmbr0 00:16:3e:11:22:33 10.0.0.5/24\n"
        "1 - - fd00::5/64\n");
    check_parse(false, "lxc.net.0.link = a\nlxc.net =\nlxc.net.3.link = b\n",
                "102 102\n3 - b\n");
    check_parse(false,
        "lxc.net.0.type = macvlan\nlxc.net.0.link = eno1\n"
        "lxc.net.0.name =\n"
        "lxc.net.1.type = veth\nlxc.net.1.name = lan0\n"
        "lxc.net.1.veth.pair = x\nlxc.net.1.veth.pair =\n",
        "102 102\n0 - eno1 no veth\n1 - - name lan0\n");
}

/* Which of a container's devices: by its MAC address, its name in there, or
 * because there is no other on the bridge. */
static void
test_choose_nic(void **state)
{
    static const char two[] =
        "lxc.net.0.link = vmbr0\nlxc.net.0.hwaddr = 00:16:3e:00:00:01\n"
        "lxc.net.1.link = vmbr0\nlxc.net.1.name = lan0\n"
        "lxc.net.2.link = vmbr0\nlxc.net.2.veth.pair = x\n"
        "lxc.net.3.link = vmbr0\nlxc.net.3.type = macvlan\n";
    static const char other[] = "lxc.net.0.link = br1\n"
        "lxc.net.1.link = vmbr0\n";
    static const struct {
        const char *text;
        uint8_t last;           /* Of the MAC address. */
        const char *name;
        int index;              /* -1: none. */
    } rows[] = {
        { two, 1, "eth0", 0 },
        { two, 1, "lan0", 0 },
        { two, 9, "lan0", 1 },
        { two, 9, "eth0", -1 },
        { two, 0, "", -1 },
        { other, 9, "eth0", 1 },
        { "lxc.net.0.link = br1\n", 9, "eth0", -1 },
        { "lxc.net.0.type = veth\n", 9, "eth0", 0 },
        { "lxc.net.0.type = none\n", 9, "eth0", -1 },
        { "", 9, "eth0", -1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ct_config *config = ct_config_create("web", "f");
        struct eth_addr mac = ETH_ADDR_C(00,16,3e,00,00,00);

        lxc_conf_parse(rows[i].text, config, NULL, NULL);
        mac.ea[5] = rows[i].last;
        const struct ct_nic *nic = ct_config_choose_nic(config, "vmbr0", mac,
                                                        rows[i].name);
        if ((nic ? (int) nic->index : -1) != rows[i].index) {
            fail_msg("row %"PRIuSIZE": %d", i, nic ? (int) nic->index : -1);
        }
        ct_config_destroy(config);
    }
}

/* Of several devices, only one is the declared container's port. */
static void
test_which_nic(void **state)
{
    struct ct_config *config = ct_config_create("web", "f");
    struct model_container *c = model_object_create(MODEL_CONTAINER);
    struct ct_owner owner = { .config = config };

    lxc_conf_parse("lxc.net.0.type = macvlan\nlxc.net.1.link = br1\n"
                   "lxc.net.2.link = vmbr0\nlxc.net.3.link = vmbr0\n"
                   "lxc.net.3.hwaddr = 00:16:3e:00:00:03\n", config, NULL,
                   NULL);
    for (int declared = 0; declared < 2; declared++) {
        c->has_hwaddr = declared;
        c->hwaddr = (struct eth_addr) ETH_ADDR_C(00,16,3e,00,00,03);
        for (size_t i = 0; i < config->n_nics; i++) {
            owner.nic = &config->nics[i];
            assert_int_equal(identity_is_nic(c, &owner),
                             i == (declared ? 3 : 2));
        }
        owner.nic = NULL;
        assert_false(identity_is_nic(c, &owner));
    }
    model_object_free(MODEL_CONTAINER, c);
    ct_config_destroy(config);
}

/* A host's files. */

struct fixture {
    char *dir, *pve, *lxc;
    struct ct_configs *configs;
};

static void OVS_PRINTF_FORMAT(3, 4)
put_file(const struct fixture *f, const char *name, const char *format, ...)
{
    char *path = xasprintf("%s/%s", f->dir, name);
    FILE *stream = fopen(path, "w");
    va_list args;

    assert_non_null(stream);
    va_start(args, format);
    vfprintf(stream, format, args);
    va_end(args);
    fclose(stream);
    free(path);
}

static void
make_dir(const struct fixture *f, const char *name)
{
    char *path = xasprintf("%s/%s", f->dir, name);

    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

static int
setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->dir = xstrdup("/tmp/socknet-ct-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->pve = xasprintf("%s/pve", f->dir);
    f->lxc = xasprintf("%s/lxc", f->dir);
    f->configs = ct_configs_create(f->pve, f->lxc);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    char *command = xasprintf("rm -r '%s'", f->dir);

    ct_configs_destroy(f->configs);
    assert_int_equal(system(command), 0);
    free(command);
    free(f->dir);
    free(f->pve);
    free(f->lxc);
    free(f);
    return 0;
}

/* Looks again now, whatever the clock says. */
static bool
look(struct fixture *f)
{
    usleep(210 * 1000);
    ct_configs_set_stale(f->configs);
    return ct_configs_run(f->configs);
}

static void
test_files(void **state)
{
    struct fixture *f = *state;
    struct svec unnamed = SVEC_EMPTY_INITIALIZER;
    const struct ct_nic *nic;

    assert_false(ct_configs_run(f->configs));
    assert_false(ct_configs_is_pve(f->configs));
    make_dir(f, "lxc");
    make_dir(f, "lxc/102");
    make_dir(f, "lxc/web");
    put_file(f, "lxc/102/config", "lxc.net.0.veth.pair = veth102i0\n");
    put_file(f, "lxc/web/config", "lxc.include = %s/common\n"
             "lxc.include = %s/lxc/web/config\n", f->dir, f->dir);
    put_file(f, "common", "lxc.net.0.hwaddr = 00:16:3e:11:22:33\n");
    assert_true(look(f));
    assert_false(look(f));
    assert_non_null(ct_configs_find(f->configs, "102"));

    /* Nobody is the container because he has its MAC address. */
    assert_null(ct_configs_find_veth(f->configs, "vethX", &nic));
    ct_configs_add_unnamed(f->configs, &unnamed);
    assert_int_equal(unnamed.n, 1);
    assert_string_equal(unnamed.names[0], "web");
    svec_destroy(&unnamed);
    /* A file that is included. */
    put_file(f, "common", "lxc.net.0.veth.pair = vethweb\n");
    assert_true(look(f));
    assert_non_null(ct_configs_find_veth(f->configs, "vethweb", &nic));

    /* From here on, numbers are Proxmox's. */
    make_dir(f, "pve");
    make_dir(f, "pve/lxc");
    make_dir(f, "pve/nodes");
    make_dir(f, "pve/nodes/far");
    make_dir(f, "pve/nodes/far/lxc");
    put_file(f, "pve/lxc/103.conf", "net0: bridge=vmbr0\n");
    put_file(f, "pve/lxc/x.conf", "net0: bridge=vmbr0\n");
    put_file(f, "pve/nodes/far/lxc/104.conf", "net0: bridge=vmbr0\n");
    assert_true(look(f));
    assert_true(ct_configs_is_pve(f->configs));
    assert_null(ct_configs_find(f->configs, "102"));
    assert_null(ct_configs_find(f->configs, "x"));
    assert_non_null(ct_configs_find(f->configs, "web"));
    assert_non_null(ct_configs_find_veth(f->configs, "veth103i0", &nic));
    char *elsewhere = ct_configs_pve_elsewhere(f->configs, 104);
    assert_string_equal(elsewhere, "far");
    free(elsewhere);

    /* The cluster's file system goes: nothing changes, but it is told. */
    char *away = xasprintf("%s.away", f->pve);
    struct sset problems = SSET_INITIALIZER(&problems);
    assert_int_equal(rename(f->pve, away), 0);
    assert_true(look(f));
    assert_false(look(f));
    assert_non_null(ct_configs_find(f->configs, "103"));
    ct_configs_add_problems(f->configs, &problems);
    assert_int_equal(sset_count(&problems), 1);
    assert_int_equal(rename(away, f->pve), 0);
    sset_destroy(&problems);
    free(away);
}

/* The state's word, the file's, and what is on the wire. */
static const struct {
    const char *veth, *conf;
    uint8_t last;           /* Of the MAC address seen; 0: none. */
    const char *reason;
    enum ct_end end;
} identities[] = {
    { "veth102i0", "net0: bridge=vmbr0,hwaddr=BC:24:11:00:00:02,"
      "ip=10.0.0.102/24", 2, NULL, CT_END_INSIDE },
    { "veth102i0", "net0: ip=dhcp", 2, "the other end of veth102i0 is "
      "not in the network namespace of container 102's first process",
      CT_END_OUTSIDE },
    { "veth102i0", "net0: ip=dhcp", 0, NULL },
    { "veth102i0", "net0: ip=dhcp", 9,
      "its MAC address is bc:24:11:00:00:09 and hwaddr says "
      "bc:24:11:00:00:02" },
    { "veth102i0", "net0: hwaddr=BC:24:11:00:00:09", 2,
      "its MAC address is bc:24:11:00:00:02 and F says "
      "bc:24:11:00:00:09" },
    { "veth102i0", "net0: hwaddr=BC:24:11:00:00:09", 0,
      "the state's hwaddr is bc:24:11:00:00:02 and F says "
      "bc:24:11:00:00:09" },
    { "veth102i0", "net0: ip=10.0.0.103/24", 0,
      "the state's ipv4_address is 10.0.0.102 and F says 10.0.0.103" },
    { "veth102i0", "net0: bridge=vmbr1", 0,
      "it is plugged into vmbr0 and F says bridge vmbr1" },
    { "veth102i0", "net1: bridge=vmbr0", 0,
      "F has no net0, whose port veth102i0 would be" },
    { "veth102i0", NULL, 0, "there is no F" },
    { "veth103i0", "net0: bridge=vmbr0", 0,
      "veth103i0 is the port of container 103, and the state says that "
      "x is 102" },
    { "veth102", "net0: ip=10.0.0.103/24", 0,
      "F calls its port veth102i0, and the state says veth102" },
};

static void
test_identity(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "mesh: {name: m}\n"
        "nodes: {n: {subnet: 10.0.0.0/24, lxc: {containers: [\n"
        "  {id: '102', veth: %s, hwaddr: 'bc:24:11:00:00:02',\n"
        "   properties: {name: x, ipv4_address: 10.0.0.102/24}}]}}}\n";
    make_dir(f, "pve");
    make_dir(f, "pve/lxc");
    for (size_t i = 0; i < ARRAY_SIZE(identities); i++) {
        char *file = xasprintf("%s/lxc/102.conf", f->pve);
        struct ds yaml = DS_EMPTY_INITIALIZER;
        struct diags diags;
        struct links links;

        unlink(file);
        if (identities[i].conf) {
            put_file(f, "pve/lxc/102.conf", "%s\n", identities[i].conf);
        }
        look(f);
        ds_put_cstr(&yaml, text);
        char *at = strstr(ds_cstr(&yaml), "%s");
        char *whole = xasprintf("%.*s%s%s", (int) (at - ds_cstr(&yaml)),
                                ds_cstr(&yaml), identities[i].veth, at + 2);
        diags_init(&diags);
        links_init(&links);
        struct model *model = state_load_string(whole, "f", NULL, &diags);
        assert_non_null(model);

        struct link link = { .name = CONST_CAST(char *, identities[i].veth),
                             .kind = CONST_CAST(char *, "veth") };
        struct ct_owner owner = { .veth = link.name, .link = &link };
        struct identity id = {
            .container = model_get_container(model, "x"),
            .owner = &owner, .end = identities[i].end,
        };
        if (identities[i].last) {
            id.seen = (struct eth_addr) ETH_ADDR_C(bc,24,11,00,00,00);
            id.seen.ea[5] = identities[i].last;
        }
        owner.config = ct_configs_find_veth(f->configs, identities[i].veth,
                                            &owner.nic);
        char *reason = identity_check(&id, f->configs, &links);
        char *mark = reason ? strstr(reason, file) : NULL;
        char *seen = !mark ? nullable_xstrdup(reason)
                     : xasprintf("%.*sF%s", (int) (mark - reason), reason,
                                 mark + strlen(file));

        if (!nullable_string_is_equal(seen, identities[i].reason)) {
            fail_msg("row %"PRIuSIZE": %s", i, seen ? seen : "(none)");
        }
        free(seen);
        free(reason);
        free(whole);
        free(file);
        ds_destroy(&yaml);
        links_destroy(&links);
        model_destroy(model);
        diags_destroy(&diags);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_names),
        cmocka_unit_test(test_pve),
        cmocka_unit_test(test_unknown_port_names),
        cmocka_unit_test(test_lxc),
        cmocka_unit_test(test_choose_nic),
        cmocka_unit_test(test_which_nic),
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
