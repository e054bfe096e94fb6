noinst_LTLIBRARIES += agent/libsnagent.la
agent_libsnagent_la_SOURCES = \
	agent/addr.c agent/addr.h \
	agent/agent.c agent/agent.h \
	agent/agent-cleanup.c \
	agent/agent-paths.c \
	agent/agent-private.h \
	agent/agent-services.c \
	agent/agent-status.c \
	agent/agent-test.c \
	agent/backend-probe.c agent/backend-probe.h \
	agent/backend-watch.c agent/backend-watch.h \
	agent/bridge.c agent/bridge.h \
	agent/bridge-guard.c agent/bridge-guard.h \
	agent/central.c agent/central.h \
	agent/child.c agent/child.h \
	agent/ct-config.c agent/ct-config.h \
	agent/ct-configs.c agent/ct-configs.h \
	agent/ct-count.c agent/ct-count.h \
	agent/ct-inits.c agent/ct-inits.h \
	agent/ct-owner.c agent/ct-owner.h \
	agent/discover.c agent/discover.h \
	agent/discover-ids.c \
	agent/dns-clients.c agent/dns-clients.h \
	agent/dns-forward.c agent/dns-forward.h \
	agent/dns-message.c agent/dns-message.h \
	agent/dns-server.c agent/dns-server.h \
	agent/dns-sock.c agent/dns-sock.h \
	agent/dns-zone.c agent/dns-zone.h \
	agent/exit-device.c agent/exit-device.h \
	agent/exit-health.c agent/exit-health.h \
	agent/exit-probe.c agent/exit-probe.h \
	agent/exit-profile.c agent/exit-profile.h \
	agent/exit-test.c agent/exit-test.h \
	agent/exit-sources.c agent/exit-sources.h \
	agent/guest-pools.c agent/guest-pools.h \
	agent/exit-tunnels.c agent/exit-tunnels.h \
	agent/exit-watch.c agent/exit-watch.h \
	agent/exits.c agent/exits.h \
	agent/guests.c agent/guests.h \
	agent/handover.c agent/handover.h \
	agent/host.c agent/host.h \
	agent/identity.c agent/identity.h \
	agent/install.c agent/install.h \
	agent/keyring.c \
	agent/keys.c agent/keys.h \
	agent/link.c agent/link.h \
	agent/lxc-conf.c \
	agent/mesh.c agent/mesh.h \
	agent/names.c agent/names.h \
	agent/nft.c agent/nft.h \
	agent/nft-exit.c agent/nft-exit.h \
	agent/nft-guests.c agent/nft-guests.h \
	agent/nft-host.c agent/nft-host.h \
	agent/nft-services.c agent/nft-services.h \
	agent/nft-text.c \
	agent/nlk.c agent/nlk.h \
	agent/node-watch.c agent/node-watch.h \
	agent/paths.c agent/paths.h agent/paths-private.h \
	agent/path-probe.c \
	agent/path-relay.c \
	agent/path-run.c \
	agent/plan-guests.c \
	agent/plan.c agent/plan.h \
	agent/plan-exit.c agent/plan-exit.h \
	agent/plan-host.c agent/plan-host.h \
	agent/plan-services.c agent/plan-services.h \
	agent/plan-socks.c \
	agent/plugs.c agent/plugs.h \
	agent/psk.c agent/psk.h \
	agent/reopen.c agent/reopen.h \
	agent/probe.c agent/probe.h \
	agent/probe-message.c agent/probe-message.h \
	agent/relay.c agent/relay.h \
	agent/relay-conf.c agent/relay-conf.h \
	agent/relay-sock.c agent/relay-sock.h \
	agent/relay-switch.c agent/relay-switch.h \
	agent/rendezvous.c agent/rendezvous.h \
	agent/pve-conf.c \
	agent/queues.c \
	agent/queues.h \
	agent/resolve.c agent/resolve.h \
	agent/rotation.c agent/rotation.h \
	agent/requests.c agent/requests.h \
	agent/request-connections.c agent/request-private.h \
	agent/route.c agent/route.h \
	agent/route-lookup.c agent/route-lookup.h \
	agent/rule.c agent/rule.h \
	agent/socks.c agent/socks.h \
	agent/socks-process.c agent/socks-process.h \
	agent/stats.c agent/stats.h \
	agent/sysctl.c agent/sysctl.h \
	agent/trace.c agent/trace-bridge.c agent/trace-host.c \
	agent/trace-tunnel.c agent/trace-private.h \
	agent/vswitch.c agent/vswitch.h \
	agent/vswitchd-call.c agent/vswitchd-call.h \
	agent/wg.c agent/wg.h \
	agent/wg-device.c \
	agent/wg-link.c agent/wg-link.h \
	agent/wg-netlink.c agent/wg-netlink.h \
	agent/wg-process.c agent/wg-process.h \
	agent/wg-uapi.c agent/wg-uapi.h

sbin_PROGRAMS += agent/socknet-agent
agent_socknet_agent_SOURCES = agent/main.c
agent_socknet_agent_LDADD = agent/libsnagent.la $(SN_LIBS) $(EXT_LIBS)

sbin_PROGRAMS += agent/socknet-relay
agent_socknet_relay_SOURCES = \
	agent/relay-client.c \
	agent/relay-conn.c agent/relay-conn.h \
	agent/relay-main.c \
	agent/relay-server.c agent/relay-server.h
agent_socknet_relay_LDADD = agent/libsnagent.la $(SN_LIBS) $(EXT_LIBS)
