"""A proxy between a server and its S3 store that is as bad as stores are at times, and counts what is asked of it.

    with S3Faults(store) as faults:               # store: seaweed.Seaweed; seed: MORAINE_TEST_SEED
        faults.environment                        # of a Moraine process that reaches the store through here
        faults.slow_down = 0.1                    # a tenth of the requests is answered 503 SlowDown and not passed on;
        faults.internal = faults.cut = 0.1        # ... 500 InternalError; their connection is cut;
        faults.lose = 0.1                         # are passed on, and the answer is lost;
        faults.delay = (0.1, 0.5)                 # wait for half a second
        faults.hold(key, "AccessDenied", 3)       # DeleteObjects says so of this key three times, and does not delete it
        faults.hold(key, "", 1)                   # ... deletes it, and does not say so
        faults.calm()                             # from now on all is well
        faults.log                                # requests: when, what, which key, status, bytes that came back

A DeleteObjects of which keys are held back is signed anew with the store's key. Faults follow the seed and the order of requests.
"""
import http.client
import os
import random
import re
import threading
import time
import urllib.parse
import xml.sax.saxutils
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEYS = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


@dataclass
class Asked:
    """One request. what: "DeleteObjects", "CopyObject", "GetObject", ...; key: as it is in the store, without the bucket."""
    when: float
    what: str
    bucket: str
    key: str
    status: int = 0
    received: int = 0
    sent: int = 0
    keys: list[str] = field(default_factory=list)


