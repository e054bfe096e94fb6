noinst_LTLIBRARIES += agent/libsnagent.la
agent_libsnagent_la_SOURCES =

sbin_PROGRAMS += agent/socknet-agent
agent_socknet_agent_SOURCES = agent/main.c
agent_socknet_agent_LDADD = agent/libsnagent.la $(SN_LIBS) $(EXT_LIBS)
