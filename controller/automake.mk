noinst_LTLIBRARIES += controller/libsncontroller.la
controller_libsncontroller_la_SOURCES =

sbin_PROGRAMS += controller/socknet-controller
controller_socknet_controller_SOURCES = controller/main.c
controller_socknet_controller_LDADD = \
	controller/libsncontroller.la $(SN_LIBS) $(EXT_LIBS)
