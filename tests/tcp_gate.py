"""A gate between a server and its database: forwards bytes on this machine, and cuts connections when told to.

  with Gate(database.port) as gate: ... gate.port ...; gate.cut_at(3): the third packet from now on is swallowed, in
  either direction, and its connection is cut; gate.cut(): all connections are.
"""
import selectors
import socket
import threading
from contextlib import suppress

MOST_BYTES = 1 << 16


class Gate:
    def __init__(self, target_port: int):
        self.target = ("127.0.0.1", target_port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.bell, self.ring = socket.socketpair()
        self.selector.register(self.bell, selectors.EVENT_READ)
        self.lock = threading.Lock()
        self.others: dict[socket.socket, socket.socket] = {}
        self.packets = 0
        self.cut_packet: int | None = None
        self.has_cut = False
        self.wants_cut = False
        self.is_open = True
        self.thread = threading.Thread(target=self.forward, daemon=True)

    def url(self, database_url: str) -> str:
        """The database's URL, by way of the gate."""
        return database_url.replace(f":{self.target[1]}/", f":{self.port}/")

    def count(self):
        """Counts packets from now on and cuts none."""
        with self.lock:
            self.packets, self.cut_packet, self.has_cut = 0, None, False

    def cut_at(self, packet: int):
        with self.lock:
            self.packets, self.cut_packet, self.has_cut = 0, packet, False

    def cut(self):
        with self.lock:
            self.wants_cut = True
        self.ring.send(b"!")

    # -- the thread ----------------------------------------------------------------------------------
    def forward(self):
        while self.is_open:
            for key, _ in self.selector.select(1):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.bell:
                    self.bell.recv(MOST_BYTES)
                    self.obey()
                elif key.fileobj in self.others:
                    self.pass_on(key.fileobj)
        self.obey(always=True)

    def accept(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(self.target, 5)
        except OSError:
            client.close()
            return
        for here, there in ((client, server), (server, client)):
            here.settimeout(5)
            here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.others[here] = there
            self.selector.register(here, selectors.EVENT_READ)

    def pass_on(self, here: socket.socket):
        there = self.others[here]
        try:
            packet = here.recv(MOST_BYTES)
            if packet and not self.swallows():
                there.sendall(packet)
                return
        except OSError:
            pass
        self.end(here)

    def swallows(self) -> bool:
        with self.lock:
            self.packets += 1
            if self.packets != self.cut_packet:
                return False
            self.has_cut = True
            return True

    def obey(self, always: bool = False):
        with self.lock:
            cuts, self.wants_cut = self.wants_cut or always, False
        if cuts:
            for here in list(self.others):
                self.end(here)

    def end(self, here: socket.socket):
        there = self.others.pop(here, None)
        if there is None:
            return
        self.others.pop(there, None)
        for each in (here, there):
            with suppress(KeyError):
                self.selector.unregister(each)
            each.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_open = False
        self.ring.send(b"!")
        self.thread.join()
        for each in (self.listener, self.bell, self.ring):
            each.close()
        self.selector.close()
