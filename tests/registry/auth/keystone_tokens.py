"""The authenticator against a real Keystone: tokens that are good, wrong, revoked and expired; services; an outage; how
often it asks. Usage: keystone_tokens.py REGISTRY_AUTHENTICATE FOLDER_OF_KEYSTONE_PY"""

import http.client
import http.server
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, sys.argv[2])
from keystone import HOST, SERVICE_PASSWORD, Keystone  # noqa: E402


class Counter(http.server.BaseHTTPRequestHandler):
    """Hands requests on to Keystone and counts those that ask about tokens."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked += 1
        self.forward()

    def do_POST(self):
        self.forward()

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection(HOST, self.server.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
        except OSError:  # an outage: this end goes away without a word, too
            self.close_connection = True
            return
        content = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "X-Subject-Token"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Authenticator:
    def __init__(self, config):
        self.process = subprocess.Popen([sys.argv[1], config], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def end(self):
        return self.process.communicate()[1]


def expect(found, pattern, what):
    if not re.fullmatch(pattern, found):
        sys.exit(f"{what}: found '{found}', expected '{pattern}'")
    print(f"{what}: {found.split(' ')[0]}")


def main():
    secrets = [SERVICE_PASSWORD]
    with tempfile.TemporaryDirectory() as folder, Keystone(pathlib.Path(folder) / "keystone") as keystone:
        proxy = http.server.ThreadingHTTPServer((HOST, 0), Counter)
        proxy.asked, proxy.upstream = 0, keystone.port
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        text = keystone.configuration().replace(f"auth_url = http://{HOST}:{keystone.port}",
                                                f"auth_url = http://{HOST}:{proxy.server_port}")

        def authenticator(**options):
            config = pathlib.Path(folder) / "glance-api.conf"
            lines = "".join(f"{name} = {value}\n" for name, value in options.items())
            config.write_text(f"{text}[keystone_authtoken]\n{lines}")
            return Authenticator(config)

        def without_memory(authenticator, token):
            """Wherever memory is short, the next one who asks gets an answer."""
            nth, short = 0, ""
            while short != "200":
                nth += 1
                short = authenticator.ask(f"f{nth}", token)
                found = authenticator.ask(token)
                if not re.fullmatch(as_demo, found):
                    sys.exit(f"behind allocation {nth}, which failed: {found}")
            expect(str(nth > 20), "True", "behind every allocation that may fail")

        def token(user):
            secrets.append(keystone.token(user))
            return secrets[-1]

        unauthorized = re.escape(f'401 Keystone uri="http://{HOST}:{keystone.port}"')
        demo = token("demo")
        as_demo = f"200 {keystone.users['demo']} {keystone.projects['demo']} (member,reader|reader,member) user"
        caching = authenticator()
        expect(caching.ask("x20", demo), as_demo, "twenty at once")
        expect(caching.ask(demo), as_demo, "a user")
        expect(str(proxy.asked), "1", "asked once")
        expect(caching.ask(token("admin")), "200 .* admin", "an administrator")
        expect(caching.ask("-"), unauthorized, "no token")
        expect(caching.ask("nonsense"), unauthorized, "a wrong token")
        asked = proxy.asked
        expect(caching.ask("nonsense"), unauthorized, "a wrong token again")
        expect(str(proxy.asked - asked), "0", "not asked again")
        expect(caching.ask(demo, token("glance")), as_demo, "beside a service's token")
        expect(caching.ask(demo, "nonsense"), unauthorized, "beside a wrong service's token")
        revoked = token("demo")
        expect(caching.ask(revoked), as_demo, "not yet revoked")
        keystone.revoke(revoked)
        forgetful = authenticator(token_cache_time=0)
        expect(forgetful.ask(revoked), unauthorized, "revoked")
        expect(caching.ask(revoked), as_demo, "revoked, but remembered")
        strict = authenticator(service_token_roles_required="true")
        expect(strict.ask(demo, token("nova")), as_demo, "beside a token with the service's role")
        expect(strict.ask(demo, token("demo_reader")), unauthorized, "beside a token without it")
        without_memory(forgetful, demo)
        with socket.create_server((HOST, 0)) as silent:
            waiting = authenticator(auth_url=f"http://{HOST}:{silent.getsockname()[1]}", http_connect_timeout=2)
            began = time.monotonic()
            expect(waiting.ask("d8", "token"), "503 -", "Keystone says nothing")
            expect(str(time.monotonic() - began < 8), "True", "and all find out at once")
        fresh = token("alt_demo")
        keystone.stop()
        expect(caching.ask(fresh), "503 -", "Keystone is away")
        expect(caching.ask(demo), as_demo, "but this one is remembered")
        keystone.shorten_tokens(6)
        keystone.start()
        expect(caching.ask(fresh), "200 .*", "Keystone is back")
        short, service = token("demo"), token("nova")
        expect(caching.ask(short), as_demo, "a token of six seconds")
        expect(caching.ask(short, service), as_demo, "beside a service's of six seconds")
        time.sleep(7)
        expect(caching.ask(short), unauthorized, "expired, though remembered")
        expect(forgetful.ask(short), unauthorized, "expired, and asked")
        expect(caching.ask(short, token("nova")), as_demo, "expired, beside a service's that counts")
        expect(caching.ask(short, service), unauthorized, "expired, beside a service's that has expired, too")
        expect(caching.ask(demo, service), unauthorized, "beside a service's that has expired")
        capitals = authenticator(service_token_roles="Service", service_token_roles_required="true")
        expect(capitals.ask(demo, token("nova")), as_demo, "beside a service's whose role is written in capitals")
        said = "".join(one.end() for one in (caching, forgetful, strict, waiting, capitals))
        proxy.shutdown()
        proxy.server_close()
    expect(str("the identity service is away" in said or "HTTP" in said), "True", "the outage is told")
    expect(str([secret for secret in secrets if secret in said]), r"\[\]", "no secret is told")


main()
