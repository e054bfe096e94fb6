# Man pages: one line each, dist_man_MANS += docs/NAME.SECTION
dist_man_MANS += docs/socknet.1