def what_of(method: str, key: str, query: dict[str, str], copies: bool) -> str:
    if not key:
        return {"GET": "ListObjects", "POST": "DeleteObjects"}.get(method, f"{method} bucket")
    if "uploadId" in query or "uploads" in query:
        return {"PUT": "UploadPartCopy" if copies else "UploadPart", "DELETE": "AbortUpload"}.get(
            method, "StartUpload" if "uploads" in query else "CompleteUpload")
    return {"PUT": "CopyObject" if copies else "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}[method]


def error_body(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>so says the proxy</Message></Error>'.encode()


def text_of(escaped: bytes) -> str:
    return xml.sax.saxutils.unescape(escaped.decode(), {"&quot;": '"', "&apos;": "'", "&#34;": '"', "&#39;": "'"})


class S3Faults:
    def __init__(self, store, seed: int | None = None):
        self.store = store
        self.random = random.Random(int(os.environ.get("MORAINE_TEST_SEED", "1")) if seed is None else seed)
        self.lock = threading.Lock()
        self.log: list[Asked] = []
        self.held: dict[str, list] = {}
        self.each = None  # called with every request that was passed on
        self.calm()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self):
                with suppress(OSError):
                    return super().handle_one_request()
                self.close_connection = True

            def do_GET(self):  # noqa: N802 (as the base class wants it)
                proxy.serve(self)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.port = self.listener.server_address[1]
        self.links = threading.local()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return self.store.environment | {"MORAINE_S3_ENDPOINT": self.endpoint}

    def calm(self):
        with self.lock:
            self.slow_down = self.internal = self.cut = self.lose = 0.0
            self.delay = (0.0, 0.0)
            self.held.clear()

    def hold(self, key: str, code: str, times: int):
        with self.lock:
            self.held[key] = [code, times]

    def forget(self):
        with self.lock:
            self.log = []

    def asked(self, *what: str) -> list[Asked]:
        """Requests of these kinds (all, if none is named), in the order in which they came."""
        with self.lock:
            return [each for each in self.log if not what or each.what in what]

    # -- one request ---------------------------------------------------------------------------------
    def draw(self) -> str:
        """The fault that befalls the next request."""
        with self.lock:
            dice, at = self.random.random(), 0.0
            for name in ("slow_down", "internal", "cut", "lose"):
                at += getattr(self, name)
                if dice < at:
                    return name
            share, seconds = self.delay
            if dice < at + share:
                return f"delay {seconds}"
        return ""

    def serve(self, handler: BaseHTTPRequestHandler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        path, _, query = handler.path.partition("?")
        bucket, _, key = urllib.parse.unquote(path[1:]).partition("/")
        params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        what = what_of(handler.command, key, params, "x-amz-copy-source" in handler.headers)
        asked = Asked(time.monotonic(), what, bucket, key, received=len(body))
        if what == "DeleteObjects":
            asked.keys = [text_of(each) for each in KEYS.findall(body)]
        with self.lock:
            self.log.append(asked)
        fault = self.draw()
        if fault.startswith("delay"):
            time.sleep(float(fault.split()[1]))
        if fault == "cut":
            return self.hang_up(handler)
        if fault in ("slow_down", "internal"):
            code = {"slow_down": "SlowDown", "internal": "InternalError"}[fault]
            return self.answer(handler, asked, 503 if fault == "slow_down" else 500, {"Content-Type": "application/xml"}, error_body(code))
        if what == "DeleteObjects" and self.holds(asked.keys):
            status, headers, answer = self.delete_some(bucket, asked.keys)
        else:
            status, headers, answer = self.pass_on(handler, body)
        if self.each is not None:
            self.each(asked)
        if fault == "lose":
            return self.hang_up(handler)
        self.answer(handler, asked, status, headers, answer)

    def hang_up(self, handler: BaseHTTPRequestHandler):
        handler.close_connection = True
        with suppress(OSError):
            handler.connection.shutdown(2)

    def answer(self, handler: BaseHTTPRequestHandler, asked: Asked, status: int, headers: dict[str, str], body: bytes):
        asked.status = status
        handler.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                handler.send_header(name, value)
        is_head = handler.command == "HEAD"
        length = headers.get("Content-Length", "0") if is_head and status == 200 else str(len(body))
        if status != 204:
            handler.send_header("Content-Length", length)
        handler.end_headers()
        if not is_head and status != 204:
            asked.sent = len(body)
            handler.wfile.write(body)

    def pass_on(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """As it came: the signature is over the Host that the client names, which stays."""
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in ("connection", "expect")}
        for again in (True, False):
            link = getattr(self.links, "link", None)
            if link is None:
                link = self.links.link = http.client.HTTPConnection("127.0.0.1", self.store.port, timeout=60)
            try:
                link.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    link.putheader(name, value)
                link.endheaders(body)
                got = link.getresponse()
                return got.status, dict(got.getheaders()), got.read()
            except (OSError, http.client.HTTPException):
                link.close()
                self.links.link = None
                if not again:
                    return 502, {}, b""
        raise AssertionError

    # -- partial deletes -----------------------------------------------------------------------------
    def holds(self, keys: list[str]) -> bool:
        with self.lock:
            return any(key in self.held for key in keys)

    def delete_some(self, bucket: str, keys: list[str]) -> tuple[int, dict[str, str], bytes]:
        kept: dict[str, str] = {}
        with self.lock:
            for key in keys:
                if key in self.held:
                    code, times = self.held[key]
                    kept[key] = code
                    self.held[key][1] = times - 1
                    if times <= 1:
                        del self.held[key]
        going = [key for key in keys if kept.get(key, "") == ""]
        said = ""
        if going:
            wanted = "".join(f"<Object><Key>{xml.sax.saxutils.escape(key)}</Key></Object>" for key in going)
            status, answer = self.store.request("POST", f"/{bucket}", {"delete": ""}, f"<Delete>{wanted}</Delete>".encode())
            assert status == 200 and b"<Error>" not in answer, (status, answer)
        for key in keys:
            name = xml.sax.saxutils.escape(key)
            if kept.get(key):
                said += f"<Error><Key>{name}</Key><Code>{kept[key]}</Code><Message>so says the proxy</Message></Error>"
            elif key not in kept:
                said += f"<Deleted><Key>{name}</Key></Deleted>"
        return 200, {"Content-Type": "application/xml"}, f"<DeleteResult>{said}</DeleteResult>".encode()

    def __enter__(self):
        self.thread = threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.thread.join()
        self.listener.server_close()
