import io

from pumice.dev.console import Console


def test_lines_carry_their_processs_name():
    stream = io.StringIO()
    Console(stream).line("web", "listening")
    assert stream.getvalue() == "web      | listening\n"


def test_relayed_output_is_split_into_lines_and_survives_bad_bytes():
    stream = io.StringIO()
    Console(stream).relay("worker", io.BytesIO(b"one\r\ntwo \xff\nlast"))
    assert stream.getvalue() == "worker   | one\nworker   | two �\nworker   | last\n"


def test_no_colours_unless_it_is_a_terminal():
    plain, coloured = io.StringIO(), io.StringIO()
    Console(plain).say("hello")
    Console(coloured, colours=True).say("hello")
    assert "\x1b[" not in plain.getvalue()
    assert coloured.getvalue() == "\x1b[32mdev      |\x1b[0m hello\n"


def test_a_terminal_that_is_gone_stops_nothing():
    stream = io.StringIO()
    stream.close()
    console = Console(stream, colours=False)
    console.say("one")
    console.block(["two"])
