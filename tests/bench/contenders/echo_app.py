"""Bare Flask: parses the JSON and sends it back, over HTTP and over a socket."""

from flask import Flask, Response, jsonify, request
from flask_sock import Server, Sock

app = Flask(__name__)
sock = Sock(app)


@app.post("/echo")
def echo() -> Response:
    return jsonify(request.get_json())


@sock.route("/socket")
def socket(connection: Server) -> None:
    while True:
        connection.send(connection.receive())
