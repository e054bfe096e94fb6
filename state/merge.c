#include <config.h>

#include "state/merge.h"

#include <stdlib.h>
#include "lib/diag.h"
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/schema.h"
#include "util.h"

static void
doc_merge_member(const struct schema *schema, struct doc_value *dst,
                 struct doc_member *member, struct diags *diags)
{
    const struct doc_member *old = doc_find(dst, member->key);

    if (!old) {
        doc_map_put(dst, member->key, &member->key_loc, member->value);
        member->value = NULL;
        return;
    }

    const struct schema *sub = schema_of_member(schema, member->key);
    bool both_maps = old->value->type == DOC_MAP
                     && member->value->type == DOC_MAP;
    bool both_lists = old->value->type == DOC_LIST
                      && member->value->type == DOC_LIST;
    if (sub && both_maps && (sub->type == SCHEMA_MAP
                             || sub->type == SCHEMA_MAP_OF)) {
        doc_merge(sub, old->value, member->value, diags);
    } else if (sub && both_lists && sub->append) {
        for (size_t i = 0; i < member->value->n_elems; i++) {
            doc_list_add(old->value, member->value->elems[i]);
        }
        member->value->n_elems = 0;
    } else {
        char *first = sn_loc_to_string(&old->key_loc);
        diags_add(diags, DIAG_ERROR, &member->key_loc, "keep one of the two",
                  "\"%s\" is written twice, first at %s", member->key, first);
        free(first);
    }
}

void
doc_merge(const struct schema *schema, struct doc_value *dst,
          struct doc_value *src, struct diags *diags)
{
    for (size_t i = 0; i < src->n_members; i++) {
        doc_merge_member(schema, dst, &src->members[i], diags);
    }
}
