#include <config.h>
#include "agent/wg-link.h"

#include <errno.h>

#include "agent/link.h"
#include "agent/wg-process.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(wg_link);

char *
wg_link_make(struct nlk *nlk, struct links *links, const char *name,
             const struct link **ret_link)
{
    int error;

    *ret_link = NULL;
    if (wg_process_starting(name)) {
        return NULL;
    }
    error = link_create(nlk, name, "wireguard");
    if (error == EOPNOTSUPP || error == ENODEV) {
        return wg_process_start(name);
    } else if (error && error != EEXIST) {
        return xasprintf("%s: cannot make the interface: %s", name,
                         ovs_strerror(error));
    }
    VLOG_INFO("%s: made by the kernel's WireGuard", name);
    error = links_read(links, nlk);
    *ret_link = error ? NULL : links_find(links, name);
    return NULL;
}
