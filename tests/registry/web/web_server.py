"""A web server that does what the path says, right or wrong. Serves the files of FOLDER on ports 80, 8080 and, with TLS
and FOLDER's certificate.pem and key.pem, 443. Connections and requests go to connections.log and requests.log there.
Usage: web_server.py FOLDER

/file/NAME      with ranges, an ETag, keep-alive
/plain/NAME     the same without ranges
/chunked/NAME   in chunks, without a length
/until-close/NAME   without a length, up to the end of the connection
/cut/NAME       with a length of 1000 more than come
/cut-chunks/NAME    in chunks, without the last one
/long/NAME      with a length of 100 less than come
/other-range/NAME   ranges are one byte beside what was asked for
/changing/NAME  another ETag each time
/growing/NAME   another length each time, in answers to ranges
/echo           what was asked, as JSON
/to/CODE?URL    a redirect, to URL with its %XX replaced
/loop           a redirect to itself
/status/CODE    an answer of that status
/drip           a byte now and then, without an end
/drip-head      a header that comes so
/silent         no answer
/endless        zeros without an end
/endless-head   a header without an end
/endless-continue   answers 100 without an end
/garbage        no HTTP
/old            HTTP/0.9
"""

import http.server
import json
import pathlib
import re
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

FOLDER = pathlib.Path(sys.argv[1])
LOG = threading.Lock()


def log(name, line):
    with LOG, open(FOLDER / name, "a") as file:
        file.write(line + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def setup(self):
        log("connections.log", "%s:%d" % self.request.getsockname()[:2])
        super().setup()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        log("requests.log", f"{self.command} {path} {self.headers.get('Range', '')}".rstrip())
        what, _, name = path.strip("/").partition("/")
        method = getattr(self, "do_" + what.replace("-", "_"), None)
        try:
            method(name, query) if method else self.send_status(404)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_HEAD = do_GET

    def send_status(self, status, *headers, content=b""):
        self.send_response_only(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def content(self, name):
        return (FOLDER / name).read_bytes()

    def range_of(self, size):
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return None
        first = int(match[1])
        return first, min(int(match[2]) if match[2] else size - 1, size - 1)

    def do_file(self, name, _query, etag='"1"', shift=0, more=0):
        content = self.content(name)
        asked = self.range_of(len(content))
        if asked is None:
            self.send_status(200, ("ETag", etag), ("Accept-Ranges", "bytes"), content=content)
            return
        first, last = asked
        if first >= len(content):
            self.send_status(416, ("Content-Range", f"bytes */{len(content)}"))
            return
        self.send_status(206, ("ETag", etag),
                         ("Content-Range", f"bytes {first + shift}-{last + shift}/{len(content) + more}"),
                         content=content[first:last + 1])

    def do_plain(self, name, _query):
        self.send_status(200, content=self.content(name))

    def do_other_range(self, name, query):
        self.do_file(name, query, shift=1, more=1)

    def do_changing(self, name, query):
        Handler.asked += 1
        self.do_file(name, query, etag=f'"{Handler.asked}"')

    def do_growing(self, name, query):
        Handler.asked += 1
        self.do_file(name, query, more=Handler.asked)

    def send_chunks(self, content, end):
        self.send_response_only(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(content), 10000):
            piece = content[at:at + 10000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(end)

    def do_chunked(self, name, _query):
        self.send_chunks(self.content(name), b"0\r\nTrailer-Field: 1\r\n\r\n")

    def do_cut_chunks(self, name, _query):
        self.send_chunks(self.content(name), b"")
        self.close_connection = True

    def send_with_length(self, content, length):
        self.send_response_only(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def do_until_close(self, name, _query):
        self.send_with_length(self.content(name), None)

    def do_cut(self, name, _query):
        content = self.content(name)
        self.send_with_length(content, len(content) + 1000)

    def do_long(self, name, _query):
        content = self.content(name)
        self.send_with_length(content, len(content) - 100)

    def do_echo(self, _name, _query):
        asked = {"path": self.path, "headers": {key.lower(): value for key, value in self.headers.items()}}
        self.send_status(200, ("Set-Cookie", "a=b"), content=json.dumps(asked).encode())

    def do_to(self, code, query):
        self.send_status(int(code), ("Location", urllib.parse.unquote(query)), ("Set-Cookie", "a=b"), content=b"elsewhere" * 5000)

    def do_loop(self, _name, _query):
        self.send_status(302, ("Location", "/loop"))

    def do_status(self, code, _query):
        self.send_status(int(code), content=b"what a server says")

    def forever(self, head, piece, pause=0.0):
        self.wfile.write(head)
        self.wfile.flush()
        while True:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(pause)

    def do_drip(self, _name, _query):
        self.forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.05)

    def do_drip_head(self, _name, _query):
        self.forever(b"HTTP/1.1 200 OK\r\nA: ", b"x", 0.05)

    def do_silent(self, _name, _query):
        self.rfile.read(1)
        self.close_connection = True

    def do_endless(self, _name, _query):
        self.forever(b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536))

    def do_endless_head(self, _name, _query):
        self.forever(b"HTTP/1.1 200 OK\r\n", b"Name: " + b"x" * 1000 + b"\r\n")

    def do_endless_continue(self, _name, _query):
        self.forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n")

    def do_garbage(self, _name, _query):
        self.wfile.write(bytes(range(256)) * 100)
        self.close_connection = True

    def do_old(self, _name, _query):
        self.wfile.write(b"an answer as of old\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


class SecureServer(Server):
    def finish_request(self, request, client_address):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(FOLDER / "certificate.pem", FOLDER / "key.pem")
        with context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)


def main():
    for port, kind in ((80, Server), (8080, Server), (443, SecureServer)):
        server = kind(("0.0.0.0", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write("+")
    sys.stdout.flush()
    sys.stdout.close()
    sys.stdin.buffer.read()  # until whoever started it is gone


main()
