#!/usr/bin/env python3
"""Starts the example server and drives it: many requests at once, deadlines, clients that go away, SIGTERM.

usage: drive_server.py SERVER
"""
import concurrent.futures
import http.client
import json
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

models = pathlib.Path(__file__).resolve().parent.parent / "Models"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def npy(shape, data):
    """A .npy file of float32."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def payload(data):
    """The bytes behind the header of a .npy file."""
    return data[10 + struct.unpack("<H", data[8:10])[0]:]


class Server:
    def __init__(self, program, model):
        self.port = free_port()
        self.process = subprocess.Popen([program, str(models / model / f"{model}.onnx"), str(self.port), "opencl:cpu"])
        for _ in range(600):
            try:
                self.health()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"the server ended with {self.process.returncode}")
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def health(self):
        status, body = self.request("GET", "/health")
        assert status == 200, status
        return json.loads(body)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert status == 0, f"exit status {status} after SIGTERM"


def check_answers(server):
    images = payload((models / "digits/heldout-images.npy").read_bytes())
    labels = payload((models / "digits/heldout-labels.npy").read_bytes())
    labels = struct.unpack(f"<{len(labels) // 8}q", labels)

    def classify(index):
        body = npy((1, 1, 8, 8), images[index * 256:(index + 1) * 256])
        status, answer = server.request("POST", "/infer", body)
        assert status == 200, (status, answer)
        probabilities = struct.unpack("<10f", payload(answer))
        return max(range(10), key=probabilities.__getitem__)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(classify, range(len(labels))))
        again = list(pool.map(classify, range(len(labels))))
    assert found == again, "answers change"
    right = sum(a == b for a, b in zip(found, labels))
    assert right > 0.97 * len(labels), f"{right} of {len(labels)} are right"
    print(f"{2 * len(labels)} requests from 16 clients, {right} of {len(labels)} right")


def check_refusals(server):
    for body in [b"", b"no array", npy((1, 1, 8, 8), b"\0" * 255), npy((1, 3, 8, 8), b"\0" * 768)]:
        status, answer = server.request("POST", "/infer", body)
        assert status == 400 and json.loads(answer)["error"]["message"], (status, answer)
    status, _ = server.request("POST", "/infer?timeout=-1", npy((1, 1, 8, 8), b"\0" * 256))
    assert status == 400, status
    status, _ = server.request("POST", "/infer?timeout=0", npy((1, 1, 8, 8), b"\0" * 256))
    assert status == 504, status
    print("wrong bodies get 400, a passed deadline gets 504")


def wait_for(server, condition, what):
    for _ in range(600):
        counts = server.health()
        if condition(counts):
            return counts
        time.sleep(0.05)
    raise AssertionError(f"{what}: {server.health()}")


def check_cancellation(server):
    body = npy((24, 3, 224, 224), b"\0" * (24 * 3 * 224 * 224 * 4))
    status, _ = server.request("POST", "/infer", body)
    assert status == 200, status
    before = server.health()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(f"POST /infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_for(server, lambda counts: counts["inFlight"] == 1, "the request does not start")
    counts = wait_for(server, lambda counts: counts["inFlight"] == 0, "the request does not end")
    assert counts["cancelled"] == before["cancelled"] + 1, (before, counts)
    assert counts["answered"] == before["answered"], (before, counts)
    print("a client that goes away ends its run")


def check_shutdown(server):
    body = npy((24, 3, 224, 224), b"\0" * (24 * 3 * 224 * 224 * 4))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(server.request, "POST", "/infer", body) for _ in range(2)]
        wait_for(server, lambda counts: counts["inFlight"] == 2, "the requests do not start")
        server.stop()
        for request in pending:
            status, answer = request.result()
            assert status == 200 and len(payload(answer)) == 24 * 1000 * 4, status
    print("SIGTERM lets requests in flight end, then the server")


program = sys.argv[1]
digits = Server(program, "digits")
try:
    check_answers(digits)
    check_refusals(digits)
    digits.stop()
finally:
    digits.process.kill()
resnet = Server(program, "resnet18")
try:
    check_cancellation(resnet)
    check_shutdown(resnet)
finally:
    resnet.process.kill()
