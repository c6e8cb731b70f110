"""A python3 client of json_service.lua: lines of JSON over a socket.

usage: json_client.py ADDRESS [KEY]        ADDRESS is a path or host:port
"""
import hashlib
import hmac
import json
import secrets
import socket
import sys


def connect(address, key=None):
    """A file object to read and write lines; with a key, both sides prove that they know it."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in address:
        sock = socket.create_connection((host, int(port)))
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address)
    stream = sock.makefile("rw", newline="\n")
    if key is not None:
        shake_hands(stream, hashlib.sha256(key.encode()).digest())
    return stream


def shake_hands(stream, key):
    def proof(*parts):
        return hmac.new(key, "".join(parts).encode(), "sha256").hexdigest()

    hello = stream.readline().rstrip("\n")
    nonce = secrets.token_hex(32)
    answer = "mplua 1 json %s %s" % (nonce, proof("client", hello, nonce))
    stream.write(answer + "\n")
    stream.flush()
    verdict = stream.readline().split()
    if verdict[:1] != ["ok"] or not hmac.compare_digest(
            verdict[1], proof("listener", hello, answer)):
        raise PermissionError("the key is wrong on one side")


def call(stream, function, argument):
    stream.write(json.dumps({"call": function, "argument": argument}) + "\n")
    stream.flush()
    reply = json.loads(stream.readline())
    if "error" in reply:
        raise RuntimeError(reply["error"])
    return reply["result"]


if __name__ == "__main__":
    service = connect(*sys.argv[1:3])
    print("sum:", call(service, "sum", [1, 2, 3.5]))
    print("words:", call(service, "words", "to be or not to be"))
    try:
        call(service, "nonsense", None)
    except RuntimeError as e:
        print("error:", e)
