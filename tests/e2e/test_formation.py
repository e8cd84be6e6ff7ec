"""Attacks on channel and formation, carried out by a hostile client against real daemons."""
import json
import socket
import struct
import subprocess

from harness import *


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


class Formation(ClusterTest):
    node_options = [("hospital-a", "snp", {}), ("hospital-b", "tdx", {})]

    def setUp(self):
        self.clients = {n.name: n.client() for n in self.cluster.nodes}
        for c in self.clients.values():
            self.addCleanup(c.close)
        self.proposed = set()
        self.uuid = str(uuid.uuid4())
        with open(self.cluster.write_policy("formation-policy.yaml")) as f:
            self.policy = canonical(json.load(f))
        self.manifest = canonical({
            "type": "avow/manifest/1", "job": str(uuid.uuid4()), "name": "attack",
            "program": {"name": "train", "size": 4, "sha256": hashlib.sha256(b"true").hexdigest(), "args": []},
            "env": {}, "time_limit_ms": 10000, "outputs_max": 1 << 20,
            "nodes": [{"name": n.name, "tee": n.tee, "ranks": 1, "inputs": []} for n in self.cluster.nodes],
        })

    def tearDown(self):
        for one in self.proposed:
            for c in self.clients.values():
                status, reply = c.call("DELETE", "/v1/mutual-attestation/" + one)
                self.assertIn(status, (200, 404), reply)

    def members(self):
        return [{"name": n.name, "tee": n.tee, "address": n.nodes} for n in self.cluster.nodes]

    def propose(self, **change):
        entries = {}
        for node in self.cluster.nodes:
            body = {"formation": self.uuid, "epoch": 1, "manifest": self.manifest, "policy": self.policy,
                    "member": node.name, "members": self.members()}
            body.update(change)
            status, reply = self.clients[node.name].call("POST", "/v1/mutual-attestation/propose", body)
            self.assertEqual(status, 200, reply)
            self.proposed.add(self.uuid)
            entries[node.name] = reply
        return entries

    def roster(self, entries):
        return {
            "type": "avow/roster/1", "formation": self.uuid, "epoch": 1,
            "manifest": hashlib.sha256(self.manifest.encode()).hexdigest(),
            "policy": hashlib.sha256(self.policy.encode()).hexdigest(),
            "members": [{k: entries[n][k] for k in ("name", "tee", "spki", "x25519", "nonce")} for n in sorted(entries)],
        }

    def send_roster(self, node, roster):
        text = roster if isinstance(roster, str) else canonical(roster)
        return self.clients[node.name].call("POST", "/v1/mutual-attestation/roster",
                                            {"formation": self.uuid, "roster": text})

    def bundles(self, roster):
        got = {}
        for node in self.cluster.nodes:
            status, reply = self.send_roster(node, roster)
            self.assertEqual(status, 200, reply)
            got[node.name] = reply["bundle"]
        return got

    def verify(self, node, bundles):
        status, reply = self.clients[node.name].call("POST", "/v1/mutual-attestation/verify",
                                                     {"formation": self.uuid, "bundles": bundles})
        return status, reply

    def refused_roster(self, change):
        roster = self.roster(self.propose())
        change(roster)
        for node in self.cluster.nodes:
            status, reply = self.send_roster(node, roster)
            self.assertGreaterEqual(status, 400, reply)
            self.assertNotIn("bundle", reply)
            self.assertIn("code", reply["error"])

    def test_honest(self):
        bundles = self.bundles(self.roster(self.propose()))
        for node in self.cluster.nodes:
            status, reply = self.verify(node, bundles)
            self.assertEqual((status, reply["accepted"]), (200, True), reply)
        import threading
        replies = {}

        def confirm(node):
            replies[node.name] = self.clients[node.name].call(
                "POST", "/v1/mutual-attestation/confirm", {"formation": self.uuid})

        threads = [threading.Thread(target=confirm, args=(n,)) for n in self.cluster.nodes]
        [t.start() for t in threads]
        [t.join() for t in threads]
        for name, (status, reply) in replies.items():
            self.assertEqual((status, reply["formed"]), (200, True), (name, reply))

    def test_member_added(self):
        extra = {"name": "zz", "tee": "snp", "spki": "11" * 32, "x25519": "22" * 32, "nonce": "33" * 32}
        self.refused_roster(lambda r: r["members"].append(extra))

    def test_member_renamed(self):
        self.refused_roster(lambda r: r["members"][1].update(name="hospital-c"))

    def test_member_left_out(self):
        self.refused_roster(lambda r: r["members"].pop())

    def test_two_members_with_one_key(self):
        self.refused_roster(lambda r: r["members"][1].update(x25519=r["members"][0]["x25519"]))

    def test_tee_exchanged(self):
        self.refused_roster(lambda r: [m.update(tee="snp") for m in r["members"]] and
                            r["members"][0].update(tee="tdx"))

    def test_manifest_changed(self):
        self.refused_roster(lambda r: r.update(manifest="00" * 32))

    def test_policy_changed(self):
        self.refused_roster(lambda r: r.update(policy="00" * 32))

    def test_other_epoch(self):
        self.refused_roster(lambda r: r.update(epoch=2))

    def test_not_canonical(self):
        roster = json.dumps(self.roster(self.propose()), indent=1)
        status, reply = self.send_roster(self.cluster.nodes[0], roster)
        self.assertEqual(status, 400, reply)

    def test_unsorted(self):
        self.refused_roster(lambda r: r["members"].reverse())

    def test_own_key_exchanged(self):
        """A member's key replaced by the attacker's: that member notices; without it nothing forms."""
        entries = self.propose()
        for victim in (0, 1):
            roster = self.roster(entries)
            roster["members"][victim]["x25519"] = "aa" * 31 + "0a"
            status, reply = self.send_roster(self.cluster.nodes[victim], roster)
            self.assertGreaterEqual(status, 400, reply)

    def test_two_rosters(self):
        """Each node is given a different roster: each refuses the other's evidence."""
        entries = self.propose()
        ours, theirs = self.roster(entries), self.roster(entries)
        ours["members"][1]["nonce"] = "44" * 32
        theirs["members"][0]["nonce"] = "55" * 32
        a, b = self.cluster.nodes
        status, for_a = self.send_roster(a, ours)
        self.assertEqual(status, 200, for_a)
        status, for_b = self.send_roster(b, theirs)
        self.assertEqual(status, 200, for_b)
        bundles = {a.name: for_a["bundle"], b.name: for_b["bundle"]}
        for node, other in ((a, b), (b, a)):
            status, reply = self.verify(node, bundles)
            self.assertEqual((status, reply["accepted"]), (200, False), reply)
            failed = [r["code"] for r in reply["verdicts"][other.name]["reasons"] if not r["passed"]]
            self.assertTrue({"statement", "binding"} & set(failed), failed)
        for node in (a, b):
            status, reply = self.clients[node.name].call("POST", "/v1/mutual-attestation/confirm",
                                                         {"formation": self.uuid})
            self.assertFalse(status == 200 and reply.get("formed"), reply)

    def test_reflected(self):
        """A node is shown its own evidence as its peer's."""
        bundles = self.bundles(self.roster(self.propose()))
        a, b = self.cluster.nodes
        status, reply = self.verify(a, {a.name: bundles[a.name], b.name: bundles[a.name]})
        self.assertFalse(status == 200 and reply["accepted"], reply)

    def test_bundle_of_another_formation(self):
        old = self.bundles(self.roster(self.propose()))
        self.uuid = str(uuid.uuid4())
        new = self.bundles(self.roster(self.propose()))
        a, b = self.cluster.nodes
        status, reply = self.verify(a, {a.name: new[a.name], b.name: old[b.name]})
        self.assertFalse(status == 200 and reply["accepted"], reply)

    def test_channel_bundle_in_formation(self):
        """Evidence made for a channel does not serve for a formation."""
        bundles = self.bundles(self.roster(self.propose()))
        a, b = self.cluster.nodes
        status, reply = self.verify(a, {a.name: bundles[a.name], b.name: self.clients[b.name].bundle})
        self.assertFalse(status == 200 and reply["accepted"], reply)

    def test_flipped_evidence(self):
        bundles = self.bundles(self.roster(self.propose()))
        a, b = self.cluster.nodes
        bundle = json.loads(bundles[b.name])
        evidence = bytearray(base64.b64decode(bundle["evidence"]))
        for at in (60, 100, 300, 500, len(evidence) - 700):
            bad = bytearray(evidence)
            bad[at] ^= 0x10
            bundle["evidence"] = base64.b64encode(bad).decode()
            status, reply = self.verify(a, {a.name: bundles[a.name], b.name: canonical(bundle)})
            self.assertFalse(status == 200 and reply["accepted"], (at, reply))

    def test_missing_bundle(self):
        bundles = self.bundles(self.roster(self.propose()))
        a, b = self.cluster.nodes
        status, reply = self.verify(a, {a.name: bundles[a.name]})
        self.assertFalse(status == 200 and reply["accepted"], reply)

    def test_submit_without_formation(self):
        for formation in (self.uuid, str(uuid.uuid4())):
            if formation == self.uuid:
                self.bundles(self.roster(self.propose()))  # proposed, not verified, not confirmed
            for c in self.clients.values():
                status, reply = c.call("POST", "/v1/job/submit", {"job": str(uuid.uuid4()), "formation": formation})
                self.assertGreaterEqual(status, 400, reply)
                self.assertIn(reply["error"]["code"], ("state", "notfound"))

    def test_report_data_cannot_be_chosen(self):
        client = self.cluster.nodes[0].client()
        self.addCleanup(client.close)
        for extra in ({"report_data": "00" * 64}, {"statement": "{}"}):
            status, reply = client.call("POST", "/v1/attestation/quote", {"nonce": "11" * 32, **extra})
            self.assertEqual(status, 400, reply)

    def test_malformed_bodies(self):
        client = self.clients["hospital-a"]
        for path in ("propose", "roster", "verify", "confirm"):
            for body in ({}, {"formation": 7}, {"formation": "x" * 5000}, {"formation": self.uuid, "roster": []}):
                status, reply = client.call("POST", "/v1/mutual-attestation/" + path, body)
                self.assertIn(status, (400, 404, 409, 413), (path, body, reply))
            status, reply = client.call("POST", "/v1/mutual-attestation/" + path, raw=b"{" * 3000)
            self.assertEqual(status, 400, reply)


