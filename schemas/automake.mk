dist_pkgdata_DATA += schemas/socknet.ovsschema
EXTRA_DIST += schemas/cache.sql schemas/socknet-idl.ann
