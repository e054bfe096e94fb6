dist_pkgdata_DATA += schemas/socknet.ovsschema
EXTRA_DIST += schemas/socknet-idl.ann
