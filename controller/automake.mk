noinst_LTLIBRARIES += controller/libsncontroller.la
controller_libsncontroller_la_SOURCES = \
	controller/audit.c \
	controller/audit.h \
	controller/bridge-private.h \
	controller/bridge-show.c \
	controller/bridge.c \
	controller/bridge.h \
	controller/election.c \
	controller/election.h \
	controller/flow-bundle.c \
	controller/flow-bundle.h \
	controller/ctl.c \
	controller/ctl.h \
	controller/fleet.c \
	controller/fleet.h \
	controller/install-batch.c \
	controller/install-batch.h \
	controller/install-objects.c \
	controller/install-objects.h \
	controller/install.c \
	controller/install.h \
	controller/ofconn.c \
	controller/ofconn.h \
	controller/ports.c \
	controller/ports.h \
	controller/standby.c \
	controller/standby.h \
	controller/stats.h \
	controller/status.c \
	controller/status.h \
	controller/sweep.c \
	controller/sweep.h \
	controller/undo.c \
	controller/undo.h

sbin_PROGRAMS += controller/socknet-controller
controller_socknet_controller_SOURCES = controller/main.c
controller_socknet_controller_LDADD = \
	controller/libsncontroller.la $(SN_LIBS) $(EXT_LIBS)