class Channel(ClusterTest):
    node_options = [("hospital-a", "snp", {})]

    def stranger(self, name="stranger"):
        path = os.path.join(self.cluster.dir, name + ".pem")
        if not os.path.exists(path):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-subj", "/CN=" + name, "-days", "2", "-keyout", path, "-out", path + ".crt"],
                           check=True, capture_output=True)
            with open(path, "a") as f:
                f.write(open(path + ".crt").read())
        return path

    def test_unknown_client(self):
        for identity in (self.stranger(), "none"):
            client = NodeClient(self.cluster.nodes[0], identity=identity, attest=False)
            for method, path in (("POST", "/v1/attestation/quote"), ("GET", "/v1/jobs"), ("GET", "/v1/metrics")):
                status, reply = client.call(method, path, {"nonce": "11" * 32} if method == "POST" else None)
                self.assertEqual(status, 403, reply)
                self.assertEqual(reply["error"]["code"], "untrusted")
            self.assertEqual(client.call("GET", "/v1/healthz")[0], 200)
            client.close()

    def test_nothing_before_the_quote(self):
        client = NodeClient(self.cluster.nodes[0], attest=False)
        for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/job/submit"), ("POST", "/v1/mutual-attestation/propose")):
            status, reply = client.call(method, path, {} if method == "POST" else None)
            self.assertEqual((status, reply["error"]["code"]), (403, "channel"))
        client.close()

    def test_again_without_quote(self):
        client = NodeClient(self.cluster.nodes[0], attest=False)
        status, reply = client.call("POST", "/v1/attestation/again", {"mac": "00" * 32})
        self.assertEqual((status, reply["error"]["code"]), (403, "auth"))
        status, reply = client.call("GET", "/v1/jobs")
        self.assertEqual(status, 403)
        client.close()

    def raw_tls(self, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if "version" in options:
            context.maximum_version = options["version"]
        if "alpn" in options:
            context.set_alpn_protocols(options["alpn"])
        context.load_cert_chain(self.cluster.identity)
        host, port = options.get("address", self.cluster.nodes[0].api).rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as s:
            with context.wrap_socket(s, session=options.get("session")) as t:
                t.settimeout(10)
                t.sendall(b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                data = t.recv(4096)
                return t.session, t.session_reused, data

    def test_tls_12(self):
        with self.assertRaises((ssl.SSLError, OSError)):
            self.raw_tls(version=ssl.TLSVersion.TLSv1_2, alpn=["avow/1"])

    def test_alpn(self):
        for alpn in (["http/1.1"], ["h2"], ["avow-peer/1"]):
            with self.assertRaises((ssl.SSLError, OSError)):
                self.raw_tls(alpn=alpn)

    def test_no_resumption(self):
        session, _, _ = self.raw_tls(alpn=["avow/1"])
        self.assertFalse(session is not None and session.has_ticket)

    def test_plaintext(self):
        host, port = self.cluster.nodes[0].api.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as s:
            s.sendall(b"GET /v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            s.settimeout(10)
            try:
                data = s.recv(4096)
            except ConnectionResetError:
                data = b""
            self.assertNotIn(b"HTTP/1.1 200", data)

    def test_client_as_node(self):
        """A client that speaks to the node port as if it were a member."""
        with self.assertRaises((ssl.SSLError, OSError, AssertionError)):
            _, _, data = self.raw_tls(alpn=["avow-peer/1"], address=self.cluster.nodes[0].nodes)
            self.assertNotEqual(data, b"")

    def test_fabric_garbage(self):
        """Headers that nobody with the pair's secret made: closed, counted, harmless."""
        host, port = self.cluster.nodes[0].nodes.rsplit(":", 1)
        for blob in (b"A", b"AVF\x01" + b"\0" * 300, b"A" * 5000, b"\0", b"GET / HTTP/1.0\r\n\r\n", struct.pack(">I", 1 << 31)):
            with socket.create_connection((host, int(port)), timeout=10) as s:
                s.settimeout(10)
                try:
                    s.sendall(blob)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
                except (ConnectionError, OSError) as e:
                    self.assertNotIsInstance(e, TimeoutError)
        self.assertEqual(self.cluster.nodes[0].client().call("GET", "/v1/healthz")[0], 200)

    def test_metrics(self):
        client = self.cluster.nodes[0].client()
        status, text = client.call("GET", "/v1/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(text.decode().endswith("# EOF\n"))
        for name in ("avow_request_seconds_count", "avow_quote_seconds_count", "avow_requests_total{"):
            self.assertIn("\n" + name, text.decode())
        self.assertNotIn("seconds_seconds", text.decode())
        client.close()

    def test_openapi(self):
        """Every path of the OpenAPI file answers something else than 404 to an authorised client."""
        text = open(os.path.join(SOURCE, "docs/openapi.yaml")).read()
        client = self.cluster.nodes[0].client()
        status, served = client.call("GET", "/v1/openapi.yaml")
        self.assertEqual((status, served.decode()), (200, text))
        paths, path = [], None
        for line in text.splitlines():
            m = re.match(r"^  (/v1/\S+):\s*$", line)
            if m:
                path = m[1]
            m = re.match(r"^    (get|post|put|delete):", line)
            if m and path:
                paths.append((m[1].upper(), path))
        self.assertGreater(len(paths), 15)
        for method, path in paths:
            if "events" in path:
                continue
            concrete = re.sub(r"\{[^}]*\}", str(uuid.uuid4()), path)
            status, reply = client.call(method, concrete, {} if method in ("POST",) else None,
                                        raw=b"x" if method == "PUT" else None)
            unknown = isinstance(reply, dict) and "no such endpoint" in json.dumps(reply)
            self.assertFalse(unknown, (method, path, status, reply))
        client.close()


if __name__ == "__main__":
    main()
