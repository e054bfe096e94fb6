# Man pages: dist_man_MANS += docs/socknet.1
