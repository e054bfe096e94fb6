noinst_LTLIBRARIES += cli/libsncli.la
cli_libsncli_la_SOURCES = \
	cli/choose-node.c \
	cli/choose-node.h \
	cli/cmd-containers.c \
	cli/cmd-nodes.c \
	cli/cmd-status.c \
	cli/command.h \
	cli/commands.c \
	cli/output.c \
	cli/output.h \
	cli/problems.c \
	cli/problems.h \
	cli/session.c \
	cli/session.h \
	cli/status-rows.c \
	cli/status-rows.h

bin_PROGRAMS += cli/socknet
cli_socknet_SOURCES = cli/main.c
cli_socknet_LDADD = cli/libsncli.la $(SN_LIBS) $(EXT_LIBS)
