# Man pages: one line each, dist_man_MANS += docs/NAME.SECTION
dist_man_MANS += docs/socknet.1
dist_man_MANS += docs/socknet-agent.8
dist_man_MANS += docs/socknet-controller.8
dist_man_MANS += docs/socknet-db.5
dist_man_MANS += docs/socknet-relay.8
