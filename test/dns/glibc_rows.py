"""Prints what the C library's getaddrinfo says for each line of standard input:

    host TAB port TAB family TAB type TAB protocol TAB flags

`-` is a missing host or port; the rest are numbers. An answer is one line: `error`, or rows
separated by `;`, each `family type protocol host port` and, for the first with AI_CANONNAME, the
canonical name.
"""
import socket
import sys

for line in sys.stdin:
    host, port, *numbers = line.rstrip("\n").split("\t")
    family, kind, protocol, flags = map(int, numbers)
    try:
        answer = socket.getaddrinfo(
            None if host == "-" else host.encode(), None if port == "-" else port,
            family, kind, protocol, flags)
    except OSError:
        print("error")
        continue
    rows = []
    for row_family, row_type, row_protocol, canonical, address in answer:
        numeric = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        row = [int(row_family), int(row_type), row_protocol, *numeric]
        text = " ".join(map(str, row + ([canonical] if canonical else [])))
        if text not in rows:  # "::1 localhost" and "127.0.0.1 localhost" give 127.0.0.1 twice
            rows.append(text)
    print(";".join(rows))
