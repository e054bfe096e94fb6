#include <config.h>

#include "state/lint.h"

#include "openvswitch/compiler.h"

void
lint_model(const struct model *model OVS_UNUSED,
           const struct places *places OVS_UNUSED,
           struct diags *diags OVS_UNUSED)
{
}
