noinst_LTLIBRARIES += cli/libsncli.la
cli_libsncli_la_SOURCES =

bin_PROGRAMS += cli/socknet
cli_socknet_SOURCES = cli/main.c
cli_socknet_LDADD = cli/libsncli.la $(SN_LIBS) $(EXT_LIBS)
