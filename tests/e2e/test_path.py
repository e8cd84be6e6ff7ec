"""Somebody on the path between two real nodes, working on the job's connections while it runs.

A proxy stands before each node's port. It passes TLS links through, and on the connections of the
fabric (first byte A) flips one bit: of a record, of the header, or none (the control).
"""
import socket
import threading

from harness import *

HEADER, REPLY = 108, 72  # docs/protocols/fabric.md


class Proxy:
    """@flip: (direction, offset) of the byte to change on fabric connections, or None."""

    def __init__(self, target, flip):
        self.target = tuple([target.rsplit(":", 1)[0], int(target.rsplit(":", 1)[1])])
        self.flip = flip
        self.fabric = self.flipped = 0
        self.seen = b""  # of the fabric's connections, bounded
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target, timeout=10)
            far.settimeout(None)
            first = near.recv(1, socket.MSG_PEEK)
            fabric = first == b"A"
            self.fabric += fabric
            for direction, (a, b) in enumerate(((near, far), (far, near))):
                threading.Thread(target=self.pump, args=(a, b, direction, fabric), daemon=True).start()

    def pump(self, a, b, direction, fabric):
        at = 0
        try:
            while chunk := a.recv(65536):
                if fabric and len(self.seen) < 1 << 24:
                    self.seen += chunk
                if fabric and self.flip and self.flip[0] == direction:
                    i = self.flip[1] - at
                    if 0 <= i < len(chunk):
                        chunk = chunk[:i] + bytes([chunk[i] ^ 1]) + chunk[i + 1:]
                        self.flipped += 1
                at += len(chunk)
                b.sendall(chunk)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            for s in (a, b):
                s.close()

    def close(self):
        self.listener.close()


class Path(ClusterTest):
    def run_through(self, flip):
        proxies = [Proxy(n.nodes, flip) for n in self.cluster.nodes]
        path = self.cluster.write_job()
        with open(path) as f:
            job = json.load(f)
        for entry, proxy in zip(job["nodes"], proxies):
            entry["node-address"] = proxy.address
        with open(path, "w") as f:
            json.dump(job, f)
        try:
            return self.cluster.avow("run", path), proxies
        finally:
            for p in proxies:
                p.close()

    def test_untouched(self):
        result, proxies = self.run_through(None)
        self.check(result, 0, "COMPLETED")
        self.assertGreater(sum(p.fabric for p in proxies), 0)
        self.assertGreater(sum(len(p.seen) for p in proxies), 10000)

    def test_record_changed(self):
        """One bit of one record: the job ends, and both ends of the connection are named."""
        for direction, start in ((0, HEADER), (1, REPLY)):
            result, proxies = self.run_through((direction, start + 40))
            self.assertGreater(sum(p.flipped for p in proxies), 0)
            self.check(result, 6, "FAILED", "does not authenticate")
            self.assertRegex(result.all, r"between rank \d on node \d and (rank|port) \d+ on node \d")

    def test_header_changed(self):
        result, proxies = self.run_through((0, 60))
        self.assertGreater(sum(p.flipped for p in proxies), 0)
        self.check(result, 6, "FAILED", "does not authenticate")
        self.assertRegex(result.all, r"rank \d on node \d")

    def test_reply_changed(self):
        result, proxies = self.run_through((1, 20))
        self.assertGreater(sum(p.flipped for p in proxies), 0)
        self.check(result, 6, "FAILED", "does not authenticate")


if __name__ == "__main__":
    main()
