#!/usr/bin/python3
"""An HTTP server that answers with the client's address, one JSON line.

/bytes/N sends N bytes; /drip/N sends a line every 100 ms, N times."""

import http.server
import json
import socket
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind, _, count = self.path.strip("/").partition("/")
        count = int(count) if count.isdigit() else 0
        if kind == "bytes":
            self.head(count)
            chunk = bytes(65536)
            while count > 0:
                self.wfile.write(chunk[:count])
                count -= len(chunk)
        elif kind == "drip":
            self.head(2 * count)
            for _ in range(count):
                self.wfile.write(b".\n")
                time.sleep(0.1)
        else:
            body = json.dumps({"client": self.client(), "path": self.path})
            self.head(len(body) + 1)
            self.wfile.write(body.encode() + b"\n")

    def client(self):
        return self.client_address[0].removeprefix("::ffff:")

    def head(self, length):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.send_header("X-Client", self.client())
        self.end_headers()

    def log_message(self, format, *args):
        print("%s %s" % (self.client(), format % args), flush=True)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    # Else five, which calls of many containers at once overflow.
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super(http.server.HTTPServer, self).server_bind()
        self.server_name, self.server_port = "web", self.server_address[1]


if __name__ == "__main__":
    Server(("::", int(sys.argv[1]) if sys.argv[1:] else 80),
           Handler).serve_forever()
